"""Times as exporters print them, into microseconds since 1970 UTC."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.uploads import dates
from inferplan.datasets.uploads.reading import NeedsAnswerError, Question, ReadOptions, Tally

US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_TEXT = re.compile(r"^-?\d{9,19}(\.\d+)?$|^\d\.\d+E\d+$")  # the second as Java prints doubles
ELAPSED = re.compile(r"^(?!(?:19|20)\d{6}$)\d{1,8}(?:\.\d+)?$")
"""A time that counts from a start, no day such as 20240501."""
_TIME_OF_DAY = re.compile(r"^\d{1,2}:\d\d(:\d\d(\.\d{1,9})?)?$")
_SECONDS = {"s": 1.0, "ms": 0.001}
_EARLIEST_US = 946_684_800 * US  # 2000-01-01: nothing that we import is older
_LATEST_US = 4_102_444_800 * US  # 2100-01-01
_BACK_US = 30 * 60 * US
ZONE_QUESTION = Question(
    "time_zone",
    "The times in this file carry no time zone: in which one were they written?",
)


START_QUESTION = Question(
    "start", "The times in this file count from a start: when was it (UTC unless said)?"
)
ELAPSED_QUESTION = Question(
    "elapsed_unit", "The times in this file count from a start: in seconds or milliseconds?", tuple(_SECONDS)
)


def zone_note(name: str) -> str:
    """Return how a report tells which zone times without one were read in."""
    return f"Times without a zone were read as {name}."


def us_of(moment: datetime) -> int:
    """Return microseconds since 1970 of an aware moment."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def epoch_us(number: float) -> int:
    """Return microseconds of an epoch given in s, ms, us or ns: told apart by size, right from 2001 to 2100.

    >>> epoch_us(1714564800) == epoch_us(1714564800000) == 1714564800000000
    True
    """
    size = abs(number)
    if not size < 1e20:  # infinite and NaN too
        us = _LATEST_US
    elif size < 1e11:
        us = round(number * US)
    elif size < 1e14:
        us = round(number * 1000)
    elif size < 1e17:
        us = round(number)
    else:
        us = round(number / 1000)
    return in_range(us)


def in_range(us: int) -> int:
    """Return ``us``; raises ``ValueError`` for a time before 2000 or after 2100."""
    if not _EARLIEST_US <= us < _LATEST_US:
        msg = "the time is not between the years 2000 and 2100"
        raise ValueError(msg)
    return us


class Clock:
    """Reads the times of one file."""

    def __init__(self, options: ReadOptions, tally: Tally) -> None:
        """Take the zone of times that carry none from ``options``, and tell ``tally`` where it counts."""
        self._options = options
        self._zone = zone(options.time_zone) if options.time_zone else None
        self._tally = tally
        self._last: dict[str, int] = {}
        self._read: tuple[str | None, datetime] = (None, _EPOCH)

    def us(self, text: str, series: str = "") -> int:
        """Return the time of ``text``; times of one ``series`` are read in order.

        In the hour that a clock is put back the same local time comes twice: the second one is meant
        where the first would jump back.

        Raises
        ------
        ValueError
            If the text is no time, or is one that the clock skipped.
        NeedsAnswerError
            If the time carries no zone and none was given, or counts from a start that was not.
        """
        text = text.strip()
        if _EPOCH_TEXT.match(text):
            return epoch_us(float(text))
        if self._options.elapsed_unit and ELAPSED.match(text):
            start, unit_s = elapsed_from(self._options)
            return in_range(start + round(float(text) * unit_s * US))
        seen, moment = self._read
        if text != seen:
            moment = _moment(text, self._options.date_order)
            self._read = (text, moment)
        if moment.tzinfo is not None:
            return in_range(us_of(moment))
        if self._zone is None:
            raise NeedsAnswerError(ZONE_QUESTION)
        self._tally.note(zone_note(self._zone.key))
        return self._local_us(moment.replace(tzinfo=self._zone), series)

    def _local_us(self, moment: datetime, series: str) -> int:
        us = us_of(moment.astimezone(UTC))
        later = us_of(moment.replace(fold=1).astimezone(UTC))
        if later < us:
            msg = f"{moment:%Y-%m-%d %H:%M} does not exist in {self._zone}: the clock was put forward"
            raise ValueError(msg)
        if later != us and us < self._last.get(series, 0) - _BACK_US:
            us = later
        self._last[series] = us
        return in_range(us)


def _moment(text: str, date_order: str | None) -> datetime:
    if not text:
        msg = "the time is empty"
        raise ValueError(msg)
    try:
        return dates.moment(text, date_order)
    except ValueError:
        if _TIME_OF_DAY.match(text):
            msg = f"{text!r} is a time without a day: put the date before it, or beside it in a column date"
            raise ValueError(msg) from None
        msg = f"{text[:40]!r} is not a time that we read (ISO 8601 such as 2024-05-01 12:00:00, or an epoch)"
        raise ValueError(msg) from None


def zone(name: str) -> ZoneInfo:
    """Return the time zone ``name``; raises ``UnknownNameError`` with the nearest ones."""
    known = available_timezones()
    if name not in known:
        raise UnknownNameError("time zone", name, known)
    return ZoneInfo(name)


def start_us(options: ReadOptions) -> int | None:
    """Return the told start in microseconds; a start without a zone is in ``time_zone``, else UTC."""
    if options.start is None:
        return None
    if options.start.tzinfo is None:
        return us_of(options.start.replace(tzinfo=zone(options.time_zone or "UTC")))
    return us_of(options.start)


def elapsed_from(options: ReadOptions) -> tuple[int, float]:
    """Return the start in microseconds of times that count from it, and their unit in seconds.

    Raises
    ------
    NeedsAnswerError
        If either was not told.
    """
    start = start_us(options)
    if start is None or options.elapsed_unit is None:
        raise NeedsAnswerError(
            *([START_QUESTION] if start is None else []),
            *([] if options.elapsed_unit else [ELAPSED_QUESTION]),
        )
    return start, _SECONDS[options.elapsed_unit]
