"""Figures of plans in the units that people read."""

from decimal import Decimal

from inferplan.dashboard import formats
from inferplan.planner.plan_comparison import FigureDifference
from inferplan.planner.plan_results import Figure, Unit

NOT_KNOWN = "not known"


def number_text(value: float | Decimal, unit: Unit) -> str:
    """Return a number in the unit that people read.

    >>> number_text(80 * 1024**3, "bytes"), number_text(0.25, "s"), number_text(12.5, "USD/hour")
    ('80.0 GiB', '250 ms', '$12.50')
    """
    if unit.startswith("USD"):
        return formats.usd(value)
    if unit == "bytes":
        return formats.gib(float(value))
    if unit == "s":
        return formats.duration(float(value)) if value >= 0 else f"{formats.MINUS}{number_text(-value, unit)}"
    if unit == "tokens/s":
        return f"{formats.significant(float(value))} tokens/s"
    if unit == "requests/s":
        return f"{formats.significant(float(value))} per s"
    number = float(value)
    return formats.count(number) if abs(number) >= 100 else formats.significant(number)


def figure_text(figure: Figure) -> str:
    """Return a figure with its interval, or that it is not known."""
    if figure.value is None:
        return NOT_KNOWN
    expected = number_text(figure.value, figure.unit)
    if figure.low is None or figure.high is None:
        return expected
    low, high = (number_text(end, figure.unit).removesuffix(" tokens/s") for end in (figure.low, figure.high))
    return f"{expected} ({low} {formats.EN_DASH} {high})"


def label_text(figure: Figure | FigureDifference) -> str:
    """Return a figure's label with the unit that its numbers do not carry themselves."""
    extra = {"USD/Mtok": "per million", "tokens": "tokens"}.get(figure.unit)
    return f"{figure.label}, {extra}" if extra else figure.label
