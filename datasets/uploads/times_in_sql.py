"""Times as text into naive UTC timestamps inside DuckDB, in the one form that a column has."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from inferplan.datasets.uploads.clock import ELAPSED, elapsed_from
from inferplan.datasets.uploads.dates import NUMBERS, is_day_first
from inferplan.datasets.uploads.reading import ReadOptions

_ZULU = re.compile(r"^\d{4}[-/]\d\d[-/]\d\d[T ][\d:.]+\d( UTC|Z)$")
_OFFSET = re.compile(r"^\d{4}[-/]\d\d[-/]\d\d[T ][\d:.]+[+-]\d\d(:?\d\d)?$")
_LOCAL = re.compile(r"^\d{4}[-/]\d\d[-/]\d\d([T ][\d:.]+)?$")
_EPOCH = re.compile(r"^\d{9,19}(\.\d+)?$")
_DAY = timedelta(days=1)


class TimeForm(NamedTuple):
    """How a column writes its times."""

    is_local: bool
    """Whether they are of a zone that the file does not name."""
    expression: Callable[[str], str]
    """From an expression for the text to one for the timestamp; NULL for a text of another form."""


def form_of(sample: str, options: ReadOptions) -> TimeForm:
    """Return the form of the column in which ``sample`` stands; unknown forms are left to ``Clock``.

    Raises
    ------
    NeedsAnswerError
        If day and month may be taken for each other, or times count from a start, and nobody told which.
    """
    sample = sample.strip()
    if ELAPSED.match(sample):
        start, unit_s = elapsed_from(options)
        return TimeForm(False, lambda text: _of_elapsed(text, start, unit_s))
    if numbers := NUMBERS.match(sample):
        sign = numbers["sign"]
        day_first = is_day_first(sign, options.date_order)
        return TimeForm(True, lambda text: _of_numbers(text, sign, day_first=day_first))
    dashed = (lambda text: f"replace({text}, '/', '-')") if "/" in sample else (lambda text: text)
    if found := _ZULU.match(sample):
        return TimeForm(False, lambda text: _of_utc(text, dashed(text), found[1]))
    if _OFFSET.match(sample):
        return TimeForm(False, lambda text: _of_offset(text, dashed(text)))
    if _LOCAL.match(sample):
        return TimeForm(True, lambda text: _of_local(text, dashed(text)))
    return TimeForm(False, _of_epoch if _EPOCH.match(sample) else lambda _: "NULL::TIMESTAMP")


# DuckDB's cast to TIMESTAMP takes what follows the time for a zone and drops it: which zone it is, if any, is
# looked at here, cheaply.
def _of_utc(text: str, dashed: str, ending: str) -> str:
    return f"CASE WHEN ends_with({text}, '{ending}') THEN TRY_CAST({dashed} AS TIMESTAMP) END"


def _of_local(text: str, dashed: str) -> str:
    return (
        f"CASE WHEN right({text}, 1) <= '9' AND NOT contains({text}, '+') "
        f"AND NOT contains(substring({text}, 12), '-') THEN TRY_CAST({dashed} AS TIMESTAMP) END"
    )


def _of_offset(text: str, dashed: str) -> str:
    return (
        f"CASE WHEN contains({text}, '+') OR contains(substring({text}, 12), '-') "
        f"THEN make_timestamp(epoch_us(TRY_CAST({dashed} AS TIMESTAMPTZ))) END"
    )


def _of_epoch(text: str) -> str:
    number = f"TRY_CAST({text} AS DOUBLE)"
    return (
        f"CASE WHEN {number} BETWEEN 9e8 AND 5e18 THEN make_timestamp(CAST(round({number} * CASE WHEN "
        f"{number} < 1e11 THEN 1e6 WHEN {number} < 1e14 THEN 1e3 WHEN {number} < 1e17 THEN 1 ELSE 1e-3 END"
        ") AS BIGINT)) END"
    )


def _of_elapsed(text: str, start_us: int, unit_s: float) -> str:
    number = f"TRY_CAST({text} AS DOUBLE)"
    return (
        f"CASE WHEN {number} BETWEEN 0 AND 1e9 "
        f"THEN make_timestamp({start_us} + CAST(round({number} * {unit_s * 1e6}) AS BIGINT)) END"
    )


def _of_numbers(text: str, sign: str, *, day_first: bool) -> str:
    date = sign.join(("%d", "%m", "%Y") if day_first else ("%m", "%d", "%Y"))
    clocks = ("", "%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
    forms = ", ".join(f"'{date} {clock}'" if clock else f"'{date}'" for clock in clocks)
    return f"TRY_STRPTIME(replace({text}, ', ', ' '), [{forms}])"


class Shift(NamedTuple):
    """A moment at which a zone changes its distance from UTC, in its local time."""

    before: datetime
    """What the clock showed when it was changed."""
    after: datetime
    """What it was set to."""
    offset_before: timedelta
    offset_after: timedelta


def shifts(zone: ZoneInfo, first: datetime, last: datetime) -> list[Shift]:
    """Return the changes of ``zone`` between two local times, a day more on either side.

    >>> [autumn] = shifts(ZoneInfo("Europe/Berlin"), datetime(2024, 5, 1), datetime(2025, 1, 1))
    >>> str(autumn.before), str(autumn.after)
    ('2024-10-27 03:00:00', '2024-10-27 02:00:00')
    """
    found = []
    moment = (first - 2 * _DAY).replace(tzinfo=UTC)
    while moment < (last + 2 * _DAY).replace(tzinfo=UTC):
        later = moment + _DAY
        if offset_at(zone, moment) != offset_at(zone, later):
            found.append(_shift(zone, moment, later))
        moment = later
    return found


def offset_at(zone: ZoneInfo, moment: datetime) -> timedelta:
    """Return the distance of ``zone`` from UTC at a moment, or at a local time."""
    offset = (moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)).utcoffset()
    if offset is None:
        msg = f"{zone} has no offset"
        raise ValueError(msg)
    return offset


def _shift(zone: ZoneInfo, low: datetime, high: datetime) -> Shift:
    """Return the change between two moments, to the second."""
    before, after = offset_at(zone, low), offset_at(zone, high)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if offset_at(zone, middle) == before else (low, middle)
    moment = high.replace(microsecond=0, tzinfo=None)
    return Shift(moment + before, moment + after, before, after)
