"""Times as exporters print them, into microseconds since 1970 UTC."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.uploads.reading import NeedsAnswerError, Question, ReadOptions, Tally

US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_TEXT = re.compile(r"^-?\d{9,19}(\.\d+)?$")
_EARLIEST_US = 946_684_800 * US  # 2000-01-01: nothing that we import is older
_LATEST_US = 4_102_444_800 * US  # 2100-01-01
_BACK_US = 30 * 60 * US
ZONE_QUESTION = Question(
    "time_zone",
    "The times in this file carry no time zone: in which one were they written?",
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
            If the time carries no zone and none was given.
        """
        text = text.strip()
        if _EPOCH_TEXT.match(text):
            return epoch_us(float(text))
        seen, moment = self._read
        if text != seen:
            moment = _moment(text)
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


def _moment(text: str) -> datetime:
    if not text:
        msg = "the time is empty"
        raise ValueError(msg)
    iso = text.replace("/", "-", 2) if text[4:5] == "/" else text
    iso = iso.removesuffix(" UTC")
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        msg = f"{text[:40]!r} is not a time that we read (ISO 8601 such as 2024-05-01 12:00:00, or an epoch)"
        raise ValueError(msg) from None
    return moment.replace(tzinfo=UTC) if text.endswith(" UTC") else moment


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
