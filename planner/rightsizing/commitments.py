"""What to commit to for a year: of the machines that stay as they are after all other advice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from inferplan.datasets.schema import Offer
from inferplan.planner.confidence import Confidence
from inferplan.planner.economics import HOURS_PER_MONTH
from inferplan.planner.rightsizing.evidence import HOURS_PER_WEEK
from inferplan.planner.rightsizing.finding import (
    SHRINKING,
    Action,
    Evidence,
    Finding,
    Rejected,
    Savings,
)
from inferplan.planner.rightsizing.judging import Context, Judgement
from inferplan.planner.rightsizing.market import priced
from inferplan.planner.rightsizing.unit import Unit
from inferplan.pricing.commitments import Recommendation, Term, recommend

STAYING: frozenset[Action] = frozenset(("keep", "upsize", "schedule"))
"""Advice after which a machine is still there; what is about to be left is never committed to."""
COVERED_SHARE = Decimal("0.5")
_HOUR = timedelta(hours=1)
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class _Machine:
    """A machine that stays, with what runs on it."""

    instance_type: str
    region: str | None
    """As its bill has it."""
    units: tuple[Unit, ...]
    off_hours: frozenset[int]
    """Hours of the week in which a part of it is to be stopped."""

    @property
    def first_at(self) -> datetime:
        return min(one.first_at for unit in self.units for one in unit.statistics.values())

    @property
    def last_at(self) -> datetime:
        return max(one.last_at for unit in self.units for one in unit.statistics.values())


def commitments(judged: Mapping[str, tuple[Unit, Judgement]], context: Context) -> Iterator[Finding]:
    """Yield at most one commitment per machine type: the cheapest quantile of the machines that stay.

    Demand is how many of them were there in each hour, less the hours in which they are to be stopped.
    Machines that a bill shows under a commitment already, that were measured for less than a week or are no
    longer measured, or of which something is to be taken away for good, are no part of it.
    """
    by_type: dict[tuple[str, str], list[_Machine]] = {}
    for machine in _machines(judged, context):
        by_type.setdefault((machine.instance_type, machine.region or ""), []).append(machine)
    for (instance_type, region), machines in sorted(by_type.items()):
        listed = context.market.listed(instance_type, region or None)
        offers = context.market.yearly(listed) if listed else []
        if listed is not None and offers:
            yield from _commit(machines, listed, offers)


def _machines(judged: Mapping[str, tuple[Unit, Judgement]], context: Context) -> Iterator[_Machine]:
    hosts: dict[tuple[str, str | None, str], list[tuple[Unit, Judgement]]] = {}
    for unit, found in judged.values():
        instance_type, region = context.market.machine(unit)
        if unit.host and instance_type and not unit.doubt and unit.confidence >= Confidence.MEDIUM:
            hosts.setdefault((instance_type, region, unit.host), []).append((unit, found))
    for (instance_type, region, _), there in hosts.items():
        staying = [unit for unit, found in there if found.action in STAYING]
        is_left = any(found.action in SHRINKING - STAYING for _, found in there)
        if is_left or not staying or any(_is_covered(unit, context) for unit in staying):
            continue
        off = [frozenset(unit.idle_hours) for unit, found in there if found.action == "schedule"]
        yield _Machine(instance_type, region, tuple(staying), frozenset().union(*off))


def _is_covered(unit: Unit, context: Context) -> bool:
    rate = context.market.rate(unit)
    if isinstance(rate, str) or rate.effective is None or rate.uncommitted is None:
        return False
    return rate.uncommitted < rate.effective * COVERED_SHARE


def _demand(machines: Sequence[_Machine]) -> list[int]:
    """Return how many of the machines were there, and not to be stopped, in each hour."""
    begin = min(machine.first_at for machine in machines).replace(minute=0, second=0, microsecond=0)
    hours = int((max(machine.last_at for machine in machines) - begin) / _HOUR) + 1
    wanted = np.zeros(hours, dtype=np.int64)
    of_week = (np.arange(hours) + begin.weekday() * 24 + begin.hour) % HOURS_PER_WEEK
    for machine in machines:
        there = np.zeros(hours, dtype=np.int64)
        there[int((machine.first_at - begin) / _HOUR) : int((machine.last_at - begin) / _HOUR) + 1] = 1
        if machine.off_hours:
            there[np.isin(of_week, list(machine.off_hours))] = 0
        wanted += there
    return [int(count) for count in wanted]


def _commit(machines: Sequence[_Machine], listed: Offer, offers: Sequence[Offer]) -> Iterator[Finding]:
    demand = _demand(machines)
    if listed.usd_per_hour is None:
        return
    terms = {
        Term(offer.purchase_option.replace("_", " "), offer.usd_per_hour, Decimal(1)): offer
        for offer in offers
        if offer.usd_per_hour is not None
    }
    best, *others = recommend(demand, listed.usd_per_hour, terms)
    if best.machines <= 0 or best.saved_usd <= 0:
        return
    detail = (
        f"{len(machines)} of them stay after all other advice. Committed, one costs "
        f"{best.term.usd_per_hour} USD in every hour, not {listed.usd_per_hour}: it pays when it is used in "
        f"{best.break_even_utilization:.0%} of the hours, which is true of {best.machines:g}. With 30 % less "
        f"demand it saves {_monthly(best.saved_usd_if_demand_falls, demand):,} USD a month."
    )
    yield _finding(
        listed,
        [unit for machine in machines for unit in machine.units],
        best,
        detail,
        _evidence(listed.instance_type, best.machines, demand),
        _savings(best, demand, f"{priced(listed)}; then {priced(terms[best.term])}"),
        [_rejected(other, demand) for other in others],
    )


def _finding(
    listed: Offer,
    units: Sequence[Unit],
    best: Recommendation,
    detail: str,
    demand: Evidence,
    savings: Savings,
    rejected: Sequence[Rejected],
) -> Finding:
    widest = max((one for unit in units for one in unit.statistics.values()), key=lambda one: one.days)
    return Finding(
        action="commitment",
        entity=f"{listed.instance_type} in {listed.region}",
        entities=tuple(unit.key for unit in units),
        title=f"Commit to {best.machines:g} x {listed.instance_type} ({best.term.name})",
        detail=detail,
        evidence=(demand, widest.evidence("max")),
        rejected=tuple(rejected),
        confidence=min(unit.confidence for unit in units),
        risk=None,
        effort="contract",
        savings=savings,
        no_savings_reason=None,
        gpu_count=round(float(best.machines) * listed.gpu_count),
        gpu_name=listed.gpu,
        host=None,
        model=None,
        team=None,
        is_sample=any(unit.is_sample for unit in units),
    )


def _evidence(instance_type: str, machines: Decimal, demand: Sequence[int]) -> Evidence:
    return Evidence(
        metric="machines_in_use",
        statistic="least" if machines == min(demand) else "quantile",
        value=float(machines),
        unit="machines",
        limit=None,
        samples=len(demand),
        coverage=None,
        span_days=round(len(demand) / 24, 3),
        entity=instance_type,
    )


def _savings(best: Recommendation, demand: Sequence[int], basis: str) -> Savings:
    expected = _monthly(best.saved_usd, demand)
    return Savings(
        low=min(_monthly(best.saved_usd_if_demand_falls, demand), expected),
        expected=expected,
        high=expected,
        basis=basis,
        condition="Low is with 30 % less demand: a commitment is paid for whether it is used or not.",
        billed="a commitment is compared at list prices; contracts may differ",
    )


def _rejected(other: Recommendation, demand: Sequence[int]) -> Rejected:
    saved = _monthly(other.saved_usd, demand)
    return Rejected(other.term.name, f"{other.machines:g} machines in it would save {saved:,} USD a month")


def _monthly(usd: Decimal, demand: Sequence[int]) -> Decimal:
    return (usd * HOURS_PER_MONTH / len(demand)).quantize(_CENT)
