"""What follows from any saved plan, of one case or of several models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inferplan.planner.plan import AnyPlan, FleetPlan
from inferplan.planner.plan_results import Results, evaluate
from inferplan.pricing.offers import current_offers

if TYPE_CHECKING:
    from datetime import date

    from inferplan.datasets.warehouse import Warehouse
    from inferplan.planner.performance import OwnEvidence


def results_of(warehouse: Warehouse, plan: AnyPlan, own: OwnEvidence | None = None) -> Results:
    """Return what follows from ``plan``, drawn to ``own`` measurements; the warehouse joins prices."""
    if not isinstance(plan, FleetPlan):
        return evaluate(plan, own)
    from inferplan.planner.fleet_plan_results import evaluate_fleet  # brings pandas along

    return evaluate_fleet(warehouse, plan, own)


def results_today(
    warehouse: Warehouse, plan: AnyPlan, today: date, own: OwnEvidence | None = None
) -> Results:
    """Return what follows from ``plan`` at the newest prices: the same offer, or the cheapest machines now.

    The plan of the results pins those prices. Estimates are drawn to ``own`` measurements.

    Raises
    ------
    InferplanError
        If no offer passes the filters of the plan any more.
    """
    offers = current_offers(warehouse)
    plan = plan.model_copy(update={"name": f"{plan.name}, prices of {today}"})
    if not isinstance(plan, FleetPlan):
        newest = tuple(offer for offer in offers if offer.offer_id == plan.case.offer)
        return evaluate(plan.model_copy(update={"prices": newest}), own)
    from inferplan.planner.fleet_plan_results import fleet_among  # brings pandas along

    return fleet_among(warehouse, plan, offers, today, own)
