"""Whether a resource is used up: then nothing may be taken away."""

from collections.abc import Iterator

from inferplan.planner.rightsizing.evidence import Unit
from inferplan.planner.rightsizing.finding import Evidence

KV_P95 = 0.90
WAITING_SHARE = 0.05
PREEMPTION_SHARE = 0.01
DRAM_P95 = 0.75
SM_P95 = 0.90
FB_SHARE = 0.97


def saturated(unit: Unit) -> tuple[Evidence, ...]:
    """Return the measurements that show a resource used up, none when there is room."""
    return tuple(_signs(unit))


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
            yield found.evidence("share above 0", limit)
    preallocates = unit.get("kv_cache_usage_ratio") is not None
    used, total = unit.get("fb_used_bytes"), unit.memory_total_bytes
    if used and total and not preallocates and used.max > FB_SHARE * total:
        yield used.evidence("max", FB_SHARE * total)
