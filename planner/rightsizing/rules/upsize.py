"""A resource is used up: add a replica or a larger GPU before anything else."""

from inferplan.planner.rightsizing.finding import Action, Evidence
from inferplan.planner.rightsizing.judging import Context, Judgement
from inferplan.planner.rightsizing.market import monthly
from inferplan.planner.rightsizing.saturation import saturated
from inferplan.planner.rightsizing.targets import NAMES, verdicts
from inferplan.planner.rightsizing.unit import Unit

order = 20
action: Action = "upsize"
LESS_BUSY = 0.5
"""P95 of activity over that of the one that is used up, from which on requests are not spread evenly."""
_WORDS = {
    "kv_cache_usage_ratio": "the KV cache is full",
    "dram_active_ratio": "memory bandwidth is at its ceiling",
    "sm_active_ratio": "the SMs are busy throughout",
    "gr_engine_active_ratio": "the GPU's engine is busy throughout",
    "requests_waiting": "requests wait",
    "preemptions_per_s": "running requests are preempted",
    "fb_used_bytes": "GPU memory is full",
    "fb_used_ratio": "GPU memory is full",
    "ttft_s": "the first token comes later than the target",
    "tpot_s": "tokens come slower than the target",
    "e2e_s": "requests take longer than the target",
}


def judge(unit: Unit, context: Context) -> Judgement | str:
    """Fit where anything is used up or a latency target is missed."""
    signs = saturated(unit, context.profile)
    if not signs:
        unknown = [one.reason for one in verdicts(unit, context.profile) if one.missed is None]
        return "; ".join(("no resource is used up and no latency target was seen missed", *unknown))
    rate = context.market.rate(unit)
    cost = (
        f"A second replica costs {monthly(rate.expected):,} USD a month ({rate.basis})."
        if not isinstance(rate, str)
        else f"What a second replica costs is not known: {rate}."
    )
    what = ", ".join(dict.fromkeys(map(_words, signs)))
    return Judgement(
        action=action,
        title="Add capacity",
        detail=f"{what[0].upper()}{what[1:]}. {_what_to_do(unit, context)} {cost}",
        evidence=signs,
        effort="replica count",
        no_savings_reason="this costs money: it keeps requests from waiting",
    )


def _what_to_do(unit: Unit, context: Context) -> str:
    own = unit.activity
    others = [one.activity for one in context.services[unit.service] if one is not unit and not one.doubt]
    rest = [one for one in others if one and own and one.p95 <= LESS_BUSY * own.p95]
    if not rest:
        return "Add a replica or larger GPUs."
    return (
        f"{len(rest)} of its {len(others)} other replicas are at most half as busy: spread requests evenly "
        "before adding a replica or larger GPUs."
    )


def _words(sign: Evidence) -> str:
    """Return what a sign means; of a latency also whose time was measured."""
    what = _WORDS[sign.metric]
    if sign.metric not in NAMES:
        return what
    if not sign.basis:
        return f"{what} on average of five minutes"
    return f"{what} ({sign.statistic.upper()} by {sign.basis}, {sign.samples:,} of them)"
