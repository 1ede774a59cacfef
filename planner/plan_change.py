"""Why a plan costs more or less than another: price, volume, utilization with speed, and model mix.

A plan is a month of one model. Its tokens are those of its load over 730 hours, and a GPU is the machine, so
that more or fewer GPUs show as utilization: tokens / (tokens per GPU-hour at full load x utilization) is the
plan's GPU-hours, and their price its cost.
"""

from decimal import Decimal

from inferplan.datasets.errors import InferplanError
from inferplan.planner.economics import HOURS_PER_MONTH, SECONDS_PER_HOUR
from inferplan.planner.performance import estimate
from inferplan.planner.plan import Plan
from inferplan.planner.plan_results import PlanResults, evaluate
from inferplan.pricing.waterfall import Period, ServedModel, Waterfall, explain_change


def explain_plans(
    first: Plan, second: Plan, results: tuple[PlanResults, PlanResults] | None = None
) -> Waterfall:
    """Return how the monthly cost of ``first`` becomes that of ``second``, in steps that sum to the cent.

    ``results`` are the plans' own, where they are there already.

    Raises
    ------
    InferplanError
        If either plan does not say what it costs and serves, with the reason.
    """
    before, after = results or (evaluate(first), evaluate(second))
    return explain_change(month(first, before), month(second, after))


def month(plan: Plan, found: PlanResults) -> Period:
    """Return a plan's month as the waterfall takes it, from its results ``found``.

    Raises
    ------
    InferplanError
        If the plan's cost or speed is not known, with the reason.
    """
    if found.usd_per_hour is None or found.estimate is None or found.gpu_count is None:
        reason = found.price_basis if found.estimate else found.estimate_reason
        msg = f"the plan {plan.name!r} has no monthly cost: {reason}"
        raise InferplanError(msg)
    deployment, workload = plan.case.deployment(), plan.case.workload()
    full_load = workload.model_copy(update={"concurrency": "max", "request_rate_per_s": None})
    served_tokens = workload.input_tokens + workload.output_tokens
    tokens_per_output = Decimal(served_tokens) / workload.output_tokens
    per_hour = _per_hour(found.estimate.output_tokens_per_s.expected) * tokens_per_output
    most_per_hour = (
        _per_hour(estimate(deployment, full_load).output_tokens_per_s.expected) * tokens_per_output
    )
    most_per_hour = max(most_per_hour, per_hour)
    return {
        plan.case.model or deployment.architecture.name or "uploaded config": ServedModel(
            tokens=per_hour * HOURS_PER_MONTH,
            tokens_per_machine_hour=most_per_hour / found.gpu_count,
            usd_per_machine_hour=found.usd_per_hour / found.gpu_count,
            utilization=per_hour / most_per_hour,
        )
    }


def _per_hour(tokens_per_s: float) -> Decimal:
    return Decimal(repr(tokens_per_s)) * SECONDS_PER_HOUR
