"""A plan, or two side by side, as a report to download: inputs, prices with their dates, results."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal

from inferplan.dashboard.reports import Column, Report, Table
from inferplan.datasets.errors import InferplanError
from inferplan.planner.plan_change import ChangeOverTime, explain_plans
from inferplan.planner.plan_comparison import FigureDifference, PlanComparison, inputs
from inferplan.planner.plan_results import PlanResults, Results, Unit

RESULT_COLUMNS = (
    Column("Result"),
    Column("Unit"),
    Column("Expected"),
    Column("Low"),
    Column("High"),
    Column("Basis, or why it is not known"),
)
PRICE_COLUMNS = (
    Column("Provider"),
    Column("Instance"),
    Column("GPU"),
    Column("GPUs"),
    Column("Region"),
    Column("Purchase option"),
    Column("Price", "USD per instance-hour"),
    Column("Seen on"),
    Column("Source"),
)
SIGNIFICANT_DIGITS = 6
DIGITS_TO_THE_CENT = 3  # beyond the power of ten of the first digit
ORDER = (
    "Each driver is set from the first to the second in this order, so joint effects fall to the later one. "
    "Tokens are input and output together at the planned load over 730 hours. Another model counts as volume "
    "first, then as mix."
)


def plan_report(results: Results, *, made_at: datetime) -> Report:
    """Return a plan with its recomputed results as a report."""
    plan = results.plan
    rows = tuple(
        (
            figure.label,
            figure.unit,
            _rounded(figure.value),
            _rounded(figure.low),
            _rounded(figure.high),
            figure.reason if figure.value is None else _basis(figure.unit, results),
        )
        for figure in results.figures()
    )
    prices = tuple(
        (
            offer.provider,
            offer.instance_type,
            offer.gpu,
            offer.gpu_count,
            offer.region,
            offer.purchase_option,
            offer.usd_per_hour,
            offer.observed_on,
            offer.source,
        )
        for offer in plan.prices
    )
    return Report(
        title=plan.name,
        tables=(
            Table("Results", RESULT_COLUMNS, rows),
            Table("Inputs", (Column("Input"), Column("Value")), tuple(inputs(plan).items())),
            Table("Prices", PRICE_COLUMNS, prices),
            *_before_and_after(results),
        ),
        facts=_facts(results),
        made_at=made_at,
    )


def _before_and_after(results: Results) -> Iterator[Table]:
    """Yield what own measurements change, if they change anything."""
    if results.published_alone is None:
        return
    columns = Column("Result"), Column("Unit"), Column("From published runs alone"), Column("With own ones")
    pairs = zip(results.published_alone.figures(), results.figures(), strict=True)
    rows = tuple(
        (before.label, before.unit, _rounded(before.value), _rounded(after.value))
        for before, after in pairs
        if before.value != after.value
    )
    yield Table("Own measurements", columns, rows)


def comparison_report(comparison: PlanComparison, *, made_at: datetime) -> Report:
    """Return two plans side by side as a report: what differs, and what follows."""
    first, second = comparison.first.plan, comparison.second.plan
    names = Column(f"A: {first.name}"), Column(f"B: {second.name}")
    return Report(
        title=f"{first.name} against {second.name}",
        tables=(
            Table(
                "Results",
                (
                    Column("Result"),
                    Column("Unit"),
                    *names,
                    Column("B minus A"),
                    Column("Change", "%"),
                    Column("Basis of A"),
                    Column("Basis of B"),
                ),
                tuple(
                    (*_compared(row), _basis(row.unit, comparison.first), _basis(row.unit, comparison.second))
                    for row in comparison.figures
                ),
            ),
            Table(
                "Inputs that differ",
                (Column("Input"), *names),
                tuple((row.name, row.first, row.second) for row in comparison.inputs),
            ),
            _change(comparison),
        ),
        facts=(
            *((f"A, {name}", value) for name, value in _facts(comparison.first)),
            *((f"B, {name}", value) for name, value in _facts(comparison.second)),
        ),
        made_at=made_at,
    )


def change_report(found: ChangeOverTime, first: date, second: date, *, made_at: datetime) -> Report:
    """Return how the cost of plans changed between two days, with the prices used on each."""
    prices = "; ".join(f"{name}: {before}, then {after}" for name, before, after in found.prices)
    ends = (f"on {first}", found.waterfall.before_usd), (f"on {second}", found.waterfall.after_usd)
    rows = (ends[0], *found.waterfall.steps, ends[1])
    return Report(
        title="Why the cost changed",
        tables=(
            Table(
                "Steps",
                (Column("Step"), Column("Amount", "USD per month of 730 hours"), Column("Prices")),
                tuple((*row, prices) for row in rows),
            ),
            Table(
                "Prices",
                (Column("Plan"), Column(f"Price on {first}"), Column(f"Price on {second}")),
                found.prices,
            ),
        ),
        facts=(("Order", ORDER),),
        made_at=made_at,
    )


def _change(comparison: PlanComparison) -> Table:
    """Return why the monthly cost changes, or one row that says why that is not known."""
    columns = (Column("Step"), Column("Amount", "USD per month of 730 hours"), Column("Why not known"))
    try:
        found = explain_plans(comparison.first, comparison.second)
    except InferplanError as error:
        return Table("Why the cost changes", columns, (("all", None, str(error)),))
    rows = (("A", found.before_usd), *found.steps, ("B", found.after_usd))
    return Table("Why the cost changes", columns, tuple((*row, "") for row in rows))


def _facts(results: Results) -> tuple[tuple[str, str], ...]:
    plan = results.plan
    fit = results.fit if isinstance(results, PlanResults) else None
    engine = (("Engine", fit.memory.engine_profile),) if fit else ()
    return (
        ("Verdict", f"{results.verdict}: {results.fit_reason}"),
        ("Price", results.price_basis),
        ("Estimate", results.estimate_reason),
        *engine,
        ("Intervals", "80%: one case in ten lies below low, one in ten above high"),
        ("Author", plan.author or "not given"),
        ("Saved at (UTC)", plan.updated_at.isoformat(sep=" ")),
        ("Notes", plan.notes or "none"),
        ("Plan id", plan.id),
        ("SHA-256 of the plan", plan.digest),
    )


def _basis(unit: Unit, results: Results) -> str:
    """Return what a figure rests on: money on its price and, per token, on the estimate."""
    if "USD" in unit:
        per_token = unit in {"USD/Mtok", "tokens/USD"}
        return f"{results.price_basis}; {results.estimate_reason}" if per_token else results.price_basis
    return results.estimate_reason if unit in {"s", "tokens/s", "requests/s"} else results.fit_reason


def _compared(row: FigureDifference) -> tuple[object, ...]:
    relative = row.relative_change
    return (
        row.label,
        row.unit,
        _rounded(row.first.value),
        _rounded(row.second.value),
        _rounded(row.change),
        None if relative is None else round(relative * 100, 2),
    )


def _rounded(value: float | Decimal | None) -> float | int | Decimal | None:
    """Return ``value`` with the digits that an estimate can carry, and money with its cents."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, Decimal):
        return Decimal(f"{value:.{max(SIGNIFICANT_DIGITS, value.adjusted() + DIGITS_TO_THE_CENT)}g}")
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
