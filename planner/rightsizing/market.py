"""What a unit costs now and what another kind of machine would cost, from dated offers and its own bill."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median

from inferplan.datasets.schema import Offer
from inferplan.planner.economics import HOURS_PER_MONTH
from inferplan.planner.rightsizing.finding import NO_BILL, Savings
from inferplan.planner.rightsizing.unit import Unit
from inferplan.planner.spend_rates import EffectiveRate, EffectiveRates

ON_DEMAND = "on_demand"
YEARLY = ("reserved_1y", "savings_plan_1y")
_COMMITTED = (*YEARLY, "reserved_3y", "savings_plan_3y")
_CENT = Decimal("0.01")
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
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
    effective: Decimal | None = None
    """As billed, commitments spread over their time."""
    uncommitted: Decimal | None = None
    """Of ``effective``, what no commitment covers."""
    billed: str = NO_BILL

    def instead_of(self, offer: Offer, gpus: int) -> Decimal:
        """Return USD per hour of ``gpus`` GPUs of ``offer`` in place of these.

        A share of the machine where these are a share of theirs or their machine is not known; the whole
        machine in place of a whole one, and where it is no multiple of them.
        """
        is_whole = self.machine_gpus is not None and self.machine_gpus <= gpus
        if is_whole or offer.gpu_count % gpus:
            return offer.usd_per_hour or _ZERO
        return per_gpu(offer) * gpus

    def worth(
        self, low: Decimal, share: Decimal, condition: str, new: Decimal = _ZERO, basis: str | None = None
    ) -> Savings:
        """Return what giving up ``share`` of the hours (or of the GPUs) and paying ``new`` per hour saves.

        ``low`` is USD per hour saved at least, ``new`` included.
        """
        return Savings(
            low=monthly(low),
            expected=monthly(self.expected * share - new),
            high=monthly(self.high * share - new),
            basis=basis or self.basis,
            condition=condition,
            effective=None if self.effective is None else monthly(self.effective * share - new),
            net=None if self.uncommitted is None else monthly(self.uncommitted * share - new),
            billed=self.billed,
        )


def together(rates: Sequence[Rate]) -> Rate:
    """Return the rate of several units at once; the words are the first one's."""

    def total(amounts: Sequence[Decimal | None]) -> Decimal | None:
        known = [amount for amount in amounts if amount is not None]
        return sum(known, _ZERO) if len(known) == len(amounts) else None

    return replace(
        rates[0],
        low=sum((rate.low for rate in rates), _ZERO),
        expected=sum((rate.expected for rate in rates), _ZERO),
        high=sum((rate.high for rate in rates), _ZERO),
        effective=total([rate.effective for rate in rates]),
        uncommitted=total([rate.uncommitted for rate in rates]),
        billed=next((rate.billed for rate in rates if rate.effective is None), rates[0].billed),
    )


