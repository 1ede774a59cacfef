"""Fewer replicas carry the load that all of them carried at the same moment."""

import math
from collections.abc import Sequence

from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.evidence import Unit
from inferplan.planner.rightsizing.finding import Action, Evidence
from inferplan.planner.rightsizing.judging import Context, Judgement, freed, growth, risk_of, why_protected

order = 50
action: Action = "reduce_replicas"
_ALIKE_SPAN_S = 2 * 3600


def judge(unit: Unit, context: Context) -> Judgement | str:
    """Fit where the load of all replicas, summed at the same time, fits on fewer of them."""
    members = context.workloads[unit.workload]
    profile = context.profile
    if len(members) < 2:
        return "it is the only replica that is known"
    if unit.confidence < Confidence.MEDIUM:
        return "a week with 80 % of the samples is needed"
    if protected := why_protected(unit, profile):
        return protected
    if not _steady(members):
        return "replicas came and went: an autoscaler is at work, and it must not be fought"
    demand = _replicas_needed(unit.workload, len(members), context)
    if isinstance(demand, str):
        return demand
    busiest, needed, statistics = demand
    wanted = max(math.ceil(needed * growth(unit)) + profile.spare_replicas, profile.min_replicas)
    if wanted >= len(members):
        return (
            f"{needed:.2f} replicas are busy at the peak; with {profile.spare_replicas} spare and at least "
            f"{profile.min_replicas}, {wanted} are needed of {len(members)}"
        )
    rate = context.market.rate(unit)
    gone = len(members) - wanted
    savings = None if isinstance(rate, str) else freed(rate.times(gone), len(unit.gpus))
    return Judgement(
        action=action,
        title=f"Run {wanted} replicas instead of {len(members)}",
        detail=(
            f"At the same moment all {len(members)} together need at most {needed:.2f} replicas at target "
            f"({busiest} decides). {profile.spare_replicas} spare included. What latency this gives was not "
            "measured: take one away at a time and watch it."
        ),
        evidence=statistics,
        risk=risk_of((0.001,), unit),
        effort="replica count",
        savings=savings,
        no_savings_reason=rate if isinstance(rate, str) else None,
        group=unit.workload,
    )


def _steady(members: Sequence[Unit]) -> bool:
    starts = [one.first_at.timestamp() for unit in members if (one := unit.activity)]
    ends = [one.last_at.timestamp() for unit in members if (one := unit.activity)]
    return (
        len(starts) == len(members) and max(max(starts) - min(starts), max(ends) - min(ends)) <= _ALIKE_SPAN_S
    )


def _replicas_needed(
    workload: str, replicas: int, context: Context
) -> tuple[str, float, tuple[Evidence, ...]] | str:
    """Return the resource that decides, how many replicas at target carry its peak, and the numbers."""
    profile = context.profile
    rows = (
        ("kv_cache_usage_ratio", "p99", profile.kv_target),
        ("sm_active_ratio", profile.activity_percentile, profile.sm_target),
        ("dram_active_ratio", profile.activity_percentile, profile.dram_target),
    )
    found = [
        (metric, replicas * one.at(percentile) / target, one.evidence(percentile, target))
        for metric, percentile, target in rows
        if (one := context.sums.get((workload, metric))) is not None
    ]
    missing = {metric for metric, _, _ in rows} - {metric for metric, _, _ in found}
    if missing:
        return f"{', '.join(sorted(missing))} was not measured on all replicas at once"
    busiest, needed, _ = max(found, key=lambda row: row[1])
    return busiest, needed, tuple(evidence for _, _, evidence in found)
