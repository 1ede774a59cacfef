"""What a rule is given and what it gives back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.evidence import Statistic, Unit
from inferplan.planner.rightsizing.finding import Action, Effort, Evidence, Finding, Savings
from inferplan.planner.rightsizing.market import Market, Rate, monthly
from inferplan.planner.rightsizing.profile import Profile


@dataclass(frozen=True)
class Context:
    """Everything beside the unit that a rule may look at."""

    profile: Profile
    market: Market
    workloads: Mapping[str, Sequence[Unit]]
    """Replicas that are alike, by ``Unit.workload``."""
    sums: Mapping[tuple[str, str], Statistic]
    """Over the replicas of a workload at the same time, by workload and metric; shares are their mean."""


@dataclass(frozen=True)
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
    """Workload that the judgement is on as a whole, so that it is told once."""


class Rule(Protocol):
    """A module of ``rules``: the first that fits decides."""

    order: int
    action: Action

    def judge(self, unit: Unit, context: Context) -> Judgement | str:
        """Return the judgement, or the reason why this is not the advice."""
        ...


def as_finding(unit: Unit, found: Judgement, members: Sequence[Unit]) -> Finding:
    """Return the finding of a judgement on ``unit``, or on all ``members`` of its workload."""
    return Finding(
        action=found.action,
        entity=found.group or unit.key,
        entities=tuple(member.key for member in members),
        title=found.title,
        detail=found.detail,
        evidence=found.evidence,
        rejected=(),
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


def why_protected(unit: Unit, profile: Profile) -> str | None:
    """Return why nothing may be taken away from the unit, ``None`` where it may."""
    if unit.team and unit.team in profile.excluded_teams:
        return f"team {unit.team} is excluded by the profile"
    words = {
        word
        for text in (unit.namespace, unit.key, unit.host)
        if text
        for word in text.casefold().replace("_", "-").replace("/", "-").replace(".", "-").split("-")
    }
    protected = sorted(words & {word.casefold() for word in profile.protected_words})
    return f"its name says {protected[0]!r}, which the profile protects" if protected else None


def growth(unit: Unit) -> float:
    """Return the factor for demand not seen yet, 1 + 1/days: as the Kubernetes VPA's upper bound."""
    days = min((one.days for one in unit.statistics.values()), default=0.0)
    return 1 + 1 / days if days > 0 else float("inf")


def risk_of(shares: Sequence[float], unit: Unit, *, weak: bool = False) -> int | None:
    """Return the risk 0-4 from the shares of samples that would exceed the new shape; ``None``: blocked."""
    worst = max(shares, default=0.0)
    for level, limit in enumerate((0.0, 0.001, 0.01, 0.05)):
        if worst <= limit:
            return min(4, level + (unit.confidence == Confidence.LOW) + weak)
    return None


def freed(rate: Rate, unit_gpus: int, share: Decimal = Decimal(1)) -> Savings:
    """Return the savings of giving back all of a unit's GPUs for ``share`` of the hours.

    Where the machine holds other GPUs too, nothing is saved before the whole machine goes: low is then 0.
    """
    part = rate.machine_gpus is not None and rate.machine_gpus > unit_gpus
    condition = (
        f"Saved only when the whole machine of {rate.machine_gpus:g} GPUs goes away or its GPUs serve others."
        if part
        else "Saved when the machine is given back; hours under a commitment save nothing."
    )
    return Savings(
        low=Decimal("0.00") if part else monthly(rate.low * share),
        expected=monthly(rate.expected * share),
        high=monthly(rate.high * share),
        basis=rate.basis,
        condition=condition,
    )
