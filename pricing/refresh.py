"""Fetch, check, append, report: prices are added with their date and never overwritten."""

import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Cursor, Warehouse
from inferplan.pricing import observations
from inferplan.pricing.checks import Checked, check
from inferplan.pricing.observations import Recorded
from inferplan.pricing.report import PriceChange, RefreshReport
from inferplan.pricing.sheet import read_sheet, sheet_source_name
from inferplan.pricing.source import Fetched, SourceSkippedError
from inferplan.pricing.sources import source

__all__ = ["RefreshReport", "import_sheet", "record", "refresh"]

# One process owns the file, so this is enough to keep two sessions from appending the same news twice.
_recording = threading.Lock()


def refresh(warehouse: Warehouse, source_name: str, region: str | None = None) -> RefreshReport:
    """Ask the source called ``source_name`` and append what is new; a skipped source is a report, too.

    Everything lands in one transaction: a kill in the middle leaves the prices as they were.

    Raises
    ------
    UnknownNameError
        For a source that does not exist.
    InferplanError
        When the source answers with nothing at all although it had offers: nothing is changed.
    """
    asked = source(source_name)
    reason = asked.skipped()
    try:
        if reason:
            raise SourceSkippedError(reason)
        fetched = asked.fetch(region)
    except SourceSkippedError as skip:
        return RefreshReport(asked.name, asked.title, _now(), region, skipped=str(skip))
    return record(warehouse, asked.name, asked.title, fetched, region)


def import_sheet(warehouse: Warehouse, path: str | Path) -> RefreshReport:
    """Append the prices of the user's own CSV or XLSX file at ``path``.

    Raises
    ------
    SheetError
        With row and column of everything that is wrong; nothing of such a sheet lands.
    """
    place = Path(path)
    name = sheet_source_name(place)
    return record(warehouse, name, f"Price sheet {place.name}", read_sheet(place))


def record(
    warehouse: Warehouse, source_name: str, title: str, fetched: Fetched, region: str | None = None
) -> RefreshReport:
    """Check ``fetched``, append what is new in one transaction and return what it brought."""
    checked = check(fetched.quotes)
    now = _now()

    def write(cursor: Cursor) -> RefreshReport:
        known = observations.newest_by_offer(cursor)
        changes = _compare(known, checked.offers)
        gone = _gone(known, source_name, checked, fetched)
        if gone and not fetched.quotes:
            msg = (
                f"{title} answered with no price at all, where it had {len(gone)}. "
                "Nothing was changed; try again later or ask for one region."
            )
            raise InferplanError(msg)
        appended = (*changes.fresh, *(_farewell(offer, title, now.date()) for offer in gone))
        report = RefreshReport(
            source_name=source_name,
            title=title,
            refreshed_at=now,
            region=region,
            new=changes.new,
            changed=changes.changed,
            unchanged=changes.unchanged,
            vanished=gone,
            refused=checked.refused,
            duplicates=checked.duplicates,
            appended=len(appended),
            notes=fetched.notes,
        )
        observations.append(cursor, report, fetched.digest, appended)
        return report

    with _recording:
        return warehouse.write(write)


def _gone(
    known: dict[str, Recorded], source_name: str, checked: Checked, fetched: Fetched
) -> tuple[Offer, ...]:
    """Return the offers of the source, in the regions that were asked, that it does not list any more."""
    listed = {offer.offer_id for offer in checked.offers} | checked.refused_offer_ids
    return tuple(
        recorded.offer
        for offer_id, recorded in known.items()
        if recorded.source_name == source_name
        and recorded.offer.usd_per_hour is not None
        and offer_id not in listed
        and (fetched.regions is None or recorded.offer.region in fetched.regions)
    )


@dataclass(frozen=True, slots=True)
class _Changes:
    new: tuple[Offer, ...]
    changed: tuple[PriceChange, ...]
    unchanged: int
    fresh: tuple[Offer, ...]
    """Observations to append, the oldest first."""


def _compare(known: dict[str, Recorded], offers: tuple[Offer, ...]) -> _Changes:
    """Return what ``offers`` add to what is ``known``: an older or equal observation adds nothing."""
    newest = {offer_id: recorded.offer for offer_id, recorded in known.items()}
    new: dict[str, Offer] = {}
    changed: dict[str, PriceChange] = {}
    met_again: set[str] = set()
    fresh: list[Offer] = []
    for offer in sorted(offers, key=lambda offer: offer.observed_on):
        before = newest.get(offer.offer_id)
        if before is not None and not _adds(offer, before):
            met_again.add(offer.offer_id)
            continue
        fresh.append(offer)
        newest[offer.offer_id] = offer
        first = known.get(offer.offer_id)
        if first is None:
            new[offer.offer_id] = offer
        elif first.offer.usd_per_hour != offer.usd_per_hour:
            changed[offer.offer_id] = PriceChange(offer, first.offer.usd_per_hour, first.offer.observed_on)
        else:
            changed.pop(offer.offer_id, None)
            met_again.add(offer.offer_id)
    unchanged = len(met_again - new.keys() - changed.keys())
    return _Changes(tuple(new.values()), tuple(changed.values()), unchanged, tuple(fresh))


def _adds(offer: Offer, before: Offer) -> bool:
    """Whether ``offer`` is newer than what is known, or of the same day with another price or shape."""
    if offer.observed_on != before.observed_on:
        return offer.observed_on > before.observed_on
    what_counts = ("usd_per_hour", "gpu_count", "price_covers", "vcpus", "memory_gib", "source", "notes")
    return any(getattr(offer, name) != getattr(before, name) for name in what_counts)


def _farewell(offer: Offer, title: str, today: date) -> Offer:
    """Return the observation that ``offer`` is not listed any more.

    It keeps the day of the last price, so that the same price counts again when it is listed again.
    """
    return offer.model_copy(
        update={
            "usd_per_hour": None,
            "no_price_reason": f"not listed any more on {today} by: {title}",
            "date_basis": "day of its last price",
        }
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
