"""Commitments of several lengths at once: the longest for what is wanted in any case, shorter ones above it.

Machine *a* is wanted where *a* or more are, in the share of the hours

    s(a) = (sum of min(demand, a) - sum of min(demand, a - 1)) / hours

which falls as *a* grows. After a year demand stays as it is, or falls by 30 % with a chance q that the caller
states; s'(a) is its share then. With f for an hour without a commitment, c for one under the cheapest term of
at most a year, l for one under a longer term of m months out of the longest term's H, and e for the cheapest
of all, machine *a* is worth the longer term from the start if

    m l + (H - m) later  <  12 min(f s(a), c) + (H - 12) later
    later = (1 - q) min(f s(a), e) + q min(f s'(a), e)

and otherwise the shorter one if c < f s(a): the quantile rule of ``commitments`` at each machine. What speaks
for the longer term falls with *a*, so that terms lie in layers.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, pairwise

from inferplan.datasets.errors import InferplanError
from inferplan.pricing.commitments import (
    FALLEN,
    Bill,
    Number,
    Term,
    bill,
    cheapest_bill,
    checked_demand,
    discount,
)

FALL_AFTER_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Layer:
    """Machines under one term."""

    term: Term
    machines: int


@dataclass(frozen=True, slots=True)
class LayeredMix:
    """Commitments of several lengths, and what is at stake over the hours of the demand."""

    layers: tuple[Layer, ...]
    """The longest term first; empty where every hour is best bought by the hour."""
    bill: Bill
    """Of the demand as it is, all layers paid."""
    saved_usd: Decimal
    """Against buying the same hours without a commitment."""
    saved_usd_if_demand_falls: Decimal
    """The same with 30 % less demand while every term still runs."""
    regret_usd_if_demand_falls: Decimal
    """What that costs beyond the best commitment for such demand."""
    regret_usd_a_year_later: Decimal
    """The same once terms of at most a year have ended and were chosen anew."""


def layered_mix(
    demand: Sequence[Number],
    flexible_usd_per_hour: Decimal,
    terms: Iterable[Term],
    chance_of_fall: Decimal = Decimal("0.5"),
) -> LayeredMix:
    """Return the whole machines to take under each term, at the lowest cost expected over the longest one.

    Parameters
    ----------
    demand
        Machines wanted in each hour.
    flexible_usd_per_hour
        Of a machine without a commitment, spot included.
    chance_of_fall
        That demand falls by 30 % after a year, 0-1.

    Raises
    ------
    InferplanError
        For a chance outside of 0-1, a negative or empty demand, or a price that is none.
    """
    if not 0 <= chance_of_fall <= 1:
        msg = f"a chance lies between 0 and 1 (found {chance_of_fall})"
        raise InferplanError(msg)
    hours = checked_demand(demand)
    offered = sorted((term for term in terms if discount(flexible_usd_per_hour, term.usd_per_hour) > 0),
                     key=lambda term: term.usd_per_hour)  # fmt: skip
    layers = _layers(hours, flexible_usd_per_hour, offered, chance_of_fall)
    return _mix(hours, flexible_usd_per_hour, offered, layers)


class _Shares:
    """In which share of the hours each machine is wanted."""

    def __init__(self, hours: Iterable[Decimal]) -> None:
        self._hours = sorted(hours)
        self._below = [Decimal(0), *accumulate(self._hours)]

    def served(self, machines: int) -> Decimal:
        """Return the machine-hours that so many machines serve."""
        at = bisect_right(self._hours, machines)
        return self._below[at] + machines * (len(self._hours) - at)

    def wanted(self, machine: int) -> Decimal:
        """Return the share of the hours, 0-1, in which machine number ``machine`` is wanted."""
        return (self.served(machine) - self.served(machine - 1)) / len(self._hours)


def _layers(
    hours: Sequence[Decimal], flexible: Decimal, offered: Sequence[Term], chance: Decimal
) -> tuple[Layer, ...]:
    """Return how many machines each of ``offered`` gets: terms that save anything, the cheapest first."""
    if not offered:
        return ()
    series = hours, [hour * FALLEN for hour in hours]
    now, fallen = map(_Shares, series)
    short = next((term for term in offered if _months(term) <= FALL_AFTER_MONTHS), None)
    longer = [term for term in offered if _months(term) > FALL_AFTER_MONTHS]
    horizon = max(map(_months, offered))
    cheapest = offered[0].usd_per_hour
    taken: dict[Term, int] = {}
    for below, machine in pairwise(_edges(*series)):
        by_the_hour = flexible * now.wanted(machine)
        first_year = min(by_the_hour, short.usd_per_hour) if short else by_the_hour
        later = (1 - chance) * min(by_the_hour, cheapest) + chance * min(
            flexible * fallen.wanted(machine), cheapest
        )
        waiting = FALL_AFTER_MONTHS * first_year + (horizon - FALL_AFTER_MONTHS) * later
        usd = {term: _months(term) * term.usd_per_hour + (horizon - _months(term)) * later for term in longer}
        best = min(usd, key=usd.__getitem__, default=None)
        if best is None or usd[best] >= waiting:
            best = short if short and short.usd_per_hour < by_the_hour else None
        if best is None:
            break
        taken[best] = taken.get(best, 0) + machine - below
    return tuple(Layer(term, count) for term, count in sorted(taken.items(), key=lambda one: -one[0].years))


def _edges(*series: Iterable[Decimal]) -> list[int]:
    """Return 0 and every number of machines at which the next one may be wanted in another share."""
    hours = [hour for one in series for hour in one]
    return sorted({0, *(math.floor(hour) for hour in hours), *(math.ceil(hour) for hour in hours)})


def _mix(
    hours: Sequence[Decimal], flexible: Decimal, offered: Sequence[Term], layers: tuple[Layer, ...]
) -> LayeredMix:
    fallen = [hour * FALLEN for hour in hours]
    now, then = _billed(hours, flexible, layers), _billed(fallen, flexible, layers)
    right = cheapest_bill(fallen, flexible, offered[0]).total_usd if offered else then.total_usd
    right = min(right, sum(fallen, Decimal(0)) * flexible)
    staying = tuple(layer for layer in layers if _months(layer.term) > FALL_AFTER_MONTHS)
    kept = sum(layer.machines for layer in staying)
    anew = int(cheapest_bill(fallen, flexible, offered[0]).committed) - kept if offered else 0
    added = (Layer(offered[0], anew),) if anew > 0 else ()
    return LayeredMix(
        layers=layers,
        bill=now,
        saved_usd=sum(hours, Decimal(0)) * flexible - now.total_usd,
        saved_usd_if_demand_falls=sum(fallen, Decimal(0)) * flexible - then.total_usd,
        regret_usd_if_demand_falls=then.total_usd - right,
        regret_usd_a_year_later=_billed(fallen, flexible, (*staying, *added)).total_usd - right,
    )


def _billed(hours: Sequence[Decimal], flexible: Decimal, layers: Sequence[Layer]) -> Bill:
    machines = sum(layer.machines for layer in layers)
    paid = sum((layer.machines * layer.term.usd_per_hour for layer in layers), Decimal(0))
    return bill(hours, machines, flexible, paid / machines if machines else flexible)


def _months(term: Term) -> Decimal:
    return term.years * 12
