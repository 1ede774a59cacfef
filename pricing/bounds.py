"""What an hour of an accelerator can cost at all: the net under typing errors and misread fields."""

import functools
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from inferplan.datasets import catalog

SPREAD = Decimal(5)
"""How far outside of the prices seen for an accelerator another price may lie."""
CHEAPEST_USD_PER_KWH = Decimal("0.02")
"""A third of the lowest tariff in the facts (Iowa, industrial, 0.0604, energy.csv): nobody sells below."""
DEAREST_USD_PER_GPU_HOUR = Decimal(500)


class Bounds(NamedTuple):
    """Lowest and highest credible USD per hour of one whole accelerator, and why."""

    low: Decimal
    high: Decimal
    basis: str


@functools.cache
def _seen() -> Mapping[str, tuple[Decimal, Decimal]]:
    """Return the lowest and highest price per GPU-hour of the bundled snapshot, by accelerator."""
    extremes: dict[str, tuple[Decimal, Decimal]] = {}
    for offer in catalog.offer_observations():
        price = offer.usd_per_gpu_hour
        if price is not None and offer.price_covers == "machine":
            low, high = extremes.get(offer.gpu, (price, price))
            extremes[offer.gpu] = (min(low, price), max(high, price))
    return extremes


def bounds(gpu: str, purchase_option: str) -> Bounds:
    """Return the credible USD per hour of accelerator ``gpu`` under ``purchase_option``.

    Rented: a factor of five around the prices of the snapshot. Owned, or never seen for rent: not
    below the electricity that it burns at the cheapest tariff.

    >>> bounds("B200", "on_demand").low > Decimal("0.01")
    True
    """
    watts = catalog.gpu(gpu).tdp_w
    power = Decimal(str(watts)) / 1000 * CHEAPEST_USD_PER_KWH if watts else Decimal("0.0001")
    seen = _seen().get(gpu)
    if seen is None or purchase_option == "owned":
        high = seen[1] * SPREAD if seen else DEAREST_USD_PER_GPU_HOUR
        return Bounds(power, high, "the electricity it burns at 0.02 USD per kWh, and the dearest price seen")
    return Bounds(
        max(power, seen[0] / SPREAD), seen[1] * SPREAD, "a fifth and five times the prices seen for it"
    )
