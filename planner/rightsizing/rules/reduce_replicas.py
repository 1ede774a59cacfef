"""Fewer replicas carry the load that all of them carried at the same moment."""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta

from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.doubts import GONE_AFTER
from inferplan.planner.rightsizing.finding import Action, Evidence, Savings
from inferplan.planner.rightsizing.guards import WEEK_NEEDED, growth
from inferplan.planner.rightsizing.judging import Context, Judgement, freed, risk_of
from inferplan.planner.rightsizing.market import together
from inferplan.planner.rightsizing.statistic import Statistic
from inferplan.planner.rightsizing.targets import undecided
from inferplan.planner.rightsizing.unit import SHOWS_WORK, Unit

order = 50
action: Action = "reduce_replicas"
_CHANGEOVER = timedelta(hours=2)
_METRICS = ("kv_cache_usage_ratio", *SHOWS_WORK, "dram_active_ratio")


def judge_fleet(units: Sequence[Unit], context: Context) -> Mapping[str, Judgement | str]:
    """Fit where the load of all replicas, summed at the same time, fits on fewer of them."""
    here = {unit.key for unit in units}
    groups = {unit.workload: context.workloads[unit.workload] for unit in units}
    reasons = {name: _reason(members, here, context) for name, members in groups.items()}
    sums = context.measured.together(
        {name: members for name, members in groups.items() if reasons[name] is None}, _METRICS
    )
    verdicts = {
        name: reasons[name] or _judge(name, members, sums, context) for name, members in groups.items()
    }
    return {unit.key: verdicts[unit.workload] for unit in units}


def _present(members: Sequence[Unit], context: Context) -> list[Unit]:
    """Return the replicas that are still measured: one that was replaced is not there any more."""
    latest = context.measured.latest
    return [
        member
        for member in members
        if not (latest and member.activity and latest - member.activity.last_at > GONE_AFTER)
    ]


def _reason(members: Sequence[Unit], here: set[str], context: Context) -> str | None:
    present = _present(members, context)
    if len(present) < 2:
        return "it is the only replica that is known"
    if not all(member.key in here for member in present):
        return "one of its replicas has advice of its own, or too little is known of it"
    if min(member.confidence for member in present) < Confidence.MEDIUM:
        return WEEK_NEEDED
    if protected := next(filter(None, map(context.profile.why_protected, members)), None):
        return protected
    if doubt := next(filter(None, (undecided(member, context.profile) for member in members)), None):
        return doubt
    if not _steady(members, len(present)):
        return "replicas came and went: an autoscaler is at work, and it must not be fought"
    return None


def _judge(
    workload: str,
    members: Sequence[Unit],
    sums: Mapping[tuple[str, str], Statistic],
    context: Context,
) -> Judgement | str:
    profile, members = context.profile, _present(members, context)
    demand = _replicas_needed(workload, len(members), sums, context)
    if isinstance(demand, str):
        return demand
    busiest, needed, statistics = demand
    grown = max(map(growth, members))
    wanted = max(math.ceil(needed * grown) + profile.spare_replicas, profile.min_replicas)
    if wanted >= len(members):
        return (
            f"{needed:.2f} replicas are busy at the peak; with {profile.spare_replicas} spare and at least "
            f"{profile.min_replicas}, {wanted} are needed of {len(members)}"
        )
    savings = _worth(members, len(members) - wanted, context)
    is_weak = all(one.metric != SHOWS_WORK[0] for one in statistics)
    return Judgement(
        action=action,
        title=f"Run {wanted} replicas instead of {len(members)}",
        detail=(
            f"At the same moment all {len(members)} together need at most {needed:.2f} replicas at target "
            f"({busiest} decides). {profile.spare_replicas} spare included. What latency this gives was not "
            "measured: take one away at a time and watch it."
        ),
        evidence=statistics,
        risk=max(risk_of((0.001,), member, weak=is_weak) or 0 for member in members),
        effort="replica count",
        savings=None if isinstance(savings, str) else savings,
        no_savings_reason=savings if isinstance(savings, str) else None,
        group=workload,
        members=tuple(members),
    )


def _worth(members: Sequence[Unit], gone: int, context: Context) -> Savings | str:
    """Return what giving back ``gone`` of the replicas saves, the cheapest of them."""
    rates = [context.market.rate(member) for member in members]
    known = [rate for rate in rates if not isinstance(rate, str)]
    if unknown := next((rate for rate in rates if isinstance(rate, str)), None):
        return unknown
    known.sort(key=lambda rate: rate.effective or rate.expected)
    return freed(together(known[:gone]), members[0].gpus_held)


def _steady(members: Sequence[Unit], count: int) -> bool:
    """Return whether there were ``count`` all along, but for the hours in which one replaced another."""
    spans = [one for unit in members if (one := unit.activity)]
    changes = sorted([*((one.first_at, 1) for one in spans), *((one.last_at, -1) for one in spans)])
    there, since = 0, changes[0][0] if changes else None
    for at, change in changes:
        if since and at - since > _CHANGEOVER:
            return False
        there += change
        since = None if there == count else since or at
    return len(spans) == len(members)


def _replicas_needed(
    workload: str, replicas: int, sums: Mapping[tuple[str, str], Statistic], context: Context
) -> tuple[str, float, tuple[Evidence, ...]] | str:
    """Return the resource that decides, how many replicas at target carry its peak, and the numbers."""
    profile = context.profile
    activity = next((name for name in SHOWS_WORK if (workload, name) in sums), SHOWS_WORK[0])
    rows = (
        ("kv_cache_usage_ratio", "p99", profile.kv_target),
        (activity, profile.activity_percentile, profile.sm_target),
        ("dram_active_ratio", profile.activity_percentile, profile.dram_target),
    )
    found = [
        (metric, replicas * one.at(sure) / target, one.evidence(sure, target))
        for metric, percentile, target in rows
        if (one := sums.get((workload, metric)))
        and one.confidence >= Confidence.MEDIUM
        and (sure := one.surely(percentile))
    ]
    missing = {metric for metric, _, _ in rows} - {metric for metric, _, _ in found}
    if missing:
        return f"{', '.join(sorted(missing))} was not measured on all replicas at once for a week"
    busiest, needed, _ = max(found, key=lambda row: row[1])
    return busiest, needed, tuple(evidence for _, _, evidence in found)
