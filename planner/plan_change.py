"""Why plans cost more or less than others, or than before: price, volume, utilization with speed, model mix.

A plan is a month of its models. Their tokens are those of the load over 730 hours, and a GPU is the machine,
so that more or fewer GPUs show as utilization: tokens / (tokens per GPU-hour at full load x utilization) is
the plan's GPU-hours, and their price its cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from inferplan.datasets.errors import InferplanError
from inferplan.planner import plan_store
from inferplan.planner.any_plan_results import results_of
from inferplan.planner.plan import AnyPlan, FleetPlan
from inferplan.planner.plan_results import Results
from inferplan.pricing.offers import offer_on
from inferplan.pricing.waterfall import ServedModel, Waterfall, explain_change

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse
    from inferplan.planner.performance import OwnEvidence


def explain_plans(before: Results, after: Results) -> Waterfall:
    """Return how the monthly cost of one plan becomes that of another, in steps that sum to the cent.

    Raises
    ------
    InferplanError
        If either plan does not say what it costs and serves, with the reason.
    """
    return explain_change(before.month(), after.month())


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
        found = results_of(warehouse, old, own), results_of(warehouse, new, own)
        before |= {f"{plan_id} {model}": served for model, served in found[0].month().items()}
        after |= {f"{plan_id} {model}": served for model, served in found[1].month().items()}
        prices.append((new.name, found[0].price_basis, found[1].price_basis))
    return ChangeOverTime(explain_change(before, after), tuple(prices))


def _plan_on(warehouse: Warehouse, plan_id: str, day: date) -> AnyPlan:
    plan_store.entry(warehouse, plan_id)
    revisions = plan_store.history(warehouse, plan_id)
    by_then = (entry for entry in revisions if entry.saved_at.date() <= day)
    plan = plan_store.load(warehouse, plan_id, next(by_then, revisions[-1]).revision)
    if isinstance(plan, FleetPlan):
        offers = [offer.offer_id for offer in plan.prices]
    else:
        offers = [plan.case.offer] if plan.case.offer else []
    return plan.model_copy(update={"prices": tuple(offer_on(warehouse, name, day) for name in offers)})
