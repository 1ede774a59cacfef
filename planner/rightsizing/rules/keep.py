"""It is right as it is; says which resource would be exceeded first."""

from inferplan.planner.rightsizing.finding import Action
from inferplan.planner.rightsizing.guards import unsure
from inferplan.planner.rightsizing.judging import Context, Judgement
from inferplan.planner.rightsizing.unit import Unit

order = 100
action: Action = "keep"
_MISLEADING_GPU_UTIL = 0.9
_IDLE_SMS = 0.5


def judge(unit: Unit, context: Context) -> Judgement | str:
    """Fit always."""
    profile = context.profile
    rows = [
        (one.at(percentile) / target, one.evidence(percentile, target))
        for metrics, percentile, target in (
            (("kv_cache_usage_ratio",), "p99", profile.kv_target),
            (("dram_active_ratio",), profile.activity_percentile, profile.dram_target),
            (("sm_active_ratio", "gr_engine_active_ratio"), profile.activity_percentile, profile.sm_target),
        )
        if (one := unit.get(*metrics)) is not None
    ]
    peak, total = unit.memory_peak_bytes, unit.memory_total_bytes
    memory = unit.get("fb_used_bytes", "fb_used_ratio")
    if peak and total and memory and unit.get("kv_cache_usage_ratio") is None:
        rows.append(
            (peak * profile.memory_factor / total, memory.evidence("max", total / profile.memory_factor))
        )
    if not rows:
        return Judgement(
            action=action,
            title="Keep: what it does was not measured",
            detail=(
                "There is no SM activity, memory bandwidth or KV cache use in the export. GPU_UTIL only says "
                "that some kernel ran. Ask dcgm-exporter for DCGM_FI_PROF_SM_ACTIVE and "
                "DCGM_FI_PROF_DRAM_ACTIVE."
            ),
            evidence=tuple(one.evidence("p95") for one in list(unit.statistics.values())[:3]),
            no_savings_reason="nothing is taken away on what was not measured",
        )
    rows.sort(key=lambda row: row[0], reverse=True)
    used, binding = rows[0]
    return Judgement(
        action=action,
        title="Keep",
        detail=f"{binding.metric} decides: it is at {used:.0%} of its target.{_aside(unit, context)}",
        evidence=tuple(evidence for _, evidence in rows),
        no_savings_reason="nothing is to be changed",
    )


def _aside(unit: Unit, context: Context) -> str:
    if reason := unsure(unit, context.profile):
        return f" Nothing can be taken away: {reason}."
    util, activity = unit.get("gpu_util_ratio"), unit.get("sm_active_ratio")
    if util and activity and util.p50 >= _MISLEADING_GPU_UTIL and activity.p95 < _IDLE_SMS:
        return (
            f" GPU_UTIL of {util.p50:.0%} misleads: the SMs are {activity.p95:.0%} busy, so there is room "
            "for more work on it."
        )
    return ""
