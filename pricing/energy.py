"""Power, what it costs and emits: from the facts as a range with its sources, or from own figures."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import EnergyFigure

Metric = Literal["pue", "electricity_price", "grid_carbon"]
_UNITS: dict[Metric, str] = {"pue": "ratio", "electricity_price": "USD/kWh", "grid_carbon": "gCO2e/kWh"}
_SCOPES = {
    "aws": ("AWS global",),
    "gcp": ("Google global",),
    "azure": ("Microsoft global", "Azure as used for OpenAI"),
    "oci": ("Oracle",),
    "owned": ("On-premises average", "Industry survey average"),
}
_ANY_CLOUD = ("Public cloud average",)
_SHOWN = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class EnergyRange:
    """What the sources say of one metric at one place: they differ, so it is a range."""

    low: Decimal
    high: Decimal
    unit: str
    figures: tuple[EnergyFigure, ...]

    @property
    def basis(self) -> str:
        """The figures with their scope, period and source, in words."""
        return "; ".join(
            f"{figure.value:g} {figure.unit} ({figure.scope}, {figure.period}, {figure.source})"
            for figure in self.figures
        )


def regional(metric: Metric, region: str) -> EnergyRange | None:
    """Return the tariff or the grid's carbon of a cloud ``region``, ``None`` where no source is known.

    Tariffs in another currency than USD are left out: converting them needs a rate and its date.

    >>> found = regional("grid_carbon", "us-east-1")
    >>> found.low, found.high, found.unit
    (Decimal('323.05'), Decimal('415.755'), 'gCO2e/kWh')
    """
    return _range(
        metric,
        tuple(
            figure
            for figure in catalog.energy()
            if figure.metric == metric
            and figure.unit == _UNITS[metric]
            and region in (figure.aws_region, figure.azure_region, figure.gcp_region)
        ),
    )


def pue(provider: str) -> EnergyRange | None:
    """Return the power usage effectiveness of a provider's sites; "owned" is a room of one's own.

    >>> pue("aws").high
    Decimal('1.15')
    """
    scopes = _SCOPES.get(provider, _ANY_CLOUD)
    found = tuple(figure for figure in catalog.energy() if figure.metric == "pue" and figure.scope in scopes)
    return _range("pue", found)


def _range(metric: Metric, figures: tuple[EnergyFigure, ...]) -> EnergyRange | None:
    if not figures:
        return None
    values = [Decimal(str(figure.value)) for figure in figures]
    return EnergyRange(min(values), max(values), _UNITS[metric], figures)


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy of a deployment over some hours, cooling included."""

    kwh: Decimal
    usd: Decimal | None
    """``None`` without a tariff: rented machines have it in their price."""
    kg_co2e: Decimal | None
    """``None`` without the grid's carbon."""


def energy(
    *,
    load_w: Decimal,
    idle_w: Decimal,
    busy_share: Decimal,
    hours: Decimal,
    pue_ratio: Decimal,
    usd_per_kwh: Decimal | None = None,
    grams_co2e_per_kwh: Decimal | None = None,
) -> Energy:
    """Return the energy of machines that draw ``load_w`` when busy and ``idle_w`` otherwise.

    kWh = hours x (busy x load + (1 - busy) x idle) / 1000 x PUE.

    >>> energy(load_w=Decimal(10000), idle_w=Decimal(2000), busy_share=Decimal("0.5"), hours=Decimal(100),
    ...        pue_ratio=Decimal("1.2"), usd_per_kwh=Decimal("0.1"), grams_co2e_per_kwh=Decimal(400))
    Energy(kwh=Decimal('720.000000'), usd=Decimal('72.000000'), kg_co2e=Decimal('288.000000'))
    """
    if not (0 <= busy_share <= 1 and pue_ratio >= 1 and 0 <= idle_w <= load_w and hours >= 0):
        msg = (
            f"busy share must be 0 to 1, PUE at least 1, idle power at most that at load, hours not negative "
            f"(found {busy_share}, {pue_ratio}, {idle_w} W of {load_w} W, {hours} h)"
        )
        raise InferplanError(msg)
    kwh = hours * (busy_share * load_w + (1 - busy_share) * idle_w) / 1000 * pue_ratio
    return Energy(
        kwh.quantize(_SHOWN),
        None if usd_per_kwh is None else (kwh * usd_per_kwh).quantize(_SHOWN),
        None if grams_co2e_per_kwh is None else (kwh * grams_co2e_per_kwh / 1000).quantize(_SHOWN),
    )
