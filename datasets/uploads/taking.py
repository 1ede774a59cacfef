"""Takes series as metrics servers answer them: a name, labels, and pairs of time and value."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from inferplan.datasets.uploads.gathering import Gatherer, in_told_unit, in_unit, told_metric
from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.reading import Batch, ReadOptions, Series, Tally
from inferplan.datasets.uploads.values import labels_of, number, variant_of

_REMEMBERED = 10_000


class SeriesTaker:
    """Takes the samples of series whose metric we use into ``gatherer``."""

    def __init__(self, options: ReadOptions, tally: Tally, time_us: Callable[[str], int]) -> None:
        """Read times with ``time_us``, which raises ``ValueError`` for what is none."""
        self.tally = tally
        self._options, self._time_us = options, time_us
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
        found = named(name, tuple(labels.items())) if name else told_metric(self._options.metric)
        if found is None:
            self.ignore(str(name), len(points))
            return
        naming = in_told_unit(in_unit(found, unit, self.tally), self._options.metric)
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
        placed = {"host": self._options.host or "", **labels}
        series = Series(naming.metric, labels_of(placed), variant_of(naming.metric, labels))
        self._tell_apart(series, labels)
        times_us, values = self._samples(points, position)
        if values:
            self.gatherer.extend(series, naming.factor, times_us, values, position)

    def full(self) -> Iterable[Batch]:
        """Yield what was gathered, where it is enough."""
        if self.gatherer.full:
            yield from self.gatherer.flush()

    def _tell_apart(self, series: Series, labels: Mapping[str, str]) -> None:
        """Note the labels in which alone two series differ that are the same to us, among the first many."""
        if len(self._taken) < _REMEMBERED:
            self._taken.setdefault(series, labels)
        first = self._taken.get(series, labels)
        differ = sorted(key for key in {*first, *labels} if first.get(key) != labels.get(key))
        if differ:
            self.tally.note(
                f"{series.metric}: series that differ only in {', '.join(differ)} are taken for one, "
                "the larger value at a time is kept. Import them one by one if they are apart."
            )

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
