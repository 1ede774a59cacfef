"""Counters into increases: a counter that falls was reset, and what it then shows is new."""

import numpy as np
import numpy.typing as npt

from inferplan.datasets.uploads.metrics import METRICS
from inferplan.datasets.uploads.reading import Series, Tally
from inferplan.datasets.uploads.statistics import US

_FEW_STEPS, _MOST_FALLS = 10, 0.2  # a process that restarts more often than this serves nobody
Values = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]


def bound_of(series: Series) -> float | None:
    """Return the upper bound of a histogram's bucket, infinity for the last; ``None`` where it has none.

    >>> from inferplan.datasets.uploads.reading import Labels
    >>> bound_of(Series("ttft_bucket", Labels(), "+Inf")), bound_of(Series("ttft_bucket", Labels()))
    (inf, None)
    """
    try:
        bound = float(series.variant.split(",")[0])
    except ValueError:
        return None
    return None if np.isnan(bound) else bound


def _no_counter(metric: str, readings: Values, steps: Values) -> str | None:
    """Return why readings are those of a rate or a mean, ``None`` where they may be a counter's."""
    fractions = readings[readings % 1 > 0]
    if METRICS[metric].unit != "s" and len(fractions):
        return f"{metric} of {fractions[0]:g} is a rate or a mean and no count"
    falls = int((steps < 0).sum())
    if len(steps) >= _FEW_STEPS and falls > _MOST_FALLS * len(steps):
        return f"{metric} falls in {falls:,} of {len(steps):,} steps, as a rate does and no counter"
    return None


class Counters:
    """Keeps the last reading of each counter."""

    def __init__(self, tally: Tally) -> None:
        """Report readings out of order to ``tally``."""
        self._tally = tally
        self._last: dict[Series, tuple[int, float]] = {}

    def increases(self, series: Series, times_us: Times, readings: Values) -> tuple[Times, Values, Values]:
        """Return times, increases since the reading before, and the same per second.

        The first reading of a file has nothing before it and gives no increase.
        """
        before = self._last.get(series)
        if before is None:
            self._tally.note("A counter's first reading starts the count: it has no increase of its own.")
        if before is not None:
            times_us = np.concatenate(([before[0]], times_us))
            readings = np.concatenate(([before[1]], readings))
        newest = np.maximum.accumulate(times_us)
        fresh = np.concatenate(([True], times_us[1:] > newest[:-1]))
        if not fresh.all():
            self._tally.refuse(
                None, f"{series.metric}: counter readings out of order or repeated", rows=int((~fresh).sum())
            )
            times_us, readings = times_us[fresh], readings[fresh]
        self._last[series] = (int(times_us[-1]), float(readings[-1]))
        steps = np.diff(readings)
        if reason := _no_counter(series.metric, readings, steps):
            self._tally.refuse(
                None, f"{reason}: export the counter itself", rows=len(readings) - (before is not None)
            )
            return times_us[:0], readings[:0], readings[:0]
        increases = np.where(steps >= 0, steps, readings[1:])
        seconds = np.diff(times_us) / US
        return times_us[1:], increases, increases / seconds
