"""What follows from a plan of several models: the cheapest machines among those it has prices of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.case_price import price_text
from inferplan.planner.compare import compare
from inferplan.planner.economics import HOURS_PER_MONTH
from inferplan.planner.fleet_choice import Fleet, Placement, Purchase, cheapest_fleet
from inferplan.planner.interval import Interval
from inferplan.planner.performance import OwnEvidence
from inferplan.planner.performance.wording import calibrated
from inferplan.planner.plan import FleetPlan
from inferplan.planner.plan_results import Figure, estimated, hourly
from inferplan.pricing.waterfall import Period, ServedModel


@dataclass(frozen=True)
class FleetResults:
    """The answers of a plan of several models: where they run, how fast, and what that costs."""

    plan: FleetPlan
    fleet: Fleet | None
    fit_reason: str
    price_basis: str
    """The prices used with their dates and sources, or why there is no fleet."""
    estimate_reason: str
    own: OwnEvidence | None = None
    """Own measurements that the estimates were drawn to."""
    published_alone: FleetResults | None = None
    """The same from published runs alone; ``None`` where own measurements change nothing."""

    @property
    def verdict(self) -> str:
        """One word on whether machines were found."""
        return "fits" if self.fleet else "does not fit"

    @property
    def gpu_count(self) -> int | None:
        """GPUs that are paid for."""
        if self.fleet is None:
            return None
        return sum(purchase.gpus for purchase in self.fleet.purchases)

    @property
    def usd_per_hour(self) -> Decimal | None:
        """Of all machines."""
        return self.fleet.usd_per_hour if self.fleet else None

    def figures(self) -> tuple[Figure, ...]:
        """Return the results as a list that pages, reports and comparisons share."""
        return tuple(self._figures())

    def notes(self) -> tuple[str, ...]:
        """Return what the reader should know of the results, as sentences."""
        return ("Your own measurements move these figures.",) if self.published_alone else ()

    def month(self) -> Period:
        """Return the models' month; those that share machines pay for them by the GPUs they run on.

        Raises
        ------
        InferplanError
            If no machines were found, with the reason.
        """
        if self.fleet is None:
            msg = f"the plan {self.plan.name!r} has no monthly cost: {self.fit_reason}"
            raise InferplanError(msg)
        bought = {placed.row["case_index"]: one for one in self.fleet.purchases for placed in one.placements}
        return {
            name: _served(placed, bought[placed.row["case_index"]]) for name, placed in placements(self.fleet)
        }

    def _figures(self) -> Iterator[Figure]:
        fleet, reason, per_hour = self.fleet, self.fit_reason, self.usd_per_hour
        machines = sum(one.machines for one in fleet.purchases) if fleet else None
        per_mtok = fleet.usd_per_mtok if fleet else None
        yield Figure("GPUs", "1", self.gpu_count, reason=reason)
        yield Figure("Machines", "1", machines, reason=reason)
        yield Figure("Requests", "requests/s", self.plan.portfolio.requests_per_s)
        yield Figure("Cost per hour", "USD/hour", per_hour, reason=reason)
        per_month = fleet.usd_per_month if fleet else None
        yield Figure("Cost per month of 730 hours", "USD/month", per_month, reason=reason)
        yield Figure("Input and output tokens", "USD/Mtok", per_mtok, reason=reason)
        yield Figure("Tokens per dollar", "tokens/USD", per_mtok and 1e6 / per_mtok, reason=reason)
        for name, placed in placements(fleet) if fleet else ():
            yield estimated(f"Time to first token, {name}", "s", _interval(placed, "ttft"), "")
            yield estimated(f"Time per output token, {name}", "s", _interval(placed, "tpot"), "")


def evaluate_fleet(warehouse: Warehouse, plan: FleetPlan, own: OwnEvidence | None = None) -> FleetResults:
    """Return what follows from ``plan`` and its pinned prices, whose age is that of the day they were chosen.

    Estimates are drawn to ``own`` measurements.
    """
    pinned = plan.model_copy(update={"search": plan.search.without_filters()})
    found = replace(fleet_among(warehouse, pinned, plan.prices, plan.priced_on, own), plan=plan)
    if own is None:
        return found
    before = replace(fleet_among(warehouse, pinned, plan.prices, plan.priced_on), plan=plan)
    if before.figures() == found.figures():
        return found
    basis = f"{found.estimate_reason}; drawn to your own measurements"
    return replace(found, estimate_reason=basis, published_alone=before)


def fleet_among(
    warehouse: Warehouse,
    plan: FleetPlan,
    offers: Sequence[Offer],
    on: date,
    own: OwnEvidence | None = None,
) -> FleetResults:
    """Return the cheapest machines for ``plan`` among ``offers``, whose prices are judged on a day.

    The plan of the results pins the prices that they rest on.
    """
    cases, search = plan.portfolio.cases(), plan.search.model_copy(update={"rank_by": "usd_per_request"})
    try:
        fleet = cheapest_fleet(plan.portfolio, compare(warehouse, cases, offers, search, on, own))
    except InferplanError as error:
        reason = str(error)
        return FleetResults(plan, None, reason, reason, reason, own)
    prices = tuple(offer for offer in offers if offer.offer_id in fleet.offer_ids)
    bought = {purchase.offer_id for purchase in fleet.purchases}
    used = [f"{offer.offer_id}: {price_text(offer)}" for offer in prices if offer.offer_id in bought]
    priced = plan.model_copy(update={"prices": prices, "priced_on": on})
    served = "every model is served within its targets"
    return FleetResults(priced, fleet, served, "; ".join(used), calibrated(), own)


def placements(fleet: Fleet) -> Iterator[tuple[str, Placement]]:
    """Yield each model of a fleet in the portfolio's order; a number tells members of one name apart."""
    placed = [one for purchase in fleet.purchases for one in purchase.placements]
    in_order = sorted(placed, key=lambda one: int(one.row["case_index"]))
    names = [str(one.row["model"]) for one in in_order]
    for number, (name, one) in enumerate(zip(names, in_order, strict=True), 1):
        yield (name if names.count(name) == 1 else f"{name} ({number})"), one


def _served(placed: Placement, bought: Purchase) -> ServedModel:
    tokens = int(placed.row["input_tokens"]) + int(placed.row["output_tokens"])
    used, paid = sum(one.replicas * one.gpus for one in bought.placements), bought.gpus
    gpu_hours = Decimal(placed.replicas * placed.gpus * paid) / used
    per_hour = hourly(float(placed.row["served_requests_per_s"])) * tokens
    most = hourly(float(placed.row["requests_per_s"])) * tokens / placed.gpus
    return ServedModel(
        tokens=per_hour * HOURS_PER_MONTH,
        tokens_per_machine_hour=most,
        usd_per_machine_hour=bought.usd_per_hour / paid,
        utilization=per_hour / (most * gpu_hours),
    )


def _interval(placed: Placement, metric: str) -> Interval:
    return Interval(*(float(placed.row[f"{metric}_{end}s"]) for end in ("low_", "", "high_")))
