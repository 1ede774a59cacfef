"""How careful advice is to be: one profile per kind of service, every number of it open to change."""

from typing import Annotated, Literal

from pydantic import Field

from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.schema import Row

Share = Annotated[float, Field(gt=0, le=1)]


class Profile(Row):
    """Targets and floors. Headroom means: measured use may reach ``target`` of what there is.

    A target of 0.8 leaves 20 % free, so that the new shape is at least use / 0.8 = 1.25 times the use.
    """

    name: str = "custom"
    activity_percentile: Literal["p90", "p95", "p99"] = "p95"
    """Statistic of SM and memory-bandwidth activity that must stay below its target."""
    sm_target: Share = 0.80
    dram_target: Share = 0.65
    """Of the peak bandwidth; about 0.8 is the practical ceiling (NVIDIA DCGM, profiling metrics)."""
    kv_target: Share = 0.85
    """P99 of the KV cache's use."""
    slice_target: Share = 0.70
    """Of a MIG slice's share."""
    memory_factor: Annotated[float, Field(ge=1)] = 1.10
    """The largest memory use ever seen, times this, must fit."""
    min_replicas: Annotated[int, Field(ge=1)] = 2
    spare_replicas: Annotated[int, Field(ge=0)] = 1
    may_schedule: bool = True
    """Whether a service may be stopped by calendar."""
    protected_words: tuple[str, ...] = ("standby", "dr", "failover", "canary", "reserved")
    """Words in a namespace, pod or host name that forbid to take anything away."""
    excluded_teams: tuple[str, ...] = ()


PRODUCTION = Profile(name="production")
HIGH_AVAILABILITY = Profile(
    name="high-availability", activity_percentile="p99", sm_target=0.6, dram_target=0.5, kv_target=0.7,
    slice_target=0.5, memory_factor=1.2, min_replicas=3, spare_replicas=2,
    may_schedule=False,
)  # fmt: skip
DEVELOPMENT = Profile(
    name="development", activity_percentile="p90", sm_target=0.9, dram_target=0.75, kv_target=0.9,
    slice_target=0.85, memory_factor=1.05, min_replicas=1, spare_replicas=0,
)  # fmt: skip
PROFILES = {profile.name: profile for profile in (PRODUCTION, HIGH_AVAILABILITY, DEVELOPMENT)}


def profile_named(name: str) -> Profile:
    """Return a ready-made profile; raises ``UnknownNameError`` with the nearest names."""
    if name not in PROFILES:
        raise UnknownNameError("rightsizing profile", name, PROFILES)
    return PROFILES[name]
