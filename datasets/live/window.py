"""Which time to ask for, at which step, and how many samples may come."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from inferplan.datasets.errors import InferplanError

MOST_SAMPLES = 20_000_000
"""What one pull may bring unless told otherwise: 100 GPUs with ten metrics for two weeks, every minute."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,6})\s*([smhdw])")


@dataclass(frozen=True, slots=True)
class Window:
    """Moments from ``start`` to ``end``, both included, ``step_s`` apart."""

    start: datetime
    """With a zone, as is the end."""
    end: datetime
    step_s: int

    def __post_init__(self) -> None:
        if self.step_s < 1:
            msg = f"a step of {self.step_s} s is none: take 1 s or more"
            raise InferplanError(msg)
        if self.start >= self.end:
            msg = f"the time from {self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC is empty"
            raise InferplanError(msg)

    @property
    def points(self) -> int:
        """How many moments there are."""
        return int((self.end - self.start).total_seconds()) // self.step_s + 1

    def pieces(self, most_points: int) -> Iterator["Window"]:
        """Yield parts of at most ``most_points`` moments, in order, none of them twice.

        >>> day = last(timedelta(days=1), 3600, datetime(2026, 11, 21, tzinfo=UTC))
        >>> [piece.points for piece in day.pieces(10)]
        [10, 10, 5]
        """
        step = timedelta(seconds=self.step_s)
        for first in range(0, self.points, most_points):
            start = self.start + first * step
            count = min(most_points, self.points - first)
            # A single moment still needs an end beyond it; nothing is measured between two moments.
            end = start + (count - 1) * step if count > 1 else start + step / 2
            yield replace(self, start=start, end=end)


class Budget:
    """Counts samples as they come and stops a pull that brings too many."""

    def __init__(self, most_samples: int = MOST_SAMPLES) -> None:
        """Allow ``most_samples``."""
        self.most_samples = most_samples
        self.taken = 0

    def take(self, samples: int) -> None:
        """Count ``samples``; raises ``InferplanError`` past the budget."""
        self.taken += samples
        if self.taken > self.most_samples:
            msg = (
                f"This brings more than {self.most_samples:,} samples, and nothing of it was imported. Take "
                "a longer step, a shorter time, fewer presets or a filter, or allow more samples."
            )
            raise InferplanError(msg)


def last(span: timedelta, step_s: int, now: datetime) -> Window:
    """Return the window of ``span`` before ``now``, on whole steps: what overlaps shares its moments."""
    epoch_s = int(now.timestamp())
    end = datetime.fromtimestamp(epoch_s - epoch_s % max(1, step_s), UTC)
    return Window(end - span, end, step_s)


def duration_s(text: str) -> int:
    """Return the seconds of a duration as Prometheus writes it.

    >>> duration_s("90s"), duration_s("1h"), duration_s("2w")
    (90, 3600, 1209600)
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or not int(found[1]):
        msg = f"{text!r} is no duration; write 30s, 5m, 12h, 7d or 4w"
        raise InferplanError(msg)
    return int(found[1]) * _SECONDS[found[2]]
