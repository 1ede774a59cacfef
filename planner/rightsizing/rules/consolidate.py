"""Several processes fit on one GPU together: memory, and load at the same time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from inferplan.datasets.schema import GIB
from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.evidence import Week
from inferplan.planner.rightsizing.finding import Action
from inferplan.planner.rightsizing.guards import (
    DRAM_CEILING,
    WEEK_NEEDED,
    Measured,
    growth,
    measured_enough,
    percentile_of,
)
from inferplan.planner.rightsizing.judging import Context, Judgement, freed, risk_of
from inferplan.planner.rightsizing.market import together
from inferplan.planner.rightsizing.packing import Capacity, Item, lower_bound, pack
from inferplan.planner.rightsizing.profile import Profile
from inferplan.planner.rightsizing.saturation import FB_SHARE
from inferplan.planner.rightsizing.statistic import Statistic
from inferplan.planner.rightsizing.unit import Unit

order = 70
action: Action = "consolidate"
LEAST_RISK = 2
"""Processes that share a GPU in time slices are kept apart neither in memory nor in time."""


@dataclass(frozen=True)
class _Candidate:
    unit: Unit
    measured: Measured
    total_bytes: float
    needed_bytes: float
    """Largest use ever seen and the profile's headroom."""

    @property
    def most_bytes(self) -> float:
        """What processes may need together on one GPU."""
        return FB_SHARE * self.total_bytes

    @property
    def pool(self) -> tuple[str | None, str | None, float, str, bool]:
        """What must be alike for two of them to change places."""
        return (
            self.unit.gpu_name, self.unit.instance_type, self.total_bytes, self.measured.activity.metric,
            self.unit.is_sample,
        )  # fmt: skip


def judge_fleet(units: Sequence[Unit], context: Context) -> Mapping[str, Judgement | str]:
    """Fit where bin packing frees GPUs, and the packed ones stay below the targets at the same time."""
    verdicts: dict[str, Judgement | str] = {}
    pools: dict[object, list[_Candidate]] = {}
    for unit in units:
        found = _candidate(unit, context.profile)
        if isinstance(found, str):
            verdicts[unit.key] = found
        else:
            pools.setdefault(found.pool, []).append(found)
    for candidates in pools.values():
        verdicts |= _share(candidates, context)
    return verdicts


def _candidate(unit: Unit, profile: Profile) -> _Candidate | str:
    """Return the unit as something that could share, or why it cannot."""
    total = unit.memory_total_bytes
    if not profile.may_share_gpus:
        return f"profile {profile.name} keeps every process on GPUs of its own"
    if unit.mig_profile or len(unit.gpus) != 1 or not total:
        return "only whole single GPUs of known memory are shared"
    measured = measured_enough(unit, profile)
    if isinstance(measured, str):
        return measured
    found = _Candidate(unit, measured, total, measured.peak_bytes * profile.memory_factor)
    if found.needed_bytes >= found.most_bytes:
        return (
            f"it has held {measured.peak_bytes / GIB:.1f} GiB of {total / GIB:.1f} GiB: too much to share. "
            "An engine that takes memory in advance can be told to take less"
        )
    if measured.activity.at(measured.percentile) * growth(unit) > profile.sm_target:
        return "its SMs are too busy for a second process"
    return found


def _share(candidates: Sequence[_Candidate], context: Context) -> dict[str, Judgement | str]:
    """Set aside what fits beside no other, and pack the rest of a pool."""
    if len(candidates) < 2:
        return {one.unit.key: "no other process could share a GPU of this kind" for one in candidates}
    least, most = min(one.needed_bytes for one in candidates), candidates[0].most_bytes
    fitting = [one for one in candidates if one.needed_bytes + least <= most]
    reason = f"with the smallest of the others it would need over {most / GIB:.1f} GiB"
    verdicts: dict[str, Judgement | str] = {one.unit.key: reason for one in candidates}
    return verdicts | (_pack(fitting, context) if len(fitting) > 1 else {})


