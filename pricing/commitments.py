"""Reserved capacity: what a mix costs, how much to commit to, and what that loses when demand falls.

Demand is a series of machines wanted in each hour. A commitment of *c* machines at ``1 - d`` times the
on-demand price is paid in every hour; what exceeds it is bought on demand:

    cost(c) = p * sum over hours of ((1 - d) * c + max(0, demand - c))

Raising *c* by one pays while the share of hours with demand above *c* exceeds ``1 - d``, so the cheapest
*c* is the d-quantile of demand (the newsvendor's critical ratio).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import repeat
from typing import NamedTuple

from inferplan.datasets.errors import InferplanError

Number = Decimal | int | float
FALLEN = Decimal("0.7")
"""Demand after the fall that a recommendation is tested with: 30 % less."""


class Use(NamedTuple):
    """Machine-hours bought at one rate."""

    hours: Decimal
    usd_per_hour: Decimal


def blended_usd_per_hour(uses: Iterable[Use]) -> Decimal | None:
    """Return the average price of an hour over a mix, ``None`` for no hours.

    >>> blended_usd_per_hour([Use(Decimal(300), Decimal(4)), Use(Decimal(100), Decimal(8))])
    Decimal('5')
    """
    bought = tuple(uses)
    hours = sum((use.hours for use in bought), Decimal(0))
    return sum((use.hours * use.usd_per_hour for use in bought), Decimal(0)) / hours if hours else None


def discount(on_demand_usd_per_hour: Decimal, committed_usd_per_hour: Decimal) -> Decimal:
    """Return the share saved by committing; below 0 when the commitment is dearer.

    >>> discount(Decimal(10), Decimal("6.5"))
    Decimal('0.35')
    """
    if on_demand_usd_per_hour <= 0 or committed_usd_per_hour <= 0:
        msg = (
            f"prices must be above 0 (found {on_demand_usd_per_hour} on demand, {committed_usd_per_hour} "
            "committed): an unknown price is no price"
        )
        raise InferplanError(msg)
    return 1 - committed_usd_per_hour / on_demand_usd_per_hour


def break_even_utilization(on_demand_usd_per_hour: Decimal, committed_usd_per_hour: Decimal) -> Decimal:
    """Return the share of hours in which a committed machine must be used to pay: 1 - discount.

    >>> break_even_utilization(Decimal(10), Decimal("6.5"))
    Decimal('0.65')
    """
    return 1 - discount(on_demand_usd_per_hour, committed_usd_per_hour)


def best_commitment(demand: Sequence[Number], share_saved: Decimal) -> Decimal:
    """Return the cheapest number of machines to commit to: the ``share_saved``-quantile of ``demand``.

    The smallest demand with at least that share of hours at or below it; 0 when nothing is saved.

    >>> best_commitment([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], Decimal("0.35"))
    Decimal('4')
    """
    hours = checked_demand(demand)
    if share_saved <= 0:
        return Decimal(0)
    rank = int((min(share_saved, Decimal(1)) * len(hours)).to_integral_value(ROUND_CEILING))
    return sorted(hours)[rank - 1]


@dataclass(frozen=True, slots=True)
class Bill:
    """What a demand series costs with a commitment."""

    committed: Decimal
    """Machines."""
    committed_usd: Decimal
    on_demand_usd: Decimal
    coverage: Decimal | None
    """Share of the demand that the commitment serves; ``None`` without demand."""
    utilization: Decimal | None
    """Share of the committed hours that are used; ``None`` without a commitment."""

    @property
    def total_usd(self) -> Decimal:
        """Both parts."""
        return self.committed_usd + self.on_demand_usd


def bill(
    demand: Sequence[Number],
    committed: Number,
    on_demand_usd_per_hour: Decimal,
    committed_usd_per_hour: Decimal,
) -> Bill:
    """Return what hourly ``demand`` costs with ``committed`` machines paid in every hour.

    >>> found = bill([2, 4, 6], 4, Decimal(10), Decimal(6))
    >>> found.total_usd, found.coverage, found.utilization
    (Decimal('92'), Decimal('0.8333333333333333333333333333'), Decimal('0.8333333333333333333333333333'))
    """
    hours = checked_demand(demand)
    machines = _decimal(committed)
    if machines < 0:
        msg = f"a commitment cannot be negative (found {machines} machines)"
        raise InferplanError(msg)
    wanted = sum(hours, Decimal(0))
    served = sum(map(min, hours, repeat(machines)), Decimal(0))
    paid = machines * len(hours)
    return Bill(
        committed=machines,
        committed_usd=paid * committed_usd_per_hour,
        on_demand_usd=(wanted - served) * on_demand_usd_per_hour,
        coverage=served / wanted if wanted else None,
        utilization=served / paid if paid else None,
    )


@dataclass(frozen=True, slots=True)
class Term:
    """A commitment on sale: ``usd_per_hour`` with any upfront fee spread over ``years``."""

    name: str
    usd_per_hour: Decimal
    years: Decimal


@dataclass(frozen=True, slots=True)
class Recommendation:
    """How much of one term to take, and what is at stake."""

    term: Term
    machines: Decimal
    bill: Bill
    saved_usd: Decimal
    """Against buying the same hours on demand."""
    saved_usd_if_demand_falls: Decimal
    """The same with 30 % less demand; below 0 the commitment was a loss."""
    regret_usd_if_demand_falls: Decimal
    """What the commitment then costs beyond the one that would have been right."""
    break_even_utilization: Decimal


def recommend(
    demand: Sequence[Number],
    on_demand_usd_per_hour: Decimal,
    terms: Iterable[Term],
    *,
    whole_machines: bool = True,
) -> tuple[Recommendation, ...]:
    """Return the best commitment in each of ``terms`` for demand like ``demand``, the cheapest first.

    Savings are over the hours of the series. ``whole_machines`` rounds to the better neighbour.
    """
    hours = checked_demand(demand)
    found = [_recommend_one(hours, on_demand_usd_per_hour, term, whole_machines) for term in terms]
    return tuple(sorted(found, key=lambda best: best.bill.total_usd))


def cheapest_bill(
    demand: Sequence[Number], on_demand_usd_per_hour: Decimal, term: Term, *, whole_machines: bool = True
) -> Bill:
    """Return what ``demand`` costs with the best commitment under ``term``."""
    best = best_commitment(demand, discount(on_demand_usd_per_hour, term.usd_per_hour))
    choices = (
        {best.to_integral_value(ROUND_FLOOR), best.to_integral_value(ROUND_CEILING)}
        if whole_machines
        else {best}
    )
    bills = (bill(demand, choice, on_demand_usd_per_hour, term.usd_per_hour) for choice in sorted(choices))
    return min(bills, key=lambda found: found.total_usd)


def _recommend_one(
    hours: Sequence[Decimal], on_demand_usd_per_hour: Decimal, term: Term, whole_machines: bool
) -> Recommendation:
    taken = cheapest_bill(hours, on_demand_usd_per_hour, term, whole_machines=whole_machines)
    fallen = [hour * FALLEN for hour in hours]
    then = bill(fallen, taken.committed, on_demand_usd_per_hour, term.usd_per_hour)
    right = cheapest_bill(fallen, on_demand_usd_per_hour, term, whole_machines=whole_machines)
    return Recommendation(
        term=term,
        machines=taken.committed,
        bill=taken,
        saved_usd=sum(hours, Decimal(0)) * on_demand_usd_per_hour - taken.total_usd,
        saved_usd_if_demand_falls=sum(fallen, Decimal(0)) * on_demand_usd_per_hour - then.total_usd,
        regret_usd_if_demand_falls=then.total_usd - right.total_usd,
        break_even_utilization=break_even_utilization(on_demand_usd_per_hour, term.usd_per_hour),
    )


def checked_demand(demand: Sequence[Number]) -> list[Decimal]:
    """Return the series as exact numbers; an empty or negative one is refused."""
    hours = [_decimal(hour) for hour in demand]
    if not hours:
        msg = "a demand series needs at least one hour, better four weeks"
        raise InferplanError(msg)
    wrong = next((at for at, hour in enumerate(hours) if not hour.is_finite() or hour < 0), None)
    if wrong is not None:
        msg = f"hour {wrong} of the demand is {hours[wrong]}; give what was wanted in it, 0 or more"
        raise InferplanError(msg)
    return hours


def _decimal(number: Number) -> Decimal:
    return number if isinstance(number, Decimal) else Decimal(str(number))
