"""Whether a resource is used up or a latency target missed: then nothing may be taken away."""

from collections.abc import Iterator

from inferplan.planner.rightsizing.finding import Evidence
from inferplan.planner.rightsizing.profile import Profile
from inferplan.planner.rightsizing.statistic import ABOVE_ZERO
from inferplan.planner.rightsizing.targets import verdicts
from inferplan.planner.rightsizing.unit import Unit

KV_P95 = 0.90
WAITING_SHARE = 0.05
PREEMPTION_SHARE = 0.01
DRAM_P95 = 0.75
SM_P95 = 0.90
FB_SHARE = 0.97


def saturated(unit: Unit, profile: Profile) -> tuple[Evidence, ...]:
    """Return the measurements that show a resource used up or a target missed, none when there is room."""
    missed = (one.evidence for one in verdicts(unit, profile) if one.missed and one.evidence)
    return (*_signs(unit), *missed)


def _signs(unit: Unit) -> Iterator[Evidence]:
    for metric, limit in (("kv_cache_usage_ratio", KV_P95), ("dram_active_ratio", DRAM_P95)):
        found = unit.get(metric)
        if found and found.p95 >= limit:
            yield found.evidence("p95", limit)
    activity = unit.activity
    if activity and activity.p95 >= SM_P95:
        yield activity.evidence("p95", SM_P95)
    for metric, limit in (("requests_waiting", WAITING_SHARE), ("preemptions_per_s", PREEMPTION_SHARE)):
        found = unit.get(metric)
        if found and found.share_above_zero is not None and found.share_above_zero > limit:
            yield found.evidence(ABOVE_ZERO, limit)
    preallocates = unit.get("kv_cache_usage_ratio") is not None
    used, total = unit.memory, unit.memory_total_bytes
    most = 1.0 if used and used.metric == "fb_used_ratio" else total
    if used and most and not preallocates and used.max > FB_SHARE * most:
        yield used.evidence("max", FB_SHARE * most)
