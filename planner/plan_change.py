"""Why plans cost more or less than others, or than before: price, volume, utilization with speed, model mix.

A plan is a month of one model. Its tokens are those of its load over 730 hours, and a GPU is the machine, so
that more or fewer GPUs show as utilization: tokens / (tokens per GPU-hour at full load x utilization) is the
plan's GPU-hours, and their price its cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from inferplan.datasets.errors import InferplanError
from inferplan.planner import plan_store
from inferplan.planner.economics import HOURS_PER_MONTH, SECONDS_PER_HOUR
from inferplan.planner.performance import estimate
from inferplan.planner.plan import Plan
from inferplan.planner.plan_results import PlanResults, evaluate
from inferplan.pricing.offers import offer_on
from inferplan.pricing.waterfall import Period, ServedModel, Waterfall, explain_change

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse
    from inferplan.planner.performance import OwnEvidence


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


@dataclass(frozen=True)
class ChangeOverTime:
    """How the monthly cost of plans became what it is on a later day."""

    waterfall: Waterfall
    prices: tuple[tuple[str, str, str], ...]
    """Name of each plan, the price used on the first day and the one on the second."""


def explain_dates(
    warehouse: Warehouse,
    plan_ids: Sequence[str],
    first: date,
    second: date,
    own: OwnEvidence | None = None,
) -> ChangeOverTime:
    """Return how the monthly cost of plans as they stood on ``first`` becomes that on ``second``.

    A plan stands as it was last saved by a day, before that as it was first saved; the price of its offer is
    the newest one seen by then. Both days' speeds are drawn to the same ``own`` measurements.

    Raises
    ------
    InferplanError
        If a plan is not known, or its price on a day or its speed is not, with the reason.
    """
    if first >= second:
        msg = f"the first day must lie before the second (found {first} and {second})"
        raise InferplanError(msg)
    before: dict[str, ServedModel] = {}
    after: dict[str, ServedModel] = {}
    prices = []
    for plan_id in plan_ids:
        old, new = (_plan_on(warehouse, plan_id, day) for day in (first, second))
        found = evaluate(old, own), evaluate(new, own)
        before |= {f"{plan_id} {model}": served for model, served in month(old, found[0]).items()}
        after |= {f"{plan_id} {model}": served for model, served in month(new, found[1]).items()}
        prices.append((new.name, found[0].price_basis, found[1].price_basis))
    return ChangeOverTime(explain_change(before, after), tuple(prices))


def _plan_on(warehouse: Warehouse, plan_id: str, day: date) -> Plan:
    plan_store.entry(warehouse, plan_id)
    revisions = plan_store.history(warehouse, plan_id)
    by_then = (entry for entry in revisions if entry.saved_at.date() <= day)
    plan = plan_store.load(warehouse, plan_id, next(by_then, revisions[-1]).revision)
    if plan.case.offer is None:
        return plan
    return plan.model_copy(update={"prices": (offer_on(warehouse, plan.case.offer, day),)})


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
        _per_hour(estimate(deployment, full_load, found.own).output_tokens_per_s.expected) * tokens_per_output
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
