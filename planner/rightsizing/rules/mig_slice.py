"""A slice of the GPU is enough; the rest of it can serve others."""

import re
from dataclasses import dataclass
from decimal import Decimal

from inferplan.datasets.schema import GIB, Gpu
from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.evidence import Statistic, Unit
from inferplan.planner.rightsizing.finding import Action, Savings
from inferplan.planner.rightsizing.judging import Context, Judgement, growth, risk_of, why_protected
from inferplan.planner.rightsizing.market import monthly

order = 60
action: Action = "mig_slice"
_PROFILE = re.compile(r"^(\d+)g\.(\d+)gb$")
_MEMORY_EIGHTHS = 8  # a MIG GPU's memory and bandwidth come in eighths, its SMs in sevenths (MIG user guide)
_SM_SEVENTHS = 7


@dataclass(frozen=True)
class _Slice:
    name: str
    sm_share: float
    memory_share: float
    memory_bytes: float


@dataclass(frozen=True)
class _Measured:
    activity: Statistic
    dram: Statistic
    peak_bytes: float


def judge(unit: Unit, context: Context) -> Judgement | str:
    """Fit where memory, SMs and bandwidth of the smallest possible slice hold the measured peaks."""
    activity, dram, peak = unit.activity, unit.get("dram_active_ratio"), unit.memory_peak_bytes
    total = unit.memory_total_bytes
    if unit.mig_profile:
        return "it is a slice already"
    if unit.gpu is None or not unit.gpu.mig_profiles or not total:
        return "this GPU cannot be cut into slices, or is not known"
    if len(unit.gpus) != 1:
        return f"it runs on {len(unit.gpus)} GPUs together; slices have no NVLink"
    if activity is None or dram is None or peak is None:
        return "SM activity, memory bandwidth and memory must all have been measured"
    rate = context.market.rate(unit)
    if not isinstance(rate, str) and rate.machine_gpus == 1:
        return "its machine has this one GPU: a slice of it would give no machine back"
    if unit.confidence < Confidence.MEDIUM:
        return "a week with 80 % of the samples is needed"
    if protected := why_protected(unit, context.profile):
        return protected
    measured = _Measured(activity, dram, peak)
    found = (_try(unit, part, measured, context) for part in _slices(unit.gpu, total))
    return next((one for one in found if one), "no slice smaller than the GPU holds the measured peaks")


def _try(unit: Unit, part: _Slice, measured: _Measured, context: Context) -> Judgement | None:
    """Return the judgement for one kind of slice, ``None`` where it is too small."""
    profile, factor = context.profile, growth(unit)
    percentile, activity, dram = profile.activity_percentile, measured.activity, measured.dram
    limits = (profile.slice_target * part.sm_share, profile.slice_target * part.memory_share)
    fits = (
        measured.peak_bytes * profile.memory_factor <= part.memory_bytes
        and activity.at(percentile) * factor <= limits[0]
        and dram.at(percentile) * factor <= limits[1]
    )
    shares = (activity.share_above(part.sm_share), dram.share_above(part.memory_share))
    risk = risk_of(shares, unit, weak=activity.metric != "sm_active_ratio")
    if not fits or risk is None:
        return None
    memory = unit.get("fb_used_bytes", "fb_used_ratio")
    return Judgement(
        action=action,
        title=f"Move it to a {part.name} slice",
        detail=(
            f"The largest memory use, {measured.peak_bytes / GIB:.1f} GiB times {profile.memory_factor:g}, "
            f"fits the slice; activity stays below {profile.slice_target:.0%} of its share. An engine that "
            "takes a share of the memory in advance must be told the slice's size."
        ),
        evidence=(
            activity.evidence(percentile, limits[0]),
            dram.evidence(percentile, limits[1]),
            *((memory.evidence("max", part.memory_bytes),) if memory else ()),
        ),
        risk=risk,
        effort="slice",
        savings=_savings(unit, part, context),
        no_savings_reason=_no_savings(unit, context),
    )


def _slices(gpu: Gpu, total_bytes: float) -> list[_Slice]:
    """Return the slices smaller than the GPU, the smallest first; memory in whole eighths."""
    found = []
    marketed = gpu.memory_marketed_gb
    for name in gpu.mig_profiles:
        match = _PROFILE.match(name)
        if match and int(match[1]) < _SM_SEVENTHS:
            eighths = round(int(match[2]) / marketed * _MEMORY_EIGHTHS)
            share = eighths / _MEMORY_EIGHTHS
            memory = min(total_bytes * share, int(match[2]) * GIB) * 0.97  # a slice reports some less
            found.append(_Slice(name, int(match[1]) / _SM_SEVENTHS, share, memory))
    return sorted(found, key=lambda part: (part.memory_share, part.sm_share))


def _savings(unit: Unit, part: _Slice, context: Context) -> Savings | None:
    rate = context.market.rate(unit)
    if isinstance(rate, str):
        return None
    rest = Decimal(str(round(1 - max(part.sm_share, part.memory_share), 4)))
    return Savings(
        low=Decimal("0.00"),
        expected=monthly(rate.expected * rest),
        high=monthly(rate.high * rest),
        basis=rate.basis,
        condition="Saved only as far as other work uses the rest of the GPU.",
    )


def _no_savings(unit: Unit, context: Context) -> str | None:
    rate = context.market.rate(unit)
    return rate if isinstance(rate, str) else None