class Market:
    """Offers by machine type and by GPU, those without a price left out; and what bills say."""

    def __init__(self, offers: Sequence[Offer], billed: EffectiveRates | None = None) -> None:
        """Index ``offers``."""
        self._billed = billed or EffectiveRates({})
        self._rates: dict[tuple[str | None, str | None, str | None, Decimal], Rate | str] = {}
        self._alternatives: dict[tuple[object, ...], Sequence[Offer]] = {}
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
        instance_type, region = self.machine(unit)
        kind = (instance_type, region, unit.gpu.name if unit.gpu else None, unit.gpus_held)
        if kind not in self._rates:
            self._rates[kind] = self._listed(unit)
        rate = self._rates[kind]
        return rate if isinstance(rate, str) else self._as_billed(unit, rate)

    def machine(self, unit: Unit) -> tuple[str | None, str | None]:
        """Return type and region of the unit's machine, as the export says or else as its bill does."""
        found = self._bill(unit)
        told, region = (found.instance_type, found.region) if found else (None, None)
        return (unit.instance_type or told or "").casefold() or None, region

    def _bill(self, unit: Unit) -> EffectiveRate | None:
        return self._billed.of(*unit.gpus, unit.instance_id, unit.host) if self._billed.by_place else None

    def _as_billed(self, unit: Unit, rate: Rate) -> Rate:
        found = self._bill(unit)
        if found is None:
            return rate
        if found.currency != "USD":
            return replace(rate, billed=f"the bill is in {found.currency}, prices are in USD")
        effective = found.per_gpu_hour * unit.gpus_held
        free = 1 - Decimal(str(round(found.committed_share, 6)))
        return replace(rate, effective=effective, uncommitted=effective * free, billed=found.basis)

    def _listed(self, unit: Unit) -> Rate | str:
        instance_type, region = self.machine(unit)
        listed = self.listed(instance_type, region) or self.listed(instance_type)
        if listed is None:
            if unit.gpu is None:
                return f"the GPU {unit.gpu_name or 'of this unit'} is not in the catalog"
            return self._rate_by_gpu(unit, unit.gpu.name)
        lowest = _cheapest([*self._sold(listed, _COMMITTED), listed]) or listed
        return Rate(
            low=per_gpu(lowest) * unit.gpus_held,
            expected=per_gpu(listed) * unit.gpus_held,
            high=per_gpu(listed) * unit.gpus_held,
            basis=f"{priced(listed)}{self._place_told(listed, region)}",
            provider=listed.provider,
            region=region or listed.region,
            machine_gpus=listed.gpu_count,
        )

    def listed(self, instance_type: str | None, region: str | None = None) -> Offer | None:
        """Return the cheapest on-demand offer of a machine type, in ``region`` where one is given."""
        return _cheapest(
            [
                offer
                for offer in self._by_type.get((instance_type or "").casefold(), [])
                if offer.purchase_option == ON_DEMAND and (region is None or _same(offer.region, region))
            ]
        )

    def _place_told(self, listed: Offer, region: str | None) -> str:
        """Return what is to be said of a price that may be another region's."""
        if region and not _same(listed.region, region):
            return f" (no price for {region}, where the bill has it, is known)"
        same = self._by_type[listed.instance_type.casefold()]
        regions = {offer.region for offer in same if offer.purchase_option == ON_DEMAND}
        if region or len(regions) == 1:
            return ""
        return f" (the cheapest of {len(regions)} regions: neither export nor bill names one)"

    def _rate_by_gpu(self, unit: Unit, gpu: str) -> Rate | str:
        offers = [offer for offer in self._by_gpu.get(gpu, []) if offer.purchase_option == ON_DEMAND]
        if not offers:
            return f"no on-demand price of {gpu} is known"
        prices = sorted(per_gpu(offer) for offer in offers)
        newest = max(offer.observed_on for offer in offers)
        return Rate(
            low=prices[0] * unit.gpus_held,
            expected=median(prices) * unit.gpus_held,
            high=prices[-1] * unit.gpus_held,
            basis=(
                f"the export names no machine type: on-demand prices of {len(offers)} offers of {gpu}, "
                f"the newest of {newest}"
            ),
            provider=None,
            region=None,
            machine_gpus=None,
        )

    def alternatives(self, gpu: str, count: int, rate: Rate) -> Sequence[Offer]:
        """Return an on-demand machine of each other GPU that costs less, the cheapest first.

        The cheapest one of the same provider and region where the rate has them, else the one in the middle
        of all, as the rate is.
        """
        asked = (gpu, count, rate.provider, rate.region, rate.machine_gpus, rate.expected)
        if asked not in self._alternatives:
            found: dict[str, list[Offer]] = {}
            for offer in self._by_price(count, rate):
                is_near = offer.provider == rate.provider and _same(offer.region, rate.region or "")
                if offer.gpu != gpu and (is_near or rate.provider is None):
                    found.setdefault(offer.gpu, []).append(offer)
            usual = (offers[0 if rate.provider else len(offers) // 2] for offers in found.values())
            cheaper = [one for one in usual if rate.instead_of(one, count) < rate.expected]
            self._alternatives[asked] = sorted(cheaper, key=lambda one: rate.instead_of(one, count))
        return self._alternatives[asked]

    def _by_price(self, count: int, rate: Rate) -> list[Offer]:
        offers = [
            offer
            for offers in self._by_gpu.values()
            for offer in offers
            if offer.purchase_option == ON_DEMAND and offer.gpu_count >= count
        ]
        return sorted(offers, key=lambda offer: (rate.instead_of(offer, count), offer.offer_id))

    def yearly(self, listed: Offer) -> list[Offer]:
        """Return the one-year commitments for the machine of ``listed``, where it is."""
        return self._sold(listed, YEARLY)

    def _sold(self, listed: Offer, options: Sequence[str]) -> list[Offer]:
        return [
            offer
            for offer in self._by_type[listed.instance_type.casefold()]
            if offer.purchase_option in options
            and (offer.provider, offer.region) == (listed.provider, listed.region)
        ]


def per_gpu(offer: Offer) -> Decimal:
    """Return USD per GPU-hour of a priced offer."""
    return (offer.usd_per_hour or _ZERO) / Decimal(str(offer.gpu_count))


def priced(offer: Offer) -> str:
    """Return price, source and day in words."""
    return (
        f"{offer.provider} {offer.instance_type} {offer.region} {offer.purchase_option.replace('_', ' ')}, "
        f"{offer.usd_per_hour} USD per hour, observed {offer.observed_on} in {offer.source}"
    )


def monthly(usd_per_hour: Decimal) -> Decimal:
    """Return USD per month of 730 hours, to the cent."""
    return (usd_per_hour * HOURS_PER_MONTH).quantize(_CENT)


def _same(region: str, other: str) -> bool:
    return region.casefold() == other.casefold()


def _cheapest(offers: Sequence[Offer]) -> Offer | None:
    return min(offers, key=lambda offer: (per_gpu(offer), offer.offer_id), default=None)
