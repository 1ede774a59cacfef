"""From measurements and prices to findings: rules in order, the first that fits decides."""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from inferplan.datasets.schema import Offer
from inferplan.planner import usage
from inferplan.planner.rightsizing import rules as folder
from inferplan.planner.rightsizing.evidence import Statistic, Unit, gather, statistic_of
from inferplan.planner.rightsizing.finding import SHRINKING, Finding, Rejected
from inferplan.planner.rightsizing.judging import Context, Judgement, Rule, as_finding
from inferplan.planner.rightsizing.market import Market
from inferplan.planner.rightsizing.profile import PRODUCTION, Profile

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse

_SUMMED = ("kv_cache_usage_ratio", "sm_active_ratio", "dram_active_ratio")


@cache
def rules() -> tuple[Rule, ...]:
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
    if offers is None:
        from inferplan.pricing.offers import current_offers

        offers = current_offers(warehouse)
    units = [unit for unit in gather(warehouse, import_ids) if unit.statistics]
    return decide(units, _context(warehouse, units, profile, offers, import_ids))


def decide(units: Sequence[Unit], context: Context) -> tuple[Finding, ...]:
    """Return the findings on ``units``; pure."""
    findings: list[Finding] = []
    told: set[str] = set()
    judged = [(unit, *_judge(unit, context)) for unit in units]
    blocked = {
        unit.workload for unit, found, _ in judged if found.action in ("insufficient_history", "upsize")
    }
    for unit, found, rejected in judged:
        if found.group in blocked:
            found, rejected = _judge_alone(unit, context, rejected)
        if found.group in told:
            continue
        members = context.workloads[found.group] if found.group else (unit,)
        if found.group:
            told.add(found.group)
        findings.append(replace(as_finding(unit, found, members), rejected=rejected))
    return tuple(sorted(findings, key=_rank))


def _judge(
    unit: Unit, context: Context, skip: frozenset[str] = frozenset()
) -> tuple[Judgement, tuple[Rejected, ...]]:
    rejected: list[Rejected] = []
    for rule in rules():
        if rule.action in skip:
            continue
        found = rule.judge(unit, context)
        if isinstance(found, Judgement):
            return found, tuple(rejected)
        rejected.append(Rejected(rule.action, found))
    msg = "unreachable: the last rule fits always"
    raise AssertionError(msg)


def _judge_alone(
    unit: Unit, context: Context, rejected: tuple[Rejected, ...]
) -> tuple[Judgement, tuple[Rejected, ...]]:
    """Judge a replica with a sibling that is used up or hardly measured: nothing is taken from it."""
    skip = frozenset[str](SHRINKING)
    found, more = _judge(unit, context, skip)
    before = tuple(one for one in rejected if one.action not in skip)
    reason = "another replica of it is used up or was measured too briefly"
    return found, (*before, Rejected("reduce_replicas", reason), *more)


def _context(
    warehouse: "Warehouse",
    units: Sequence[Unit],
    profile: Profile,
    offers: Sequence[Offer],
    import_ids: Sequence[int] | None,
) -> Context:
    workloads: dict[str, list[Unit]] = {}
    for unit in units:
        workloads.setdefault(unit.workload, []).append(unit)
    groups = {
        entity: workload
        for workload, members in workloads.items()
        if len(members) > 1
        for unit in members
        for entity in {*unit.gpus, *(one.entity for one in unit.statistics.values())}
    }
    sums: dict[tuple[str, str], Statistic] = {}
    if groups:
        found = usage.of_groups(warehouse, groups, import_ids, _SUMMED)
        expected = Counter(groups.values())
        for row in found.to_dict("records"):
            one = statistic_of(row, None)
            members = workloads[one.entity]
            gpus = sum(len(unit.gpus) for unit in members)
            if row["members"] in (len(members), gpus) and expected[one.entity]:
                sums[one.entity, one.metric] = one
    return Context(profile=profile, market=Market(offers), workloads=workloads, sums=sums)


def _rank(finding: Finding) -> tuple[int, float, str]:
    order = {"upsize": 0, "insufficient_history": 3, "keep": 2}
    saved = float(finding.savings.expected) if finding.savings else 0.0
    return order.get(finding.action, 1), -saved, finding.entity
