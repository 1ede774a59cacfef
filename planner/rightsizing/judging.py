"""What a rule is given and what it gives back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import reduce
from typing import Protocol

from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.evidence import Measurements
from inferplan.planner.rightsizing.finding import Action, Effort, Evidence, Finding, Rejected, Savings
from inferplan.planner.rightsizing.market import Market, Rate
from inferplan.planner.rightsizing.profile import Profile
from inferplan.planner.rightsizing.statistic import Statistic
from inferplan.planner.rightsizing.unit import Unit

HIGHEST_RISK = 4
LEAST_UNPROVEN_RISK = 2
_ZERO = Decimal(0)


@dataclass(frozen=True)
class Context:
    """Everything beside the units that a rule may look at."""

    profile: Profile
    market: Market
    measured: Measurements
    workloads: Mapping[str, Sequence[Unit]]
    """Replicas that are alike, by ``Unit.workload``."""
    services: Mapping[str, Sequence[Unit]]
    """All replicas, by ``Unit.service``."""
    _merged: dict[str, Mapping[str, Statistic]] = field(default_factory=dict, init=False, repr=False)

    def busiest(self, unit: Unit) -> Unit:
        """Return the unit with each metric as high as on the busiest of its replicas.

        Whoever spreads requests over replicas may send any of them what another one gets now. What one of
        them lacks is left out.
        """
        replicas = self.workloads[unit.workload]
        if len(replicas) == 1:
            return unit
        if unit.workload not in self._merged:
            metrics = set.intersection(*(set(one.statistics) for one in replicas))
            self._merged[unit.workload] = {
                metric: reduce(Statistic.with_hotter, (one.statistics[metric] for one in replicas))
                for metric in sorted(metrics)
            }
        return replace(unit, statistics=self._merged[unit.workload])


@dataclass(frozen=True, slots=True)
class Judgement:
    """A rule that fits; what a finding has beside it comes from the unit."""

    action: Action
    title: str
    detail: str
    evidence: tuple[Evidence, ...]
    risk: int | None = None
    effort: Effort = "none"
    savings: Savings | None = None
    no_savings_reason: str | None = None
    group: str | None = None
    """Name of what the judgement is on as a whole, so that it is told once; ``None``: the unit."""
    members: tuple[Unit, ...] = ()
    """Of the group."""


class Rule(Protocol):
    """A module of ``rules`` that looks at one unit; the first rule that fits decides."""

    order: int
    action: Action

    def judge(self, unit: Unit, context: Context) -> Judgement | str:
        """Return the judgement, or the reason why this is not the advice."""
        ...


class FleetRule(Protocol):
    """A module of ``rules`` that looks at all units for which no earlier rule decided."""

    order: int
    action: Action

    def judge_fleet(self, units: Sequence[Unit], context: Context) -> Mapping[str, Judgement | str]:
        """Return the judgement, or the reason why not, by the units' keys."""
        ...


def as_finding(unit: Unit, found: Judgement, rejected: Sequence[Rejected]) -> Finding:
    """Return the finding of a judgement on ``unit``, or on all members of its group."""
    members = found.members or (unit,)
    return Finding(
        action=found.action,
        entity=found.group or unit.key,
        entities=tuple(member.key for member in members),
        title=found.title,
        detail=found.detail,
        evidence=found.evidence,
        rejected=tuple(rejected),
        confidence=min(member.confidence for member in members),
        risk=found.risk,
        effort=found.effort,
        savings=found.savings,
        no_savings_reason=found.no_savings_reason,
        gpu_count=sum(len(member.gpus) for member in members),
        gpu_name=unit.gpu.name if unit.gpu else unit.gpu_name,
        host=unit.host if len(members) == 1 else None,
        model=unit.model,
        team=unit.team,
        is_sample=any(member.is_sample for member in members),
    )


def risk_of(shares: Sequence[float], unit: Unit, *, weak: bool = False) -> int | None:
    """Return the risk 0-4 from the shares of samples that would exceed the new shape; ``None``: blocked."""
    worst = max(shares, default=0.0)
    for level, limit in enumerate((0.0, 0.001, 0.01, 0.05)):
        if worst <= limit:
            return min(HIGHEST_RISK, level + (unit.confidence == Confidence.LOW) + weak)
    return None


def unproven(risk: int) -> int:
    """Return the risk where nothing shows that requests are answered as fast as now, or fast enough."""
    return min(HIGHEST_RISK, max(risk + 1, LEAST_UNPROVEN_RISK))


def freed(rate: Rate, unit_gpus: Decimal, share: Decimal = Decimal(1)) -> Savings:
    """Return the savings of giving back all of a unit's GPUs for ``share`` of the hours.

    Where the machine holds other GPUs too, nothing is saved before the whole machine goes: low is then 0.
    """
    if rate.machine_gpus is not None and rate.machine_gpus > unit_gpus:
        where = f"the whole machine of {rate.machine_gpus:g} GPUs goes away or its GPUs serve others."
        return rate.worth(_ZERO, share, f"Saved only when {where}")
    condition = "Saved when the machine is given back; hours under a commitment save nothing."
    return rate.worth(rate.low * share, share, condition)
