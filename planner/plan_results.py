"""What follows from a plan of one case: figures recomputed from its inputs and pinned prices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

from inferplan.datasets.errors import InferplanError
from inferplan.planner.case_price import CasePrice, case_price
from inferplan.planner.economics import HOURS_PER_MONTH, SECONDS_PER_HOUR, unit_cost
from inferplan.planner.memory import fit
from inferplan.planner.performance import estimate
from inferplan.pricing.waterfall import Period, ServedModel

if TYPE_CHECKING:
    from inferplan.planner.deployment import Deployment
    from inferplan.planner.economics import UnitCost
    from inferplan.planner.memory import Fit
    from inferplan.planner.performance import Estimate, OwnEvidence
    from inferplan.planner.plan import AnyPlan, Plan

Unit = Literal[
    "1", "bytes", "tokens", "s", "tokens/s", "requests/s", "USD/hour", "USD/month", "USD/Mtok", "tokens/USD"
]
Number = int | float | Decimal


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


class Results(Protocol):
    """What follows from a plan of any kind; ``None`` comes with a reason."""

    @property
    def plan(self) -> AnyPlan:
        """The plan itself, prices included."""

    @property
    def verdict(self) -> str:
        """One word on whether it fits."""

    @property
    def usd_per_hour(self) -> Decimal | None:
        """Of everything that the plan pays for."""

    @property
    def price_basis(self) -> str:
        """The prices used with their dates and sources, or why there are none."""

    @property
    def fit_reason(self) -> str:
        """Why it fits or does not."""

    @property
    def estimate_reason(self) -> str:
        """What the speed rests on, or why it is not known."""

    @property
    def published_alone(self) -> Results | None:
        """The same from published runs alone; ``None`` where own measurements change nothing."""

    def figures(self) -> tuple[Figure, ...]:
        """Return the results as a list that pages, reports and comparisons share."""

    def month(self) -> Period:
        """Return the plan's month as the waterfall takes it; raises ``InferplanError`` with the reason."""

    def notes(self) -> tuple[str, ...]:
        """Return what the reader should know of the results, as sentences."""


@dataclass(frozen=True)
class PlanResults:
    """The answers to a plan's three questions: does it fit, how fast is it, what does it cost."""

    plan: Plan
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

    def figures(self) -> tuple[Figure, ...]:
        """Return the results as a list that pages, reports and comparisons share."""
        return (*_memory_figures(self), *_speed_figures(self), *_cost_figures(self))

    def month(self) -> Period:
        """Return the plan's month as the waterfall takes it.

        Raises
        ------
        InferplanError
            If the plan's cost or speed is not known, with the reason.
        """
        case = self.plan.case
        if self.usd_per_hour is None or self.estimate is None or self.gpu_count is None:
            reason = self.price_basis if self.estimate else self.estimate_reason
            msg = f"the plan {self.plan.name!r} has no monthly cost: {reason}"
            raise InferplanError(msg)
        deployment, workload = case.deployment(), case.workload()
        full_load = workload.model_copy(update={"concurrency": "max", "request_rate_per_s": None})
        served_tokens = workload.input_tokens + workload.output_tokens
        tokens_per_output = Decimal(served_tokens) / workload.output_tokens
        per_hour = hourly(self.estimate.output_tokens_per_s.expected) * tokens_per_output
        most_per_hour = (
            hourly(estimate(deployment, full_load, self.own).output_tokens_per_s.expected) * tokens_per_output
        )
        most_per_hour = max(most_per_hour, per_hour)
        return {
            case.model or deployment.architecture.name or "uploaded config": ServedModel(
                tokens=per_hour * HOURS_PER_MONTH,
                tokens_per_machine_hour=most_per_hour / self.gpu_count,
                usd_per_machine_hour=self.usd_per_hour / self.gpu_count,
                utilization=per_hour / most_per_hour,
            )
        }

    def notes(self) -> tuple[str, ...]:
        """Return what the reader should know of the estimate, as sentences."""
        return self.estimate.notes if self.estimate else ()


def evaluate(plan: Plan, own: OwnEvidence | None = None) -> PlanResults:
    """Return what follows from ``plan``; what cannot be worked out is ``None`` with the reason.

    Estimates are drawn to ``own`` measurements.
    """
    try:
        deployment = plan.case.deployment()
        found_fit = fit(deployment)
    except InferplanError as error:
        reason = str(error)
        return PlanResults(plan, None, None, None, None, None, reason, reason, reason)
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
        plan,
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


def hourly(per_s: float) -> Decimal:
    """Return an estimated rate per second as one per hour."""
    return Decimal(repr(per_s)) * SECONDS_PER_HOUR


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
        yield estimated(label, unit, interval, reason)
    slow = "Time to first token, P99"
    yield estimated(slow, "s", found and found.ttft_p99_s, found.p99_reason if found else reason)
    yield Figure("Requests", "requests/s", found.requests_per_s if found else None, reason=reason)
    most = found.largest_request_rate_per_s if found else None
    yield Figure("Requests that can be sustained", "requests/s", most, reason=reason)


def _cost_figures(results: PlanResults) -> Iterator[Figure]:
    per_hour, cost = results.usd_per_hour, results.cost
    reason = results.price_basis if per_hour is None else results.estimate_reason
    yield Figure("Cost per hour", "USD/hour", per_hour, reason=results.price_basis)
    per_month = None if per_hour is None else per_hour * HOURS_PER_MONTH
    yield Figure("Cost per month of 730 hours", "USD/month", per_month, reason=results.price_basis)
    yield estimated("Input tokens", "USD/Mtok", cost and cost.usd_per_mtok_input, reason)
    yield estimated("Output tokens", "USD/Mtok", cost and cost.usd_per_mtok_output, reason)
    if cost and cost.usd_per_mtok_visible_output:
        yield estimated("Visible output tokens", "USD/Mtok", cost.usd_per_mtok_visible_output, reason)
    yield estimated("Tokens per dollar", "tokens/USD", cost and cost.tokens_per_usd, reason)


def estimated(label: str, unit: Unit, interval: Any, reason: str) -> Figure:
    """Return a figure with its interval, or with the reason why it is not known."""
    if interval is None:
        return Figure(label, unit, None, reason=reason)
    return Figure(label, unit, interval.expected, interval.low, interval.high)
