"""A case with its price: the deployment, its planned load, and what one replica of it serves and costs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.planner.case import Case
from inferplan.planner.case_price import case_price
from inferplan.planner.deployment import Deployment
from inferplan.planner.economics import SECONDS_PER_HOUR, cached_input_weight, deployment_usd_per_hour
from inferplan.planner.memory import fit
from inferplan.planner.performance import Estimate, OwnEvidence, estimate
from inferplan.planner.unit_economics import UnitEconomics, Use, unit_economics
from inferplan.planner.workload import Slo, Workload
from inferplan.pricing.conditions import NegotiatedTerms
from inferplan.pricing.offers import is_stale

MOST_DOUBLINGS = 11
"""Loads tried for a replica: 1, 2, 4 ... 1,024 requests in flight, then as many as fit."""


@dataclass(frozen=True)
class Planned:
    """What economics are computed from."""

    deployment: Deployment
    workload: Workload
    estimate: Estimate
    """At full load: the case's concurrency, else the most that keeps its latency target."""
    planned_share: Decimal
    """Load that the case asks for as a share of full load (0-1]; below 1 only for a request rate."""
    offer: Offer | None
    """``None`` for a price per GPU-hour that was given with the case."""
    usd_per_hour: Decimal
    """Of the whole deployment, at list."""
    replica_usd_per_hour: Decimal
    """Of one data-parallel replica, with its part of a machine that several share."""
    price_basis: str
    """The price with its date and source."""
    published_alone: "Planned | None" = None
    """The same from published runs alone; ``None`` where own measurements do not move it."""

    def use_of(self, use: Use) -> Use:
        """Return ``use`` of the planned load as one of full load."""
        return replace(use, busy_share=use.busy_share * self.planned_share)

    @property
    def requests_per_replica_hour(self) -> Decimal:
        """What one replica serves at full load."""
        per_s = self.estimate.output_tokens_per_s.expected / self.workload.output_tokens
        return Decimal(repr(per_s)) * SECONDS_PER_HOUR / self.deployment.dp


def planned(case: Case, offer: Offer | None, own: OwnEvidence | None = None) -> Planned:
    """Return ``case`` with its estimate and with the price of ``offer``, or its own price per GPU-hour.

    The estimate is drawn to ``own`` measurements.

    Raises
    ------
    InferplanError
        If it does not fit, describes no load, or has no price.
    """
    deployment, workload = case.deployment(), case.workload()
    found = fit(deployment)
    if not found.fits:
        raise InferplanError(found.reason)
    price = case_price(case, deployment, offer)
    replica = case_price(case, replace(deployment, dp=1), offer)
    if price.usd_per_hour is None or replica.usd_per_hour is None:
        raise InferplanError(price.basis)
    full, share = _full_load(deployment, workload, case.slo, own)
    return Planned(
        deployment, workload, full, share, offer, price.usd_per_hour, replica.usd_per_hour, price.basis,
        planned(case, offer) if full.published_alone else None,
    )  # fmt: skip


def cost_of_use(plan: Planned, use: Use, terms: NegotiatedTerms) -> UnitEconomics:
    """Return what useful tokens of ``plan`` cost; ``use`` is one of full load, as ``use_of`` returns it."""
    return unit_economics(
        plan.estimate,
        plan.workload,
        plan.usd_per_hour,
        use,
        terms=terms,
        cached_weight=cached_input_weight(plan.deployment, plan.workload),
    )


def _full_load(
    deployment: Deployment, workload: Workload, slo: Slo, own: OwnEvidence | None
) -> tuple[Estimate, Decimal]:
    """Return the estimate at full load, and the planned load as a share of it."""
    if workload.request_rate_per_s is None:
        return estimate(deployment, workload, own), Decimal(1)
    loads: list[int | str] = [2**power * deployment.dp for power in range(MOST_DOUBLINGS)]
    best: Estimate | None = None
    for load in [*loads, "max"]:
        asked = workload.model_copy(update={"concurrency": load, "request_rate_per_s": None})
        found = estimate(deployment, asked, own)
        better = best is None or found.output_tokens_per_s.expected > best.output_tokens_per_s.expected
        if better and (best is None or _keeps(found, workload, slo)):
            best = found
    if best is None:
        return estimate(deployment, workload, own), Decimal(1)
    per_s = Decimal(repr(best.output_tokens_per_s.expected)) / workload.output_tokens
    return best, min(Decimal(1), Decimal(repr(workload.request_rate_per_s)) / per_s)


def _keeps(found: Estimate, workload: Workload, slo: Slo) -> bool:
    ttft_s, tpot_s = found.ttft_s.expected, found.tpot_s.expected
    whole_s = ttft_s + (workload.output_tokens - 1) * tpot_s
    targets = ((ttft_s, slo.ttft_s), (tpot_s, slo.tpot_s), (whole_s, slo.e2e_s))
    return all(target is None or reached <= target for reached, target in targets)


def cheapest_machine(offers: Iterable[Offer], gpu: str, gpu_count: int, today: date) -> Offer | None:
    """Return the on-demand machine on which ``gpu_count`` GPUs cost least, ``None`` without one.

    A price that is stale on ``today`` counts only where no other is known.
    """
    able = [
        offer
        for offer in offers
        if offer.gpu == gpu
        and offer.purchase_option == "on_demand"
        and offer.price_covers == "machine"
        and offer.usd_per_hour is not None
        and offer.gpu_count >= gpu_count
    ]
    fresh = [offer for offer in able if not is_stale(offer, today)]
    return min(
        fresh or able,
        key=lambda offer: (deployment_usd_per_hour(offer, gpu, gpu_count), offer.offer_id),
        default=None,
    )
