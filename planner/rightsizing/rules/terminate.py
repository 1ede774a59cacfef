"""Nothing was asked of it for a week and longer. Memory in use is no work: a loaded model is not a use."""

from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.finding import Action
from inferplan.planner.rightsizing.guards import below_floor, missing
from inferplan.planner.rightsizing.judging import Context, Judgement, freed
from inferplan.planner.rightsizing.statistic import Statistic
from inferplan.planner.rightsizing.unit import Unit

order = 30
action: Action = "terminate"
IDLE_DAYS = 7.0 - 0.01  # the last of 7 days' samples lies one step short of 7 days
SM_P99 = 0.01
DRAM_P99 = 0.02
POWER_OVER_FLOOR = 1.10
POWER_OF_TDP = 0.35
MOST_UNSEEN = 0.02
"""Share of the time (0-1) in which it may have worked: samples that are missing, and those that show work."""
MOMENT = 0.1
"""SM activity (0-1) of a single sample that no idle GPU shows."""
_COUNTED = ("generation_tokens_per_s", "requests_per_s")


def judge(unit: Unit, context: Context) -> Judgement | str:
    """Fit where activity, bandwidth, power and requests all say idle; without requests only a suspicion."""
    activity, dram, power = unit.activity, unit.get("dram_active_ratio"), unit.get("power_w")
    if activity is None:
        return "SM activity was not measured: GPU_UTIL and memory do not show whether it works"
    if activity.p99 >= SM_P99:
        return f"it works: SM activity P99 is {activity.p99:.0%}"
    if dram is not None and dram.p99 >= DRAM_P99:
        return f"memory moves: bandwidth P99 is {dram.p99:.0%}"
    if unit.confidence < Confidence.MEDIUM or activity.days < IDLE_DAYS:
        return f"only {activity.days:.1f} days were measured; seven with 80% of the samples are needed"
    if power is not None and not _at_floor(unit, power.p95, power.p50):
        return f"power of {power.p95:.0f} W does not look idle"
    asked = [unit.get(name) for name in ("requests_running", *_COUNTED)]
    if any(one is not None and one.max > 0 for one in asked):
        return "requests came in"
    evidence = tuple(one.evidence("p99", SM_P99) for one in (activity,)) + tuple(
        one.evidence(statistic, limit)
        for one, statistic, limit in ((dram, "p99", DRAM_P99), (power, "p95", None), (asked[0], "max", 0.0))
        if one is not None
    )
    rate = context.market.rate(unit)
    suspicion = context.profile.why_protected(unit) or _uncertain(unit) or _below_floor(unit, context)
    return Judgement(
        action="suspected_idle" if suspicion else action,
        title="Idle although its memory is full" if _is_full(unit) else "Idle",
        detail=f"No work in {activity.days:.0f} days. {_what_to_do(suspicion)}",
        evidence=evidence,
        risk=None if suspicion else 0,
        effort="replica count",
        savings=None if suspicion or isinstance(rate, str) else freed(rate, unit.gpus_held),
        no_savings_reason=suspicion or (rate if isinstance(rate, str) else None),
    )


def _uncertain(unit: Unit) -> str | None:
    """Return what was not measured for a week that would show requests; ``None`` where all was."""
    activity = unit.activity
    if activity and (gone := missing(activity, MOST_UNSEEN - activity.share_above(SM_P99))):
        return f"{gone}, and work may be in it"
    asked = [one for name in ("requests_running", *_COUNTED) if _for_a_week(one := unit.get(name))]
    if not asked or not _for_a_week(unit.get("dram_active_ratio")):
        return "requests or memory bandwidth were not measured beside it for a week"
    if activity and activity.max >= MOMENT and not any(_for_a_week(unit.get(name)) for name in _COUNTED):
        return f"SM activity reached {activity.max:.0%} for moments, and no counter tells of requests"
    return None


def _for_a_week(one: Statistic | None) -> bool:
    return one is not None and one.confidence >= Confidence.MEDIUM and one.days >= IDLE_DAYS


def _below_floor(unit: Unit, context: Context) -> str | None:
    working = [
        one for one in context.services[unit.service] if one.activity is None or one.activity.p99 >= SM_P99
    ]
    return below_floor(len(working), context.profile)


def _what_to_do(suspicion: str | None) -> str:
    if suspicion:
        return f"Not to be stopped on this alone: {suspicion}."
    return "Stop it or scale it to zero."


def _at_floor(unit: Unit, p95_w: float, p50_w: float) -> bool:
    tdp_w = unit.gpu.tdp_w if unit.gpu else None
    return p95_w <= POWER_OVER_FLOOR * p50_w and (tdp_w is None or p95_w <= POWER_OF_TDP * tdp_w)


def _is_full(unit: Unit) -> bool:
    peak, total = unit.memory_peak_bytes, unit.memory_total_bytes
    return bool(peak and total and peak > 0.5 * total)
