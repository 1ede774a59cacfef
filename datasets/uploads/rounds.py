"""Times of printouts that have none: what is printed again begins the next round."""

from collections.abc import Callable, Hashable, Iterable, Sequence

from inferplan.datasets.uploads.clock import start_us
from inferplan.datasets.uploads.gathering import Gatherer, in_told_unit
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.placing import pairs_of, place_of
from inferplan.datasets.uploads.reading import (
    Items,
    Labels,
    NeedsAnswerError,
    Question,
    ReadOptions,
    Series,
    Tally,
)
from inferplan.datasets.uploads.roles import Roles
from inferplan.datasets.uploads.tables import dialect, rows

_US = 1_000_000


class Rounds:
    """Tells when each line was printed, from the start and the time between two rounds."""

    def __init__(self, options: ReadOptions, printer: str) -> None:
        """Take start and interval from ``options``; ``printer`` is the program that told neither."""
        self._first_us = start_us(options)
        self._interval_s = options.interval_s
        self._start = Question("start", f"{printer} has no times: when was it begun (UTC unless said)?")
        self._interval = Question(
            "interval_s", f"{printer} has no times: how many seconds lie between two rounds?"
        )
        self._round = 0
        self._printed: set[Hashable] = set()

    def ask(self) -> None:
        """Raise ``NeedsAnswerError`` unless start and interval were told."""
        self._need(has_more=True)

    def _need(self, *, has_more: bool) -> tuple[int, float]:
        lacks_interval = has_more and not (self._interval_s and self._interval_s > 0)
        if self._first_us is None or lacks_interval:
            raise NeedsAnswerError(
                *([self._start] if self._first_us is None else []),
                *([self._interval] if lacks_interval else []),
            )
        return self._first_us, self._interval_s or 0.0

    def us(self, entity: Hashable) -> int:
        """Return the time of the line that tells of ``entity``.

        Raises
        ------
        NeedsAnswerError
            If the start was not told, or the interval where there is more than one round.
        """
        if entity in self._printed:
            self._round += 1
            self._printed.clear()
        self._printed.add(entity)
        first_us, interval_s = self._need(has_more=self._round > 0)
        return first_us + round(self._round * interval_s * _US)


def samples_in_rounds(
    upload: Upload, names: Sequence[str], roles: Roles, options: ReadOptions, tally: Tally
) -> Items:
    """Yield the samples of delimited text without times: a place that comes again begins the next round.

    Raises
    ------
    NeedsAnswerError
        If start or interval were not told.
    """
    rounds = Rounds(options, "This table")
    rounds.ask()
    form = dialect(upload.head)
    yield from samples_of_rows(
        rows(upload, form, tally),
        names,
        roles,
        options,
        tally,
        lambda _, labels: rounds.us(labels),
        decimal_comma=form.decimal_comma,
    )


def samples_of_rows(
    table: Iterable[tuple[int, list[str]]],
    names: Sequence[str],
    roles: Roles,
    options: ReadOptions,
    tally: Tally,
    at: Callable[[dict[str, str], Labels], int],
    *,
    decimal_comma: bool = False,
) -> Items:
    """Yield the samples of numbered rows of cells, each ``at`` the time that its cells and labels tell."""
    gatherer = Gatherer(tally)
    for line, row in table:
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells == list(names):
            continue
        tally.rows_read += 1
        if len(cells) != len(names):
            tally.refuse(line, f"{len(cells)} cells where the header has {len(names)}")
            continue
        said = dict(zip(names, cells, strict=True))
        labels = place_of(said, roles, options.host, pairs_of(said, roles))
        if isinstance(labels, str):
            tally.ignored[labels] += 1
            continue
        try:
            us = at(said, labels)
        except ValueError as error:
            tally.refuse(line, str(error))
            continue
        for column, found in roles.metrics.items():
            naming = in_told_unit(found, options.metric)
            series = Series(naming.metric, labels)
            gatherer.take(said[column], naming, series, us, line, decimal_comma=decimal_comma)
        if gatherer.full:
            yield from gatherer.flush()
    yield from gatherer.flush()
