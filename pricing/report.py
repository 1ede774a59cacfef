"""What a refresh brought."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from inferplan.datasets.schema import Offer
from inferplan.pricing.checks import Refusal


@dataclass(frozen=True, slots=True)
class PriceChange:
    """An offer whose price moved, with the price and the date before."""

    offer: Offer
    usd_per_hour_before: Decimal | None
    observed_on_before: date


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What a refresh brought."""

    source_name: str
    title: str
    refreshed_at: datetime
    """Naive UTC."""
    region: str | None = None
    new: tuple[Offer, ...] = ()
    changed: tuple[PriceChange, ...] = ()
    unchanged: int = 0
    """Offers met again at the price that was known."""
    vanished: tuple[Offer, ...] = ()
    """Offers that the source does not list any more, as last seen."""
    refused: tuple[Refusal, ...] = ()
    duplicates: tuple[Refusal, ...] = ()
    appended: int = 0
    """Observations written."""
    notes: tuple[str, ...] = ()
    skipped: str | None = None
    """Why the source was not asked at all."""

    def as_json(self) -> dict[str, object]:
        """Return the report as plain JSON types, money as text."""
        return {
            "source": self.source_name,
            "title": self.title,
            "refreshed_at": self.refreshed_at.isoformat(sep=" ", timespec="seconds"),
            "region": self.region,
            "new": [offer.offer_id for offer in self.new],
            "changed": [
                {
                    "offer": change.offer.offer_id,
                    "usd_per_hour": _text(change.offer.usd_per_hour),
                    "usd_per_hour_before": _text(change.usd_per_hour_before),
                    "observed_on_before": change.observed_on_before.isoformat(),
                }
                for change in self.changed
            ],
            "unchanged": self.unchanged,
            "vanished": [offer.offer_id for offer in self.vanished],
            "refused": [{"where": found.where, "reason": found.reason} for found in self.refused],
            "duplicates": [{"where": found.where, "reason": found.reason} for found in self.duplicates],
            "appended": self.appended,
            "notes": list(self.notes),
            "skipped": self.skipped,
        }


def _text(price: Decimal | None) -> str | None:
    return None if price is None else str(price)
