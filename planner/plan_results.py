"""What follows from a plan: figures recomputed from its inputs and pinned prices, two plans side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from inferplan.datasets.errors import InferplanError
from inferplan.planner.case_price import CasePrice, case_price, price_text
from inferplan.planner.economics import HOURS_PER_MONTH, unit_cost
from inferplan.planner.memory import fit
from inferplan.planner.performance import estimate

if TYPE_CHECKING:
    from inferplan.planner.deployment import Deployment
    from inferplan.planner.economics import UnitCost
    from inferplan.planner.memory import Fit
    from inferplan.planner.performance import Estimate, OwnEvidence
    from inferplan.planner.plan import Plan

Unit = Literal[
    "1", "bytes", "tokens", "s", "tokens/s", "requests/s", "USD/hour", "USD/month", "USD/Mtok", "tokens/USD"
]
Number = int | float | Decimal

NOTHING_HELD = "none"


@dataclass(frozen=True, slots=True)
class Figure:
    """One result with its unit; ``None`` comes with the reason why it is not known."""

    label: str
    unit: Unit
    value: Number | None
    low: Number | None = None
    """Lower end of the 80 % interval, where the figure is an estimate."""
    high: Number | None = None
    reason: str = ""


@dataclass(frozen=True)
class PlanResults:
    """The answers to a plan's three questions: does it fit, how fast is it, what does it cost."""

    gpu_count: int | None
    fit: Fit | None
    estimate: Estimate | None
    cost: UnitCost | None
    usd_per_hour: Decimal | None
    """Of the whole deployment."""
    price_basis: str
    """The price used with its date and source, or why there is none."""
    fit_reason: str
    estimate_reason: str
    """What the estimate rests on, or why there is none."""
    own: OwnEvidence | None = None
    """Own measurements that the estimate was drawn to."""
    published_alone: PlanResults | None = None
    """The same from published runs alone; ``None`` where own measurements change nothing."""

    @property
    def verdict(self) -> str:
        """One word on whether it fits."""
        return "unknown" if self.fit is None else "fits" if self.fit.fits else "does not fit"


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
    first: PlanResults
    second: PlanResults


def evaluate(plan: Plan, own: OwnEvidence | None = None) -> PlanResults:
    """Return what follows from ``plan``; what cannot be worked out is ``None`` with the reason.

    Estimates are drawn to ``own`` measurements.
    """
    try:
        deployment = plan.case.deployment()
        found_fit = fit(deployment)
    except InferplanError as error:
        reason = str(error)
        return PlanResults(None, None, None, None, None, reason, reason, reason)
    usd_per_hour, price_basis = _price(plan, deployment)
    found, cost, basis = None, None, ""
    try:
        workload = plan.case.workload()
        found = estimate(deployment, workload, own)
        basis = found.basis
        if usd_per_hour is not None:
            cost = unit_cost(found, workload, usd_per_hour)
    except InferplanError as error:
        basis = str(error)
    return PlanResults(
        gpu_count=deployment.gpu_count,
        fit=found_fit,
        estimate=found,
        cost=cost,
        usd_per_hour=usd_per_hour,
        price_basis=price_basis,
        fit_reason=found_fit.reason,
        estimate_reason=basis,
        own=own,
        published_alone=evaluate(plan) if found and found.published_alone else None,
    )


def figures(results: PlanResults) -> tuple[Figure, ...]:
    """Return the results as a list that pages, reports and comparisons share."""
    return (*_memory_figures(results), *_speed_figures(results), *_cost_figures(results))


def inputs(plan: Plan) -> dict[str, str]:
    """Return every input of ``plan`` as text by dotted name: the case and the pinned prices."""
    case = plan.case.model_dump(mode="json", exclude_none=True)
    flat = {name: _text(value) for name, value in _flatten(case)}
    for offer in plan.prices:
        flat[f"price of {offer.offer_id}"] = price_text(offer)
    return flat


