"""Two plans side by side: only the inputs that differ, and every figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from inferplan.datasets.schema import Row
from inferplan.planner.case_price import price_text
from inferplan.planner.plan import AnyPlan, FleetPlan
from inferplan.planner.plan_results import Figure, Number, Results, Unit

NOTHING_HELD = "none"
OF_THE_OTHER = "only the other plan has such a figure"


@dataclass(frozen=True, slots=True)
class InputDifference:
    """An input that two plans do not share, as text."""

    name: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """One figure of two plans; ``change`` is second minus first, ``None`` where either is not known."""

    label: str
    unit: Unit
    first: Figure
    second: Figure

    @property
    def change(self) -> Number | None:
        """Second minus first, in the figure's unit."""
        if self.first.value is None or self.second.value is None:
            return None
        return Decimal(str(self.second.value)) - Decimal(str(self.first.value))

    @property
    def relative_change(self) -> float | None:
        """Change as a share of the first; ``None`` where that is zero or not known."""
        if self.change is None or not self.first.value:
            return None
        return float(self.change) / float(self.first.value)


@dataclass(frozen=True)
class PlanComparison:
    """Two plans side by side: only the inputs that differ, and every figure."""

    inputs: tuple[InputDifference, ...]
    figures: tuple[FigureDifference, ...]
    first: Results
    second: Results


def inputs(plan: AnyPlan) -> dict[str, str]:
    """Return every input of ``plan`` as text by dotted name: its cases and the pinned prices."""
    flat = {name: _text(value) for name, value in _flatten(_document(plan))}
    for offer in plan.prices:
        flat[f"price of {offer.offer_id}"] = price_text(offer)
    return flat


def compare_plans(first: Results, second: Results) -> PlanComparison:
    """Return the inputs in which two plans differ, and the figures of both."""
    ours, theirs = inputs(first.plan), inputs(second.plan)
    names = [*ours, *(name for name in theirs if name not in ours)]
    return PlanComparison(
        inputs=tuple(
            InputDifference(name, ours.get(name, NOTHING_HELD), theirs.get(name, NOTHING_HELD))
            for name in names
            if ours.get(name) != theirs.get(name)
        ),
        figures=tuple(_side_by_side(first.figures(), second.figures())),
        first=first,
        second=second,
    )


def _side_by_side(first: Sequence[Figure], second: Sequence[Figure]) -> Iterator[FigureDifference]:
    """Yield the figures of both; those that only one has are not known of the other."""
    ours, theirs = ({(one.label, one.unit): one for one in side} for side in (first, second))
    for label, unit in dict.fromkeys((*ours, *theirs)):
        missing = Figure(label, unit, None, reason=OF_THE_OTHER)
        pair = (side.get((label, unit), missing) for side in (ours, theirs))
        yield FigureDifference(label, unit, *pair)


def _document(plan: AnyPlan) -> dict[str, Any]:
    if isinstance(plan, FleetPlan):
        members = {
            f"model {number}": {"share": member.share, **_given(member.case)}
            for number, member in enumerate(plan.portfolio.members, 1)
        }
        return {"requests_per_s": plan.portfolio.requests_per_s, **members, "search": _given(plan.search)}
    return _given(plan.case)


def _given(row: Row) -> dict[str, Any]:
    return row.model_dump(mode="json", exclude_none=True)


def _flatten(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flatten(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def _text(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
