"""A cheaper kind of GPU holds memory, bandwidth and compute."""

from dataclasses import dataclass
from decimal import Decimal

from inferplan.datasets import catalog
from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.schema import GIB, Gpu, Offer
from inferplan.planner.rightsizing.finding import Action, Savings
from inferplan.planner.rightsizing.guards import DRAM_CEILING, Measured, growth, measured_enough
from inferplan.planner.rightsizing.judging import Context, Judgement, risk_of, unproven
from inferplan.planner.rightsizing.market import Rate, priced
from inferplan.planner.rightsizing.model_check import check_model
from inferplan.planner.rightsizing.profile import Profile
from inferplan.planner.rightsizing.targets import why_too_slow
from inferplan.planner.rightsizing.unit import Unit

order = 80
action: Action = "downsize_type"
_MOST_REASONS = 3
"""Told of the kinds of GPU that do not hold it, those next to its price."""


def judge(unit: Unit, context: Context) -> Judgement | str:
    """Fit where the cheapest other GPU on offer passes every row for the busiest of the replicas."""
    unit = context.busiest(unit)
    if unit.mig_profile or unit.gpu is None:
        return "the GPU is a slice, or is not in the catalog"
    measured = measured_enough(unit, context.profile)
    if isinstance(measured, str):
        return measured
    rate = context.market.rate(unit)
    if isinstance(rate, str):
        return f"no saving can be shown: {rate}"
    reasons = []
    for offer in context.market.alternatives(unit.gpu.name, len(unit.gpus), rate):
        if catalog.gpu(offer.gpu).vendor != unit.gpu.vendor:
            continue  # another software stack
        found = _try(unit, unit.gpu, measured, offer, rate, context.profile)
        if isinstance(found, Judgement):
            return found
        reasons.append(f"{offer.gpu}: {found}")
    return (
        "; ".join(reasons[-_MOST_REASONS:]) or "no cheaper machine with another GPU of its maker is on offer"
    )


@dataclass(frozen=True)
class _Slower:
    """How many times as busy the new GPU would be."""

    dram: float
    sm: float


def _try(
    unit: Unit, now: Gpu, measured: Measured, offer: Offer, rate: Rate, profile: Profile
) -> Judgement | str:
    new = catalog.gpu(offer.gpu)
    if reason := _lacks(unit, now, new):
        return reason
    bandwidth = now.memory_bandwidth_bytes_per_s / new.memory_bandwidth_bytes_per_s
    slower = max(bandwidth, _flops_per_s(now) / _flops_per_s(new))
    times = _Slower(bandwidth, slower)
    risk = _risk(unit, measured, times, profile)
    if isinstance(risk, str):
        return risk
    checked = check_model(unit, new, profile)
    if checked.reason:
        return checked.reason
    if not checked.keeps_latency and (reason := why_too_slow(unit, profile, max(times.dram, times.sm, 1.0))):
        return reason
    holds = measured.peak_bytes * profile.memory_factor <= new.memory_total_bytes
    if not holds and not checked.holds_memory:
        return f"the largest memory use, {measured.peak_bytes / GIB:.1f} GiB, does not fit with its margin"
    savings = _savings(rate, offer, len(unit.gpus))
    if savings.effective is not None and savings.effective <= 0:
        return f"by the bill it would save nothing: {rate.billed}"
    percentile, limit_bytes = measured.percentile, new.memory_total_bytes / profile.memory_factor
    then = (measured.dram.at(percentile) * times.dram, measured.activity.at(percentile) * times.sm)
    return Judgement(
        action=action,
        title=f"Move it to {len(unit.gpus)} x {new.name} ({offer.instance_type})",
        detail=(
            f"The peaks, times {growth(unit):.2f} for what was not seen yet, stay below the targets on "
            f"{new.name}: bandwidth {then[0]:.0%} of {profile.dram_target:.0%}, SMs {then[1]:.0%} of "
            f"{profile.sm_target:.0%}. {checked.note}"
        ),
        evidence=measured.evidence(
            (profile.sm_target, times.sm), (profile.dram_target, times.dram), limit_bytes if holds else None
        ),
        risk=risk if checked.keeps_latency else unproven(risk),
        effort="type" if now.architecture == new.architecture else "architecture",
        savings=savings,
    )


def _risk(unit: Unit, measured: Measured, times: _Slower, profile: Profile) -> int | str:
    """Return the risk 0-4, or which resource of the new GPU would be used up."""
    percentile, factor = measured.percentile, growth(unit)
    then = (measured.dram.at(percentile) * times.dram, measured.activity.at(percentile) * times.sm)
    if then[0] * factor > profile.dram_target:
        return f"its bandwidth would be {then[0]:.0%} used"
    if then[1] * factor > profile.sm_target:
        return f"its SMs would be {then[1]:.0%} busy"
    shares = (
        measured.dram.share_above(DRAM_CEILING / times.dram),
        measured.activity.share_above(1 / times.sm),
    )
    risk = risk_of(shares, unit, weak=measured.is_weak)
    return "its bandwidth or SMs would be exceeded too often" if risk is None else risk


def _lacks(unit: Unit, now: Gpu, new: Gpu) -> str | None:
    """Return what the new GPU lacks that the old one has and the work may need."""
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
    new, alone = rate.instead_of(offer, gpus), offer.usd_per_hour or Decimal(0)
    shared = rate.machine_gpus is not None and rate.machine_gpus > gpus
    condition = (
        "Saved only when the whole machine it leaves goes away; until then it costs the new machine."
        if shared
        else "Saved when the machine it leaves is given back."
    )
    if alone > new:
        condition += f" The other GPUs of {offer.instance_type} must serve somebody too."
    low = -alone if shared else rate.low - alone
    return rate.worth(low, Decimal(1), condition, new, f"now {rate.basis}; then {priced(offer)}")