def _pack(candidates: Sequence[_Candidate], context: Context) -> dict[str, Judgement | str]:
    """Pack, and keep the GPUs on which the sums at the same time hold."""
    profile = context.profile
    by_key = {one.unit.key: one for one in candidates}
    items = _items(candidates, context)
    capacity = Capacity(candidates[0].most_bytes, profile.sm_target, profile.dram_target)
    shared = pack(items, capacity)
    least = lower_bound(items, capacity)
    bins = {
        f"{members[0].key} and {len(members) - 1} more": [by_key[item.key].unit for item in members]
        for members in shared
        if len(members) > 1
    }
    activity = candidates[0].measured.activity.metric
    sums = context.measured.together(bins, (activity, "dram_active_ratio"))
    verdicts: dict[str, Judgement | str] = dict.fromkeys(
        by_key, "packed by first-fit decreasing it stays alone on its GPU"
    )
    count = (
        f"GPUs left of such processes' {len(candidates)}: {len(shared)}; no packing needs fewer than {least}."
    )
    for name, units in bins.items():
        loads = [sums.get((name, metric)) for metric in (activity, "dram_active_ratio")]
        verdict = _judge(name, [by_key[unit.key] for unit in units], loads, count, context)
        verdicts |= {unit.key: verdict for unit in units}
    return verdicts


def _items(candidates: Sequence[_Candidate], context: Context) -> list[Item]:
    activity = [one.measured.activity for one in candidates]
    dram = [one.measured.dram for one in candidates]
    places = sorted({one.entity for one in (*activity, *dram)})
    weeks = context.measured.weeks(places, (activity[0].metric, dram[0].metric))
    grown = np.array([[growth(one.unit)] for one in candidates])
    return [
        Item(
            key=one.unit.key,
            workload=one.unit.workload,
            host=one.unit.host,
            memory_bytes=one.needed_bytes,
            sm=sm,
            dram=bandwidth,
        )
        for one, sm, bandwidth in zip(
            candidates, _filled(weeks, activity) * grown, _filled(weeks, dram) * grown, strict=True
        )
    ]


def _filled(weeks: Mapping[tuple[str, str], Week], found: Sequence[Statistic]) -> Week:
    """Return the week of each series as a row; hours that were never measured count as the busiest ones."""
    rows = np.array([weeks[one.entity, one.metric] for one in found])
    return np.where(np.isnan(rows), np.array([[one.max] for one in found]), rows)


def _judge(
    name: str, members: Sequence[_Candidate], loads: Sequence[Statistic | None], count: str, context: Context
) -> Judgement | str:
    profile, units = context.profile, [one.unit for one in members]
    if loads[0] is None or loads[1] is None:
        return "what the processes do at the same time was not measured"
    sm, dram = (load.times(len(members)) for load in loads if load)
    if min(sm.confidence, dram.confidence) < Confidence.MEDIUM:
        return WEEK_NEEDED
    percentile, factor = percentile_of(profile, sm, dram), max(map(growth, units))
    if sm.at(percentile) * factor > profile.sm_target or dram.at(percentile) * factor > profile.dram_target:
        return f"with {units[0].key} the GPU would be too busy at the same time"
    shares = (sm.share_above(1.0), dram.share_above(DRAM_CEILING))
    risk = risk_of(shares, units[0], weak=members[0].measured.is_weak)
    if risk is None:
        return f"with {units[0].key} the GPU would be used up too often"
    rates = [context.market.rate(unit) for unit in units[1:]]
    unknown = next((rate for rate in rates if isinstance(rate, str)), None)
    known = [rate for rate in rates if not isinstance(rate, str)]
    held = sum(one.measured.peak_bytes for one in members)
    names = ", ".join(unit.key for unit in units[1:])
    return Judgement(
        action=action,
        title=f"Put {len(units)} processes on one GPU",
        detail=(
            f"Move {names} to the GPU of {units[0].key}. Together they have held {held / GIB:.1f} GiB of "
            f"{members[0].total_bytes / GIB:.1f} GiB at most; at the same moment the SMs are "
            f"at most {sm.at(percentile):.0%} and the bandwidth {dram.at(percentile):.0%} used. {count} "
            "Time slicing does not keep them apart: one that takes more memory stops the others."
        ),
        evidence=(
            sm.evidence(percentile, profile.sm_target),
            dram.evidence(percentile, profile.dram_target),
            *(one.measured.memory.evidence("max") for one in members),
        ),
        risk=max(risk, LEAST_RISK),
        effort="architecture",
        savings=None if unknown else freed(together(known), Decimal(1)),
        no_savings_reason=unknown,
        group=name,
        members=tuple(units),
    )
