"""Energy of a deployment over a month: power, cooling, tariff and the grid's carbon, as ranges."""

from dataclasses import dataclass
from decimal import Decimal

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Gpu
from inferplan.planner.economics import HOURS_PER_MONTH
from inferplan.pricing import energy as figures


@dataclass(frozen=True)
class PowerInputs:
    """What is known of the machines' power; ``None`` is taken from the facts, or left open."""

    load_w: Decimal | None = None
    """Per GPU when busy, with its part of the machine; the GPU's rated power without it."""
    idle_w: Decimal | None = None
    """Per GPU when it waits with the model loaded; anything from 0 to the power at load without it."""
    pue: Decimal | None = None
    usd_per_kwh: Decimal | None = None
    grams_co2e_per_kwh: Decimal | None = None


@dataclass(frozen=True)
class Ends:
    """The ends of a range."""

    low: Decimal
    high: Decimal


@dataclass(frozen=True)
class MonthOfEnergy:
    """Energy of a deployment over 730 hours, from the least to the most that is known of it."""

    kwh: Ends
    usd: Ends | None
    """``None`` without a tariff in USD."""
    kg_co2e: Ends | None
    """``None`` without the grid's carbon."""
    busy_hour_kwh: Ends
    """What an hour of full work takes beyond an idle one: the energy of the next tokens."""
    busy_hour_usd: Ends | None
    basis: tuple[tuple[str, str], ...]
    """Each figure's name and its value with scope, period and source."""


def month_of_energy(
    gpu: Gpu, gpu_count: int, busy_share: Decimal, provider: str, region: str, given: PowerInputs
) -> MonthOfEnergy:
    """Return the energy of ``gpu_count`` GPUs that are busy for ``busy_share`` of a month.

    Raises
    ------
    InferplanError
        If the GPU's rated power is not known and none was given, or powers contradict each other.
    """
    load_w, load_basis = _load(gpu, given)
    idle, idle_basis = _idle(load_w, given)
    pue, pue_basis = _figure(given.pue, figures.pue(provider), "ratio", Ends(Decimal(1), Decimal(1)))
    tariff, tariff_basis = _figure(
        given.usd_per_kwh, figures.regional("electricity_price", region), "USD/kWh"
    )
    carbon, carbon_basis = _figure(
        given.grams_co2e_per_kwh, figures.regional("grid_carbon", region), "gCO2e/kWh"
    )

    def at(end: str, load: Decimal, waiting: Decimal, busy: Decimal, hours: Decimal) -> figures.Energy:
        return figures.energy(
            load_w=load * gpu_count,
            idle_w=waiting * gpu_count,
            busy_share=busy,
            hours=hours,
            pue_ratio=getattr(pue, end) if pue else Decimal(1),
            usd_per_kwh=getattr(tariff, end) if tariff else None,
            grams_co2e_per_kwh=getattr(carbon, end) if carbon else None,
        )

    low = at("low", load_w, idle.low, busy_share, HOURS_PER_MONTH)
    high = at("high", load_w, idle.high, busy_share, HOURS_PER_MONTH)
    # The more an idle hour takes, the less a busy one adds to it.
    least = at("low", load_w - idle.high, Decimal(0), Decimal(1), Decimal(1))
    most = at("high", load_w - idle.low, Decimal(0), Decimal(1), Decimal(1))
    return MonthOfEnergy(
        kwh=Ends(low.kwh, high.kwh),
        usd=_ends(low.usd, high.usd),
        kg_co2e=_ends(low.kg_co2e, high.kg_co2e),
        busy_hour_kwh=Ends(least.kwh, most.kwh),
        busy_hour_usd=_ends(least.usd, most.usd),
        basis=(
            ("Power at load", load_basis),
            ("Power when idle", idle_basis),
            ("PUE", pue_basis),
            ("Tariff", tariff_basis),
            ("Grid carbon", carbon_basis),
        ),
    )


def _load(gpu: Gpu, given: PowerInputs) -> tuple[Decimal, str]:
    if given.load_w is not None:
        return given.load_w, _given(given.load_w, "W per GPU")
    if gpu.tdp_w is None:
        msg = f"the rated power of {gpu.name} is not known; give the watts per GPU at load"
        raise InferplanError(msg)
    return Decimal(
        str(gpu.tdp_w)
    ), f"{gpu.tdp_w:g} W per GPU, its rated power, without CPU and fans ({gpu.source})"


def _idle(load_w: Decimal, given: PowerInputs) -> tuple[Ends, str]:
    if given.idle_w is None:
        return Ends(Decimal(0), load_w), "not known, as no maker publishes it: 0 W to that at load"
    if not 0 <= given.idle_w <= load_w:
        msg = f"power when idle must be 0 to that at load, {load_w:f} W per GPU (found {given.idle_w:f})"
        raise InferplanError(msg)
    return Ends(given.idle_w, given.idle_w), _given(given.idle_w, "W per GPU")


def _figure(
    given: Decimal | None, known: figures.EnergyRange | None, unit: str, otherwise: Ends | None = None
) -> tuple[Ends | None, str]:
    if given is not None:
        return Ends(given, given), _given(given, unit)
    if known is not None:
        return Ends(known.low, known.high), known.basis
    return otherwise, "no source is known for this place" + (
        f": taken as {otherwise.low}" if otherwise else ""
    )


def _given(value: Decimal, unit: str) -> str:
    return f"{value:f} {unit}, given"


def _ends(low: Decimal | None, high: Decimal | None) -> Ends | None:
    return None if low is None or high is None else Ends(low, high)
