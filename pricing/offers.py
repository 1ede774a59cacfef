"""Prices as they stand now and as they were: read from the warehouse, filled from the snapshot at first."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing import observations
from inferplan.pricing.refresh import record
from inferplan.pricing.sources import bundled

# How long a price of a kind usually holds: marketplaces move within days (vast.ai halved in twelve),
# spot within hours, hyperscalers' list prices within months (docs: pricing notes of November 2026).
_USUAL_LIFE = {
    "spot": timedelta(days=1),
    "capacity_block": timedelta(days=7),
    "flex_start": timedelta(days=7),
    "on_demand": timedelta(days=90),
}
_MARKETPLACES = frozenset({"vast", "akash", "runpod", "lium", "openrelay", "massedcompute"})
_MARKETPLACE_LIFE = timedelta(days=7)
_COMMITTED_LIFE = timedelta(days=180)


def load_snapshot(warehouse: Warehouse) -> None:
    """Append the bundled snapshot unless this very one was read before."""
    digest = bundled.digest()
    if not warehouse.rows("SELECT 1 FROM price_refreshes WHERE snapshot_digest = ? LIMIT 1", [digest]):
        record(warehouse, bundled.name, bundled.title, bundled.fetch())


def current_offers(warehouse: Warehouse) -> tuple[Offer, ...]:
    """Return the newest observation of every offer, those without a price included.

    The first call on an empty warehouse loads the bundled snapshot.
    """
    load_snapshot(warehouse)
    with warehouse.transaction() as cursor:
        return tuple(recorded.offer for recorded in observations.newest_by_offer(cursor).values())


def history(warehouse: Warehouse, offer_id: str) -> tuple[Offer, ...]:
    """Return every observation of the offer ``offer_id``, the oldest first."""
    with warehouse.transaction() as cursor:
        return tuple(recorded.offer for recorded in observations.of_offer(cursor, offer_id))


def offer_on(warehouse: Warehouse, offer_id: str, on: date) -> Offer:
    """Return the offer as it was known on a day: its newest observation up to then.

    Raises
    ------
    InferplanError
        If the offer is not known here, or had not been seen by then.
    """
    load_snapshot(warehouse)
    seen = history(warehouse, offer_id)
    by_then = [offer for offer in seen if offer.observed_on <= on]
    if by_then:
        return by_then[-1]
    if not seen:
        raise UnknownNameError("offer", offer_id, (offer.offer_id for offer in current_offers(warehouse)))
    msg = f"{offer_id} was first seen on {seen[0].observed_on}, so its price on {on} is not known"
    raise InferplanError(msg)


def usual_life(offer: Offer) -> timedelta:
    """Return how long a price of this kind usually holds; past that it is stale.

    >>> from inferplan.datasets import catalog
    >>> p5 = next(offer for offer in catalog.offers() if offer.instance_type == "p5.48xlarge")
    >>> usual_life(p5).days
    90
    """
    if offer.purchase_option == "on_demand" and offer.provider in _MARKETPLACES:
        return _MARKETPLACE_LIFE
    return _USUAL_LIFE.get(offer.purchase_option, _COMMITTED_LIFE)


def is_stale(offer: Offer, today: date) -> bool:
    """Whether the price is older, on ``today``, than prices of its kind usually hold."""
    return today - offer.observed_on > usual_life(offer)


@dataclass(frozen=True, slots=True)
class PinnedChange:
    """What became of a price that something was computed with."""

    pinned: Offer
    now: Offer | None
    """``None`` when the offer is not known here."""

    @property
    def usd_per_hour_difference(self) -> Decimal | None:
        """Price now less the pinned one, ``None`` where either is missing."""
        if self.now is None or self.now.usd_per_hour is None or self.pinned.usd_per_hour is None:
            return None
        return self.now.usd_per_hour - self.pinned.usd_per_hour


def changes_since(warehouse: Warehouse, pinned: tuple[Offer, ...]) -> tuple[PinnedChange, ...]:
    """Return what became of each of the ``pinned`` offers."""
    now = {offer.offer_id: offer for offer in current_offers(warehouse)}
    return tuple(PinnedChange(offer, now.get(offer.offer_id)) for offer in pinned)


@dataclass(frozen=True, slots=True)
class KindAge:
    """How old the prices of one kind are."""

    kind: str
    """Purchase option; marketplaces, which move faster, are a kind of their own."""
    usual_life: timedelta
    offers: int
    stale: int
    oldest: date
    newest: date


def ages(offers: Iterable[Offer], today: date) -> tuple[KindAge, ...]:
    """Return the age of the priced ``offers`` by kind, the kinds that hold shortest first."""
    groups: dict[tuple[timedelta, str], list[Offer]] = {}
    for offer in offers:
        if offer.usd_per_hour is not None:
            groups.setdefault((usual_life(offer), _kind(offer)), []).append(offer)
    return tuple(
        KindAge(
            kind=kind,
            usual_life=life,
            offers=len(group),
            stale=sum(is_stale(offer, today) for offer in group),
            oldest=min(offer.observed_on for offer in group),
            newest=max(offer.observed_on for offer in group),
        )
        for (life, kind), group in sorted(groups.items())
    )


def _kind(offer: Offer) -> str:
    is_market = offer.purchase_option == "on_demand" and offer.provider in _MARKETPLACES
    return "marketplace" if is_market else offer.purchase_option
