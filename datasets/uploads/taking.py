"""Takes series as metrics servers answer them: a name, labels, and pairs of time and value."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from inferplan.datasets.uploads.clock import US, in_range
from inferplan.datasets.uploads.gathering import Gatherer, in_told_unit, in_unit, told_metric
from inferplan.datasets.uploads.metrics import METRICS, Naming, named
from inferplan.datasets.uploads.reading import MISSING_FROM, Batch, ReadOptions, Series, Tally
from inferplan.datasets.uploads.values import labels_of, number, variant_of

_REMEMBERED = 10_000
_OF_SCRAPERS = re.compile(r"replica|^prometheus$")
"""Labels of the servers that scrape, of which two may scrape the same."""


class SeriesTaker:
    """Takes the samples of series whose metric we use into ``gatherer``."""

    def __init__(self, options: ReadOptions, tally: Tally, time_us: Callable[[str], int]) -> None:
        """Read times with ``time_us``, which raises ``ValueError`` for what is none."""
        self.tally = tally
        self.options, self._time_us = options, time_us
        self._taken: dict[Series, Mapping[str, str]] = {}
        self.gatherer = Gatherer(tally)

    def take(
        self,
        name: str | None,
        labels: Mapping[str, str],
        points: Sequence[Any],
        position: int,
        unit: str = "",
    ) -> None:
        """Take one series, the one at ``position`` in the file, with the ``unit`` that stands beside it.

        Raises
        ------
        NeedsAnswerError
            If it has no ``name`` and no metric was told.
        """
        found = named(name, tuple(labels.items())) if name else told_metric(self.options.metric)
        if found is None:
            self.ignore(str(name), len(points))
            return
        naming = in_told_unit(in_unit(found, unit, self.tally), self.options.metric)
        self.take_as(naming, labels, points, position)

    def ignore(self, name: str, samples: int) -> None:
        """Count the samples of a metric that is not used."""
        self.tally.rows_read += samples
        self.tally.ignored[name] += samples

    def take_as(
        self, naming: Naming, labels: Mapping[str, str], points: Sequence[Any], position: int
    ) -> None:
        """Take one series of a metric that is known."""
        self.tally.rows_read += len(points)
        placed = {"host": self.options.host or "", **labels}
        series = Series(naming.metric, labels_of(placed), variant_of(naming.metric, labels))
        series = self._told_apart(series, labels)
        times_us, values = self._numbers(points) or self._samples(points, position)
        if values:
            self.gatherer.extend(series, naming.factor, times_us, values, position)

    def each(self, found: Iterable[Any], take: "Callable[[Any, int, SeriesTaker], None]") -> Iterator[Batch]:
        """Yield what ``take`` takes of each part of a file; a part of another shape is refused."""
        for position, part in enumerate(found, start=1):
            try:
                take(part, position, self)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                self.tally.rows_read += 1
                self.tally.refuse(position, f"of another shape than is expected: {error!r}")
            if self.gatherer.full:
                yield from self.gatherer.flush()
        yield from self.gatherer.flush()

    def _told_apart(self, series: Series, labels: Mapping[str, str]) -> Series:
        """Return the series apart from one, among the first many, that differs in labels we do not know.

        Counters of two kinds of work are added up; gauges are noted and taken for one, as are the counters of
        two servers that scrape the same.
        """
        if len(self._taken) < _REMEMBERED:
            self._taken.setdefault(series, labels)
        first = self._taken.get(series, labels)
        differ = sorted(key for key in {*first, *labels} if first.get(key) != labels.get(key))
        kinds = [f"{key}={labels.get(key, '')}" for key in differ if not _OF_SCRAPERS.search(key)]
        if kinds and METRICS[series.metric].counter:
            return replace(series, variant=",".join((series.variant, *kinds)))
        if differ:
            self.tally.note(
                f"{series.metric}: series that differ only in {', '.join(differ)} are taken for one, "
                "the larger value at a time is kept. Import them one by one if they are apart."
            )
        return series

    def _numbers(self, points: Sequence[Any]) -> tuple[list[int], list[float]] | None:
        """Return the samples at once where all times are epochs and all values numbers, as mostly."""
        try:
            if not all(type(at) in (int, float) and type(text) in (str, int, float) for at, text in points):
                return None
            times, values = [at for at, _ in points], np.array([float(text) for _, text in points])
            times_us = _epochs_us(np.array(times, np.float64))
        except (ValueError, TypeError, OverflowError):
            return None  # read one by one, to tell which
        kept = np.isfinite(values) & (values < MISSING_FROM)
        self.tally.values_missing += len(points) - int(kept.sum())
        return times_us[kept].tolist(), values[kept].tolist()

    def _samples(self, points: Iterable[Any], position: int) -> tuple[list[int], list[float]]:
        times_us, values = [], []
        for point in points:
            try:
                at, text = point
                value = None if text is None else number(str(text))[0]
                us = self._time_us(str(at))
            except (ValueError, TypeError, OverflowError) as error:
                self.tally.refuse(position, f"sample {str(point)[:60]}: {error}")
                continue
            if value is None:
                self.tally.values_missing += 1
                continue
            times_us.append(us)
            values.append(value)
        return times_us, values


def _epochs_us(numbers: "npt.NDArray[np.float64]") -> "npt.NDArray[np.int64]":
    """Return what ``epoch_us`` does of each number; raises ``ValueError`` if one is no time."""
    size = np.abs(numbers)
    in_us = [numbers * US, numbers * 1000, numbers]
    us = np.rint(np.select([size < 1e11, size < 1e14, size < 1e17], in_us, numbers / 1000))
    for edge in (us.min(), us.max()):  # NaN too
        in_range(edge)
    return us.astype(np.int64)
