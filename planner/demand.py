"""Demand by the hour: from a stated weekly shape, from numbers of one's own, or from uploaded usage."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from inferplan.datasets.errors import InferplanError
from inferplan.pricing.commitments import Number, checked_demand
from inferplan.pricing.money import trimmed

HOURS_PER_DAY = 24
WORKDAYS, WEEKEND_DAYS = 5, 2
MOST_HOURS = 8784  # a leap year
SHORT_HOURS = 28 * HOURS_PER_DAY
"""Four weeks: less than that shows no month."""


@dataclass(frozen=True)
class Demand:
    """Requests (or machines) wanted in each hour, and where the numbers come from."""

    per_hour: tuple[Decimal, ...]
    basis: str
    hours_at: tuple[datetime, ...] | None = None
    """When each hour begins, naive UTC; ``None``: not said, the first is taken for a Monday's, 0:00."""

    @property
    def peak(self) -> Decimal:
        """The busiest hour."""
        return max(self.per_hour)

    @property
    def mean(self) -> Decimal:
        """The average hour."""
        return sum(self.per_hour, Decimal(0)) / len(self.per_hour)

    def in_units_of(self, capacity: Number) -> tuple[Decimal, ...]:
        """Return how many whole machines (or replicas) of ``capacity`` each hour needs.

        >>> Demand((Decimal(0), Decimal(10), Decimal(11)), "an example").in_units_of(10)
        (Decimal('0'), Decimal('1'), Decimal('2'))
        """
        each = Decimal(str(capacity))
        if each <= 0:
            msg = f"what one serves in an hour must be above 0 (found {each})"
            raise InferplanError(msg)
        return tuple((hour / each).to_integral_value(ROUND_CEILING) for hour in self.per_hour)


def weekly(
    peak: Number, *, night_share: Number, weekend_share: Number, first_hour: int = 8, last_hour: int = 20
) -> Demand:
    """Return a week of 168 hours: ``peak`` on workdays from ``first_hour`` to ``last_hour``.

    Parameters
    ----------
    night_share
        Demand in the other hours as a share of the peak (0-1).
    weekend_share
        Demand of a weekend's hours as a share of the same hours of a workday (0-1).

    >>> week = weekly(100, night_share=0.2, weekend_share=0.5)
    >>> len(week.per_hour), week.peak, week.mean
    (168, Decimal('100'), Decimal('51.42857142857142857142857143'))
    """
    top, night, weekend = (Decimal(str(number)) for number in (peak, night_share, weekend_share))
    if top <= 0 or not (0 <= night <= 1 and 0 <= weekend <= 1):
        msg = f"the peak must be above 0 and shares lie between 0 and 1 (found {top}, {night} and {weekend})"
        raise InferplanError(msg)
    if not 0 <= first_hour < last_hour <= HOURS_PER_DAY:
        msg = f"the busy hours must lie in one day (found {first_hour} to {last_hour})"
        raise InferplanError(msg)
    workday = [top if first_hour <= hour < last_hour else top * night for hour in range(HOURS_PER_DAY)]
    per_hour = workday * WORKDAYS + [hour * weekend for hour in workday] * WEEKEND_DAYS
    return Demand(
        tuple(per_hour),
        f"a stated week: {trimmed(top):,f} an hour on workdays from {first_hour}:00 to {last_hour}:00, "
        f"{night * 100:.0f}% of it in other hours, weekends {weekend * 100:.0f}% of workdays",
    )


def read_demand(text: str, name: str = "numbers given") -> Demand:
    """Return the series in ``text``: one number per line, the last column where there are several.

    A first line without a number is a header. The lines are hours in order.

    Raises
    ------
    InferplanError
        With the line that is no number, negative, or when there is none or more than a year of them.

    >>> read_demand("hour,requests\\n0,1200\\n1,900\\n").per_hour
    (Decimal('1200'), Decimal('900'))
    """
    per_hour = tuple(_numbers(text))
    if len(per_hour) > MOST_HOURS:
        msg = f"{len(per_hour)} hours are more than a year; give the last {MOST_HOURS}"
        raise InferplanError(msg)
    checked_demand(per_hour)
    if not any(per_hour):
        msg = "the demand is 0 in every hour; give what was wanted, such as requests per hour"
        raise InferplanError(msg)
    return Demand(per_hour, f"{name}, {len(per_hour)} hours{shortness(per_hour)}")


def shortness(per_hour: Sequence[Decimal]) -> str:
    """Return what to say of a series that is too short to stand for a month, "" for a long one."""
    return "" if len(per_hour) >= SHORT_HOURS else " (under four weeks: months may differ)"


def _numbers(text: str) -> Iterator[Decimal]:
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        field = line.replace(";", ",").replace("\t", ",").rsplit(",", 1)[-1].strip().strip('"')
        if not line.strip():
            continue
        try:
            value = Decimal(field)
        except InvalidOperation:
            if number == 1:
                continue
            msg = (
                f"line {number} of the demand, {line.strip()[:60]!r}, ends in no number; give one per line, "
                "such as 1234.5, without thousands separators"
            )
            raise InferplanError(msg) from None
        if not value.is_finite() or value < 0:
            msg = f"line {number} of the demand is {field}; give what was wanted in that hour, 0 or more"
            raise InferplanError(msg)
        yield value
