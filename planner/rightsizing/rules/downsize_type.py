"""A cheaper kind of GPU holds memory, bandwidth and compute."""

from dataclasses import dataclass

from inferplan.datasets import catalog
from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.schema import GIB, Gpu, Offer
from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.evidence import Statistic, Unit
from inferplan.planner.rightsizing.finding import Action, Savings
from inferplan.planner.rightsizing.judging import Context, Judgement, growth, risk_of, why_protected
from inferplan.planner.rightsizing.market import Rate, machine_usd_per_hour, monthly, priced

order = 80
action: Action = "downsize_type"


@dataclass(frozen=True)
class _Measured:
    activity: Statistic
    dram: Statistic
    peak_bytes: float


def judge(unit: Unit, context: Context) -> Judgement | str:
    """Fit where the cheapest other GPU on offer passes every row."""
    activity, dram, peak = unit.activity, unit.get("dram_active_ratio"), unit.memory_peak_bytes
    if unit.mig_profile or unit.gpu is None:
        return "the GPU is a slice, or is not in the catalog"
    if activity is None or dram is None or peak is None:
        return "SM activity, memory bandwidth and memory must all have been measured"
    if unit.confidence < Confidence.MEDIUM:
        return "a week with 80 % of the samples is needed"
    if protected := why_protected(unit, context.profile):
        return protected
    rate = context.market.rate(unit)
    if isinstance(rate, str):
        return f"no saving can be shown: {rate}"
    measured = _Measured(activity, dram, peak)
    nearest = "no cheaper machine with another GPU is on offer"
    seen: set[str] = set()
    for offer in context.market.alternatives(unit, rate):
        if offer.gpu in seen:
            continue
        seen.add(offer.gpu)
        found = _try(unit, unit.gpu, measured, offer, rate, context)
        if isinstance(found, Judgement):
            return found
        nearest = f"{offer.gpu}: {found}"
    return nearest


def _try(
    unit: Unit, now: Gpu, measured: _Measured, offer: Offer, rate: Rate, context: Context
) -> Judgement | str:
    new = catalog.gpu(offer.gpu)
    if reason := _lacks(unit, now, new):
        return reason
    profile, factor = context.profile, growth(unit)
    percentile = profile.activity_percentile
    if measured.peak_bytes * profile.memory_factor > new.memory_total_bytes:
        return f"the largest memory use, {measured.peak_bytes / GIB:.1f} GiB, does not fit with its margin"
    bandwidth = now.memory_bandwidth_bytes_per_s / new.memory_bandwidth_bytes_per_s
    slower = max(bandwidth, _flops_per_s(now) / _flops_per_s(new))
    dram_limit, sm_limit = profile.dram_target / bandwidth, profile.sm_target / slower
    then = (measured.dram.at(percentile) * bandwidth, measured.activity.at(percentile) * slower)
    if then[0] * factor > profile.dram_target:
        return f"its bandwidth would be {then[0]:.0%} used"
    if then[1] * factor > profile.sm_target:
        return f"its SMs would be {then[1]:.0%} busy"
    risk = risk_of(
        (measured.dram.share_above(0.8 / bandwidth), measured.activity.share_above(1 / slower)),
        unit,
        weak=measured.activity.metric != "sm_active_ratio",
    )
    if risk is None:
        return "its bandwidth or SMs would be exceeded too often"
    memory = unit.get("fb_used_bytes", "fb_used_ratio")
    return Judgement(
        action=action,
        title=f"Move it to {len(unit.gpus)} x {new.name} ({offer.instance_type})",
        detail=(
            f"The peaks, times {factor:.2f} for what was not seen yet, stay below the targets on {new.name}: "
            f"bandwidth {then[0]:.0%} of {profile.dram_target:.0%}, SMs {then[1]:.0%} of "
            f"{profile.sm_target:.0%}. Tokens slow down as bandwidth falls: try a share of the traffic first."
        ),
        evidence=(
            measured.dram.evidence(percentile, dram_limit),
            measured.activity.evidence(percentile, sm_limit),
            *((memory.evidence("max", new.memory_total_bytes / profile.memory_factor),) if memory else ()),
        ),
        risk=risk,
        effort="type" if now.architecture == new.architecture else "architecture",
        savings=_savings(rate, offer, len(unit.gpus)),
    )


def _lacks(unit: Unit, now: Gpu, new: Gpu) -> str | None:
    """Return what the new GPU lacks that the old one has and the work may need."""
    if new.vendor != now.vendor:
        return f"it is made by {new.vendor}: another software stack"
    if now.bf16_flops_per_s and not new.bf16_flops_per_s:
        return "it has no BF16"
    if len(unit.gpus) > 1 and "nvlink" in (now.interconnect or "").casefold():
        domain = new.max_nvlink_domain or 1
        if domain < len(unit.gpus):
            return f"{len(unit.gpus)} GPUs work together over NVLink, which it has not"
    if now.fp8_flops_per_s and not new.fp8_flops_per_s and _may_be_fp8(unit):
        return "it has no FP8, and the model's precision is not known or is FP8"
    return None


def _may_be_fp8(unit: Unit) -> bool:
    """Return whether the model runs in FP8 as far as anybody can tell."""
    if unit.model is None:
        return True
    try:
        config = catalog.model_config(unit.model)
    except UnknownNameError:
        return True
    return "fp8" in str(config.get("quantization_config", "")).casefold()


def _flops_per_s(gpu: Gpu) -> float:
    return gpu.bf16_flops_per_s or gpu.fp16_flops_per_s or gpu.fp32_flops_per_s or 1.0


def _savings(rate: Rate, offer: Offer, gpus: int) -> Savings:
    new = machine_usd_per_hour(offer, gpus)
    shared = rate.machine_gpus is not None and rate.machine_gpus > gpus
    low = -new if shared else rate.low - new
    return Savings(
        low=monthly(low),
        expected=monthly(rate.expected - new),
        high=monthly(rate.high - new),
        basis=f"now {rate.basis}; then {priced(offer)}",
        condition=(
            "Saved only when the whole machine it leaves goes away; until then it costs the new machine."
            if shared
            else "Saved when the machine it leaves is given back."
        ),
    )
