"""What a unit costs now and what another kind of machine would cost, from dated offers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median

from inferplan.datasets.schema import Offer
from inferplan.planner.economics import HOURS_PER_MONTH
from inferplan.planner.rightsizing.evidence import Unit

ON_DEMAND = "on_demand"
_COMMITTED = ("reserved_1y", "reserved_3y", "savings_plan_1y", "savings_plan_3y")
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Rate:
    """USD per hour of all GPUs of a unit."""

    low: Decimal
    expected: Decimal
    high: Decimal
    basis: str
    provider: str | None
    region: str | None
    machine_gpus: float | None
    """GPUs of the machine, where its type is known."""

    def times(self, units: int) -> "Rate":
        """Return the rate of so many units alike."""
        return replace(self, low=self.low * units, expected=self.expected * units, high=self.high * units)


class Market:
    """Offers by machine type and by GPU; those without a price are left out."""

    def __init__(self, offers: Sequence[Offer]) -> None:
        """Index ``offers``."""
        self._by_type: dict[str, list[Offer]] = {}
        self._by_gpu: dict[str, list[Offer]] = {}
        for offer in offers:
            if offer.usd_per_hour is not None and offer.gpu_count >= 1:
                self._by_type.setdefault(offer.instance_type.casefold(), []).append(offer)
                self._by_gpu.setdefault(offer.gpu, []).append(offer)

    def rate(self, unit: Unit) -> Rate | str:
        """Return what the unit costs, or the reason why that is not known."""
        if not unit.gpus:
            return "no GPU is known for this process"
        same = self._by_type.get((unit.instance_type or "").casefold(), [])
        listed = _cheapest([offer for offer in same if offer.purchase_option == ON_DEMAND])
        if listed is not None:
            committed = [
                offer
                for offer in same
                if offer.purchase_option in _COMMITTED and offer.region == listed.region
            ]
            lowest = _cheapest([*committed, listed]) or listed
            return Rate(
                low=per_gpu(lowest) * len(unit.gpus),
                expected=per_gpu(listed) * len(unit.gpus),
                high=per_gpu(listed) * len(unit.gpus),
                basis=priced(listed),
                provider=listed.provider,
                region=listed.region,
                machine_gpus=listed.gpu_count,
            )
        if unit.gpu is None:
            return f"the GPU {unit.gpu_name or 'of this unit'} is not in the catalog"
        return self._rate_by_gpu(unit, unit.gpu.name)

    def _rate_by_gpu(self, unit: Unit, gpu: str) -> Rate | str:
        offers = [offer for offer in self._by_gpu.get(gpu, []) if offer.purchase_option == ON_DEMAND]
        if not offers:
            return f"no on-demand price of {gpu} is known"
        prices = sorted(per_gpu(offer) for offer in offers)
        newest = max(offer.observed_on for offer in offers)
        return Rate(
            low=prices[0] * len(unit.gpus),
            expected=median(prices) * len(unit.gpus),
            high=prices[-1] * len(unit.gpus),
            basis=(
                f"the export names no machine type: on-demand prices of {len(offers)} offers of {gpu}, "
                f"the newest of {newest}"
            ),
            provider=None,
            region=None,
            machine_gpus=None,
        )

    def alternatives(self, unit: Unit, rate: Rate) -> Iterator[Offer]:
        """Yield on-demand machines with other GPUs that cost less, the cheapest first.

        Of the same provider and region where the unit's are known. As many whole machines are counted as the
        unit's GPUs need.
        """
        count = len(unit.gpus)
        offers = [
            offer
            for gpu, offers in self._by_gpu.items()
            if unit.gpu is None or gpu != unit.gpu.name
            for offer in offers
            if offer.purchase_option == ON_DEMAND
            and offer.gpu_count >= count
            and (rate.provider is None or (offer.provider, offer.region) == (rate.provider, rate.region))
            and machine_usd_per_hour(offer, count) < rate.expected
        ]
        yield from sorted(offers, key=lambda offer: (machine_usd_per_hour(offer, count), offer.offer_id))

    def commitments(self, unit: Unit) -> tuple[Offer, Offer] | None:
        """Return the on-demand offer of the unit's machine type and its cheapest one-year commitment."""
        same = self._by_type.get((unit.instance_type or "").casefold(), [])
        listed = _cheapest([offer for offer in same if offer.purchase_option == ON_DEMAND])
        yearly = _cheapest(
            [
                offer
                for offer in same
                if offer.purchase_option in ("reserved_1y", "savings_plan_1y")
                and listed is not None
                and offer.region == listed.region
            ]
        )
        return (listed, yearly) if listed and yearly else None


def per_gpu(offer: Offer) -> Decimal:
    """Return USD per GPU-hour of a priced offer."""
    return (offer.usd_per_hour or Decimal(0)) / Decimal(str(offer.gpu_count))


def machine_usd_per_hour(offer: Offer, gpus: int) -> Decimal:
    """Return USD per hour of what ``gpus`` GPUs occupy: a whole machine where it is no multiple of them."""
    if offer.gpu_count % gpus == 0:
        return per_gpu(offer) * gpus
    return offer.usd_per_hour or Decimal(0)


def priced(offer: Offer) -> str:
    """Return price, source and day in words."""
    return (
        f"{offer.provider} {offer.instance_type} {offer.region} {offer.purchase_option.replace('_', ' ')}, "
        f"{offer.usd_per_hour} USD per hour, observed {offer.observed_on} in {offer.source}"
    )


def monthly(usd_per_hour: Decimal) -> Decimal:
    """Return USD per month of 730 hours, to the cent."""
    return (usd_per_hour * HOURS_PER_MONTH).quantize(_CENT)


def _cheapest(offers: Sequence[Offer]) -> Offer | None:
    return min(offers, key=lambda offer: (per_gpu(offer), offer.offer_id), default=None)
