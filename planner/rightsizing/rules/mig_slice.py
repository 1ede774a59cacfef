"""A slice of the GPU is enough; the rest of it can serve others."""

import re
from dataclasses import dataclass
from decimal import Decimal

from inferplan.datasets.schema import GIB, Gpu
from inferplan.planner.rightsizing.finding import Action
from inferplan.planner.rightsizing.guards import Measured, growth, measured_enough
from inferplan.planner.rightsizing.judging import Context, Judgement, risk_of, unproven
from inferplan.planner.rightsizing.market import Rate
from inferplan.planner.rightsizing.profile import Profile
from inferplan.planner.rightsizing.targets import why_too_slow
from inferplan.planner.rightsizing.unit import Unit

order = 60
action: Action = "mig_slice"
_PROFILE = re.compile(r"^(\d+)g\.(\d+)gb$")
_MEMORY_EIGHTHS = 8  # a MIG GPU's memory and bandwidth come in eighths at the finest (MIG user guide)


@dataclass(frozen=True)
class _Slice:
    name: str
    sm_share: float
    memory_share: float
    memory_bytes: float

    @property
    def times_as_slow(self) -> float:
        """How many times as long as on the whole GPU work takes at most."""
        return 1 / min(self.sm_share, self.memory_share)


def judge(unit: Unit, context: Context) -> Judgement | str:
    """Fit where the memory, SMs and bandwidth of a slice hold the peaks of the busiest replica."""
    unit = context.busiest(unit)
    total = unit.memory_total_bytes
    if unit.mig_profile:
        return "it is a slice already"
    if unit.gpu is None or not unit.gpu.mig_profiles or not total:
        return "this GPU cannot be cut into slices, or is not known"
    if len(unit.gpus) != 1:
        return f"it runs on {len(unit.gpus)} GPUs together; slices have no NVLink"
    rate = context.market.rate(unit)
    if not isinstance(rate, str) and rate.machine_gpus == 1:
        return "its machine has this one GPU: a slice of it would give no machine back"
    measured = measured_enough(unit, context.profile)
    if isinstance(measured, str):
        return measured
    slow = "no slice smaller than the GPU holds the measured peaks"
    for part in _slices(unit.gpu, total):
        found = _try(unit, part, measured, rate, context.profile)
        if found is None:
            continue
        too_slow = why_too_slow(unit, context.profile, part.times_as_slow)
        if too_slow is None:
            return found
        slow = f"on a {part.name} slice {too_slow}"
    return slow


def _try(
    unit: Unit, part: _Slice, measured: Measured, rate: Rate | str, profile: Profile
) -> Judgement | None:
    """Return the judgement for one kind of slice, ``None`` where it is too small."""
    percentile, activity, dram = measured.percentile, measured.activity, measured.dram
    limits = (profile.slice_target * part.sm_share, profile.slice_target * part.memory_share)
    fits = (
        measured.peak_bytes * profile.memory_factor <= part.memory_bytes
        and activity.at(percentile) * growth(unit) <= limits[0]
        and dram.at(percentile) * growth(unit) <= limits[1]
    )
    shares = (activity.share_above(part.sm_share), dram.share_above(part.memory_share))
    risk = risk_of(shares, unit, weak=measured.is_weak)
    if not fits or risk is None:
        return None
    rest = Decimal(str(round(1 - max(part.sm_share, part.memory_share), 4)))
    condition = "Saved only as far as other work uses the rest of the GPU."
    return Judgement(
        action=action,
        title=f"Move it to a {part.name} slice",
        detail=(
            f"The largest memory use, {measured.peak_bytes / GIB:.1f} GiB times {profile.memory_factor:g}, "
            f"fits the slice; activity stays below {profile.slice_target:.0%} of its share. An engine that "
            "takes a share of the memory in advance must be told the slice's size. Everything there, "
            f"training and batch work too, takes up to {part.times_as_slow:.1f} times as long."
        ),
        evidence=measured.evidence(
            (profile.slice_target, 1 / part.sm_share),
            (profile.slice_target, 1 / part.memory_share),
            part.memory_bytes / profile.memory_factor,
        ),
        risk=risk if profile.has_targets else unproven(risk),
        effort="slice",
        savings=None if isinstance(rate, str) else rate.worth(Decimal(0), rest, condition),
        no_savings_reason=rate if isinstance(rate, str) else None,
    )


def _slices(gpu: Gpu, total_bytes: float) -> list[_Slice]:
    """Return the slices smaller than the GPU, the smallest first; memory in whole eighths."""
    found = []
    marketed = gpu.memory_marketed_gb
    for name in gpu.mig_profiles:
        match = _PROFILE.match(name)
        if match and int(match[1]) < gpu.mig_max_instances:
            eighths = round(int(match[2]) / marketed * _MEMORY_EIGHTHS)
            share = eighths / _MEMORY_EIGHTHS
            memory = min(total_bytes * share, int(match[2]) * GIB) * 0.97  # a slice reports some less
            found.append(_Slice(name, int(match[1]) / gpu.mig_max_instances, share, memory))
    return sorted(found, key=lambda part: (part.memory_share, part.sm_share))
