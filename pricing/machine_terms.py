"""How one machine is sold: on demand, committed, on spot; and what its flexible hours cost."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.pricing.commitments import Term
from inferplan.pricing.conditions import NegotiatedTerms, useful_spot_usd_per_hour

MONTHS_PER_YEAR = 12
_LENGTH = re.compile(r"_(\d+)(y|mo)$")


@dataclass(frozen=True, slots=True)
class MachineTerms:
    """Offers of the same machine at the same place; each with a price of the whole machine."""

    on_demand: Offer
    committed: tuple[Offer, ...]
    """Reserved terms and savings plans of a stated length, the shortest first."""
    spot: Offer | None


@dataclass(frozen=True, slots=True)
class SpotUse:
    """How spot may be used for the hours that no commitment serves."""

    most_share: Decimal = Decimal(0)
    """Of those hours, at most this share on spot (0-1)."""
    interruptions_per_hour: Decimal = Decimal(0)
    lost_hours_per_interruption: Decimal = Decimal(0)
    """Paid hours in which a restarted replica serves nothing."""


def years_of(purchase_option: str) -> Decimal | None:
    """Return the length of a commitment, ``None`` for an option that binds to none.

    >>> years_of("reserved_3y"), years_of("reserved_6mo"), years_of("on_demand")
    (Decimal('3'), Decimal('0.5'), None)
    """
    found = _LENGTH.search(purchase_option)
    if found is None:
        return None
    number = Decimal(found[1])
    return number if found[2] == "y" else number / MONTHS_PER_YEAR


def machine_terms(offers: Iterable[Offer]) -> tuple[MachineTerms, ...]:
    """Return the machines that are sold on demand, each with its other terms where there are any."""
    groups: dict[tuple[str, str, str, str], dict[str, Offer]] = {}
    for offer in offers:
        if offer.usd_per_hour is not None and offer.price_covers == "machine":
            machine = (offer.provider, offer.instance_type, offer.region, offer.gpu)
            groups.setdefault(machine, {})[offer.purchase_option] = offer
    return tuple(
        MachineTerms(
            on_demand=options["on_demand"],
            committed=tuple(
                sorted(
                    (offer for offer in options.values() if years_of(offer.purchase_option) is not None),
                    key=lambda offer: (years_of(offer.purchase_option) or 0, offer.purchase_option),
                )
            ),
            spot=options.get("spot"),
        )
        for options in groups.values()
        if "on_demand" in options
    )


def terms(sold: MachineTerms, negotiated: NegotiatedTerms) -> tuple[Term, ...]:
    """Return the commitments as ``commitments.recommend`` takes them, at negotiated prices."""
    return tuple(
        Term(offer.purchase_option, negotiated.applied_to(offer.usd_per_hour), years)
        for offer in sold.committed
        if offer.usd_per_hour is not None and (years := years_of(offer.purchase_option)) is not None
    )


class FlexibleHour(NamedTuple):
    """What an hour without a commitment costs, and how it is bought."""

    on_demand_usd: Decimal
    spot_usd: Decimal | None
    """Of a useful hour: what its interruptions waste is in it."""
    spot_share: Decimal
    """Of these hours, 0-1; 0 where spot is not cheaper."""

    @property
    def usd(self) -> Decimal:
        """Both, each by its share."""
        return self.on_demand_usd + self.spot_share * ((self.spot_usd or Decimal(0)) - self.on_demand_usd)


def flexible_hour(sold: MachineTerms, negotiated: NegotiatedTerms, use: SpotUse) -> FlexibleHour:
    """Return what an hour without a commitment costs: on demand, with spot up to its cap where it is cheaper.

    Raises
    ------
    InferplanError
        If interruptions leave nothing useful, or a share is none.
    """
    if sold.on_demand.usd_per_hour is None:
        msg = f"{sold.on_demand.offer_id} has no public price: {sold.on_demand.no_price_reason}"
        raise InferplanError(msg)
    if not 0 <= use.most_share <= 1:
        msg = f"the share of spot lies between 0 and 1 (found {use.most_share})"
        raise InferplanError(msg)
    on_demand = negotiated.applied_to(sold.on_demand.usd_per_hour)
    if sold.spot is None or sold.spot.usd_per_hour is None or not use.most_share:
        return FlexibleHour(on_demand, None, Decimal(0))
    spot = useful_spot_usd_per_hour(
        negotiated.applied_to(sold.spot.usd_per_hour),
        use.interruptions_per_hour,
        use.lost_hours_per_interruption,
    )
    return FlexibleHour(on_demand, spot, use.most_share if spot < on_demand else Decimal(0))
