"""What must be known before a smaller place for a process is looked for at all."""

from dataclasses import dataclass

from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.finding import Evidence
from inferplan.planner.rightsizing.profile import Profile
from inferplan.planner.rightsizing.statistic import ROUNDING, SHARES, Statistic
from inferplan.planner.rightsizing.targets import undecided
from inferplan.planner.rightsizing.unit import Unit

DRAM_CEILING = 0.8  # practical ceiling of DRAM_ACTIVE (NVIDIA DCGM, profiling metrics)
POWER_CAP = 0.97
"""Of the board's power; from there on its clocks are lowered."""
WEEK_NEEDED = "a week with 80% of the samples is needed"


@dataclass(frozen=True)
class Measured:
    """The measurements that every smaller shape must hold."""

    activity: Statistic
    dram: Statistic
    memory: Statistic
    peak_bytes: float
    percentile: str
    """Of activity and bandwidth, that must stay below their targets."""

    @property
    def is_weak(self) -> bool:
        """Whether another signal stands in for SM activity."""
        return self.activity.metric != "sm_active_ratio"

    def evidence(
        self,
        sm: tuple[float, float],
        dram: tuple[float, float],
        memory_limit_bytes: float | None,
    ) -> tuple[Evidence, ...]:
        """Return the three as evidence; of activity and bandwidth the limit and how many times as high."""
        limit = memory_limit_bytes
        if limit is not None and self.memory.metric == "fb_used_ratio":
            limit *= self.memory.max / self.peak_bytes
        return (
            self.dram.evidence(self.percentile, *dram),
            self.activity.evidence(self.percentile, *sm),
            self.memory.evidence("max", limit),
        )


def unsure(unit: Unit, profile: Profile) -> str | None:
    """Return why nothing may be taken away, whatever the numbers say; ``None`` where something may.

    What is missing may all lie above what is there: with more missing than a percentile leaves out, the
    percentile is not known.
    """
    if unit.doubt:
        return unit.doubt
    power, tdp_w = unit.get("power_w"), unit.gpu.tdp_w if unit.gpu else None
    if power and tdp_w and power.p95 >= POWER_CAP * tdp_w:
        return f"it is at its power limit: {power.p95:.0f} W of {tdp_w:.0f} W"
    found = (unit.activity, unit.get("dram_active_ratio"), unit.memory)
    missing = (too_much_missing(one, profile.activity_percentile) for one in found if one)
    return next((reason for reason in missing if reason), None)


def too_much_missing(one: Statistic, percentile: str) -> str | None:
    """Return that more is missing than ``percentile`` leaves out, ``None`` where less is."""
    if (gone := missing(one, 1 - SHARES[percentile])) is None:
        return None
    return f"{gone}: its {percentile.upper()} is not known"


def missing(one: Statistic, most: float) -> str | None:
    """Return how much is missing where that is more than the share ``most`` (0-1), ``None`` elsewhere."""
    share = 1 - (one.coverage or 0.0)
    return f"{share:.1%} of {one.metric} is missing" if share > most + ROUNDING else None


def measured_enough(unit: Unit, profile: Profile) -> Measured | str:
    """Return what was measured, or why nothing smaller is to be looked for.

    GPU_UTIL is no measure of work, and a week is the least that shows one. On a machine with several GPUs one
    of which no process is known may be part of a group that works together.
    """
    if not unit.is_process and not unit.is_alone:
        return "which process runs on it is not known: it may work together with other GPUs of its machine"
    activity, dram, memory = unit.activity, unit.get("dram_active_ratio"), unit.memory
    peak = unit.memory_peak_bytes
    if activity is None or dram is None or memory is None or not peak:
        return "SM activity, memory bandwidth and memory must all have been measured"
    if min(unit.confidence, dram.confidence) < Confidence.MEDIUM:
        return WEEK_NEEDED
    reason = profile.why_protected(unit) or undecided(unit, profile)
    return reason or Measured(activity, dram, memory, peak, percentile_of(profile, activity, dram))


def percentile_of(profile: Profile, *found: Statistic) -> str:
    """Return the percentile that decides, a higher one where samples are missing."""
    least = min(found, key=lambda one: one.coverage or 0.0)
    return least.surely(profile.activity_percentile)


def below_floor(working: int, profile: Profile) -> str | None:
    """Return that too few replicas at work would be left; where none works, none is needed."""
    if not 0 < working < profile.min_replicas:
        return None
    return f"{working} of its replicas at work would be left, and the profile keeps {profile.min_replicas}"


def growth(unit: Unit) -> float:
    """Return the factor for demand not seen yet, 1 + 1/days: as the Kubernetes VPA's upper bound."""
    days = min((one.days for one in unit.statistics.values()), default=0.0)
    return 1 + 1 / days if days > 0 else float("inf")
