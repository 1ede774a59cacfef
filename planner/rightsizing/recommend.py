"""From measurements and prices to findings: rules in order, the first that fits decides."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from inferplan.datasets.schema import Offer
from inferplan.planner.rightsizing import rules as folder
from inferplan.planner.rightsizing.commitments import commitments
from inferplan.planner.rightsizing.evidence import Measurements, without_collection
from inferplan.planner.rightsizing.finding import SHRINKING, Finding, Rejected
from inferplan.planner.rightsizing.guards import unsure
from inferplan.planner.rightsizing.judging import Context, FleetRule, Judgement, Rule, as_finding
from inferplan.planner.rightsizing.market import Market
from inferplan.planner.rightsizing.profile import PRODUCTION, Profile
from inferplan.planner.rightsizing.unit import Unit
from inferplan.planner.spend_rates import effective_rates

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse

_BLOCKING = ("insufficient_history", "upsize")
_SOMEWHERE = ""
"""Stands for the service of every GPU whose process is not known."""
_SIBLING = "another replica of it is used up or was measured too briefly"


@cache
def rules() -> tuple[Rule | FleetRule, ...]:
    """Return the rules of the folder in their order."""
    found = [
        importlib.import_module(f"{folder.__name__}.{module.name}")
        for module in pkgutil.iter_modules(folder.__path__)
    ]
    return tuple(sorted(found, key=lambda module: module.order))


def recommend(
    warehouse: "Warehouse",
    profile: Profile = PRODUCTION,
    import_ids: Sequence[int] | None = None,
    offers: Sequence[Offer] | None = None,
) -> tuple[Finding, ...]:
    """Return advice on everything that was measured, the largest expected saving first.

    Parameters
    ----------
    offers
        Prices to reckon with; those of the warehouse by default.
    """
    return decide(context_of(Measurements(warehouse, import_ids, profile.window), profile, offers))


def context_of(measured: Measurements, profile: Profile, offers: Sequence[Offer] | None = None) -> Context:
    """Return what the rules look at; the prices and bills are the warehouse's."""
    if offers is None:
        from inferplan.pricing.offers import current_offers

        offers = current_offers(measured.warehouse)
    workloads: dict[str, list[Unit]] = {}
    services: dict[str, list[Unit]] = {}
    for unit in measured.units:
        workloads.setdefault(unit.workload, []).append(unit)
        services.setdefault(unit.service, []).append(unit)
    has_bills = measured.warehouse.rows("SELECT 1 FROM bill_lines LIMIT 1")
    billed = effective_rates(measured.warehouse, measured.import_ids) if has_bills else None
    market = Market(offers, billed)
    return Context(profile=profile, market=market, measured=measured, workloads=workloads, services=services)


@without_collection()
def decide(context: Context) -> tuple[Finding, ...]:
    """Return the findings on everything that was measured.

    Each rule looks at the units that no earlier one decided on, so that nothing is taken away twice; what to
    commit to is asked of what remains.
    """
    units = context.measured.units
    because = cache(Rejected)  # most units share their reasons
    rejected: dict[str, list[Rejected]] = {unit.key: [] for unit in units}
    judged: dict[str, Judgement] = {}
    blocked: set[str] = set()
    doubts = {unit.key: unsure(unit, context.profile) for unit in units}
    for rule in rules():
        waiting = [unit for unit in units if unit.key not in judged]
        barred: dict[str, str] = {}
        if rule.action in SHRINKING:
            reasons = ((unit.key, _barred(unit, blocked) or doubts[unit.key]) for unit in waiting)
            barred = {key: reason for key, reason in reasons if reason}
        verdicts = _verdicts(rule, waiting, barred, context)
        for unit in waiting:
            verdict = verdicts[unit.key]
            if isinstance(verdict, str):
                rejected[unit.key].append(because(rule.action, verdict))
                continue
            judged[unit.key] = verdict
            if verdict.action in _BLOCKING:
                blocked.add(unit.service)
            if verdict.action == "upsize" and not unit.gpus:
                blocked.add(_SOMEWHERE)
    findings: dict[str, Finding] = {}
    for unit in units:
        found = judged[unit.key]
        name = found.group or unit.key
        if name not in findings:
            findings[name] = as_finding(unit, found, rejected[unit.key])
    more = commitments({unit.key: (unit, judged[unit.key]) for unit in units}, context)
    return tuple(sorted((*findings.values(), *more), key=_rank))


def _verdicts(
    rule: Rule | FleetRule, waiting: Sequence[Unit], barred: Mapping[str, str], context: Context
) -> Mapping[str, Judgement | str]:
    """Return what a rule says of each unit; it is not asked where nothing may be taken away."""
    asked = [unit for unit in waiting if unit.key not in barred]
    if hasattr(rule, "judge_fleet"):
        return {**barred, **rule.judge_fleet(asked, context)}
    return {**barred, **{unit.key: rule.judge(unit, context) for unit in asked}}


def _barred(unit: Unit, blocked: set[str]) -> str | None:
    """Return which process that is used up keeps all that may be its own from shrinking."""
    if unit.service in blocked:
        return _SIBLING
    if not unit.is_process and _SOMEWHERE in blocked:
        return "a process is used up of which no GPU is known: it may run here"
    return None


_ORDER = {"upsize": 0, "commitment": 2, "keep": 3, "insufficient_history": 4}


def _rank(finding: Finding) -> tuple[int, float, str]:
    saved = float(finding.savings.expected) if finding.savings else 0.0
    return _ORDER.get(finding.action, 1), -saved, finding.entity
