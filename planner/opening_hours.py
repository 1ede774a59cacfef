"""When a service is open: days and times of a week in a time zone, right on the days that clocks change."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from inferplan.datasets.errors import InferplanError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_PER_DAY = 1440
_WINDOW = re.compile(r"^(?:([a-z]{3})(?:-([a-z]{3}))? +)?(\d{1,2})(?::(\d\d))?-(\d{1,2})(?::(\d\d))?$")


@dataclass(frozen=True)
class _Window:
    days: frozenset[int]
    begin: int
    """Minutes after local midnight."""
    end: int
    """Not later than ``begin``: on the next day."""


@dataclass(frozen=True)
class OpeningHours:
    """Windows of local time; the hour that a clock skips is never open, the one it repeats is open twice."""

    windows: tuple[_Window, ...]
    zone: str
    text: str

    @classmethod
    def read(cls, text: str, zone: str) -> "OpeningHours":
        """Return the hours written like ``Mon-Fri 08:00-20:00; Sat 10-14``; no days are all days.

        Raises
        ------
        InferplanError
            If the text or the zone (an IANA name such as ``Europe/Berlin``) cannot be read.

        >>> found = OpeningHours.read("Mon-Fri 08:00-20:00", "Europe/Berlin")
        >>> found.open_minutes([datetime(2026, 3, 27, 6), datetime(2026, 3, 30, 6)]).sum(axis=1)
        array([ 0, 60])
        """
        try:
            _zone(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            msg = f"there is no time zone {zone!r}; give an IANA name such as Europe/Berlin or UTC"
            raise InferplanError(msg) from None
        windows = tuple(_window(part.strip().casefold()) for part in text.split(";") if part.strip())
        if not windows:
            msg = "no opening hours were given; write them like 'Mon-Fri 08:00-20:00; Sat 10:00-14:00'"
            raise InferplanError(msg)
        return cls(windows, zone, text.strip())

    def open_minutes(self, hours_at: Sequence[datetime]) -> NDArray[np.bool_]:
        """Return whether each minute of the hours that begin at ``hours_at`` (naive UTC) is open."""
        minutes = np.empty((len(hours_at), 60), dtype=np.int64)
        within = np.arange(60)
        for row, at in enumerate(hours_at):
            begins, changed = (_local(at + timedelta(minutes=ahead), self.zone) for ahead in (0, 30))
            minutes[row] = begins + within
            if changed != begins + 30:  # clocks change on the half hour in a few zones
                minutes[row, 30:] = changed + within[:30]
        days, minute = minutes // MINUTES_PER_DAY % len(DAYS), minutes % MINUTES_PER_DAY
        found = np.zeros(minutes.shape, dtype=np.bool_)
        for window in self.windows:
            today = np.isin(days, list(window.days))
            if window.begin < window.end:
                found |= today & (minute >= window.begin) & (minute < window.end)
            else:
                yesterday = np.isin((days - 1) % len(DAYS), list(window.days))
                found |= (today & (minute >= window.begin)) | (yesterday & (minute < window.end))
        return found


def naive_utc(local: datetime, zone: str) -> datetime:
    """Return a local time of ``zone`` as naive UTC.

    >>> naive_utc(datetime(2026, 7, 1, 8), "Europe/Berlin")
    datetime.datetime(2026, 7, 1, 6, 0)
    """
    return local.replace(tzinfo=_zone(zone)).astimezone(UTC).replace(tzinfo=None)


def _local(at: datetime, zone: str) -> int:
    """Return the local minute of the week, from Monday 0:00."""
    local = at.replace(tzinfo=UTC).astimezone(_zone(zone))
    return local.weekday() * MINUTES_PER_DAY + local.hour * 60 + local.minute


@lru_cache(maxsize=32)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _window(text: str) -> _Window:
    match = _WINDOW.match(text)
    if match is None:
        msg = f"{text!r} are no opening hours; write them like 'Mon-Fri 08:00-20:00' or 'Sat 10-14'"
        raise InferplanError(msg)
    first, last, *clock = match.groups()
    for day in (first, last):
        if day is not None and day not in DAYS:
            msg = f"{day!r} in {text!r} is no day; the days are {', '.join(DAYS)}"
            raise InferplanError(msg)
    begin_hour, begin_minute, end_hour, end_minute = (int(part or 0) for part in clock)
    begin, end = begin_hour * 60 + begin_minute, end_hour * 60 + end_minute
    if (
        begin >= MINUTES_PER_DAY
        or end > MINUTES_PER_DAY
        or max(begin_minute, end_minute) > 59
        or begin == end
    ):
        msg = f"{text!r}: times lie between 0:00 and 24:00, and begin and end differ"
        raise InferplanError(msg)
    if first is None:
        return _Window(frozenset(range(len(DAYS))), begin, end)
    start = DAYS.index(first)
    length = (DAYS.index(last or first) - start) % len(DAYS) + 1
    return _Window(frozenset((start + ahead) % len(DAYS) for ahead in range(length)), begin, end)