def compare_plans(first: Plan, second: Plan, own: OwnEvidence | None = None) -> PlanComparison:
    """Return the inputs in which two plans differ, and both plans' figures recomputed now."""
    ours, theirs = inputs(first), inputs(second)
    names = [*ours, *(name for name in theirs if name not in ours)]
    results = evaluate(first, own), evaluate(second, own)
    return PlanComparison(
        inputs=tuple(
            InputDifference(name, ours.get(name, NOTHING_HELD), theirs.get(name, NOTHING_HELD))
            for name in names
            if ours.get(name) != theirs.get(name)
        ),
        figures=tuple(
            FigureDifference(one.label, one.unit, one, other)
            for one, other in zip(figures(results[0]), figures(results[1]), strict=True)
        ),
        first=results[0],
        second=results[1],
    )


def _price(plan: Plan, deployment: Deployment) -> CasePrice:
    offer = plan.price()
    if plan.case.offer is not None and offer is None:
        return CasePrice(None, f"the plan names offer {plan.case.offer} but holds no price of it")
    try:
        return case_price(plan.case, deployment, offer)
    except InferplanError as error:
        return CasePrice(None, str(error))


def _memory_figures(results: PlanResults) -> Iterator[Figure]:
    found, reason = results.fit, results.fit_reason
    rows: tuple[tuple[str, Unit, Callable[[Fit], Number]], ...] = (
        ("Memory per GPU", "bytes", lambda fit: fit.memory.total_bytes),
        ("Weights per GPU", "bytes", lambda fit: fit.memory.weights_bytes),
        ("Activations per GPU", "bytes", lambda fit: fit.memory.activation_bytes),
        (
            "Engine overhead per GPU",
            "bytes",
            lambda fit: fit.memory.non_torch_bytes + fit.memory.cuda_graph_bytes,
        ),
        ("KV cache pool per GPU", "bytes", lambda fit: fit.memory.kv_pool_bytes),
        ("KV cache pool", "tokens", lambda fit: fit.kv_pool_tokens),
        ("Longest context", "tokens", lambda fit: fit.max_model_len),
        ("Sequences at that context", "1", lambda fit: fit.max_concurrency),
    )
    yield Figure("GPUs", "1", results.gpu_count, reason=reason)
    for label, unit, value in rows:
        yield Figure(label, unit, value(found) if found else None, reason=reason)


def _speed_figures(results: PlanResults) -> Iterator[Figure]:
    found, reason = results.estimate, results.estimate_reason
    rows: tuple[tuple[str, Unit, Any], ...] = (
        ("Time to first token", "s", found and found.ttft_s),
        ("Time per output token", "s", found and found.tpot_s),
        ("Output throughput", "tokens/s", found and found.output_tokens_per_s),
    )
    for label, unit, interval in rows:
        yield _estimated(label, unit, interval, reason)
    slow = "Time to first token, slowest 1%"
    yield _estimated(slow, "s", found and found.ttft_p99_s, found.p99_reason if found else reason)
    yield Figure("Requests", "requests/s", found.requests_per_s if found else None, reason=reason)
    most = found.largest_request_rate_per_s if found else None
    yield Figure("Requests that can be sustained", "requests/s", most, reason=reason)


def _cost_figures(results: PlanResults) -> Iterator[Figure]:
    per_hour, cost = results.usd_per_hour, results.cost
    reason = results.price_basis if per_hour is None else results.estimate_reason
    yield Figure("Cost per hour", "USD/hour", per_hour, reason=results.price_basis)
    per_month = None if per_hour is None else per_hour * HOURS_PER_MONTH
    yield Figure("Cost per month of 730 hours", "USD/month", per_month, reason=results.price_basis)
    yield _estimated("Input tokens", "USD/Mtok", cost and cost.usd_per_mtok_input, reason)
    yield _estimated("Output tokens", "USD/Mtok", cost and cost.usd_per_mtok_output, reason)
    visible = cost and (cost.usd_per_mtok_visible_output or cost.usd_per_mtok_output)
    yield _estimated("Visible output tokens", "USD/Mtok", visible, reason)
    yield _estimated("Tokens per dollar", "tokens/USD", cost and cost.tokens_per_usd, reason)


def _estimated(label: str, unit: Unit, interval: Any, reason: str) -> Figure:
    if interval is None:
        return Figure(label, unit, None, reason=reason)
    return Figure(label, unit, interval.expected, interval.low, interval.high)


def _flatten(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flatten(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def _text(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
