"""A table's samples from text to the warehouse, inside DuckDB: places, units and order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inferplan.datasets.uploads.arrival import Arrival
from inferplan.datasets.uploads.gathering import TOTAL, factor_by_peak, in_told_unit
from inferplan.datasets.uploads.metrics import EITHER, METRICS, OF_REQUESTS, UNITS, Naming
from inferplan.datasets.uploads.placing import placed
from inferplan.datasets.uploads.reading import (
    Batch,
    Labels,
    SampleTable,
    Series,
    UnreadableError,
)
from inferplan.datasets.uploads.refusals import Refusals
from inferplan.datasets.uploads.requests import land_latencies, requests_by_minute

if TYPE_CHECKING:
    from inferplan.datasets.uploads.tablewriter import TableWriter

MAX_SERIES = 2_000_000
_PIECE_ROWS = 1_000_000
_SUMS = Template("SELECT count(*), $counts, $peaks FROM arrived_rows $used WHERE measured_at IS NOT NULL")
_USED = "SEMI JOIN place_ranks USING (place)"
_IMPOSSIBLE = Template("""
SELECT arrived_rows.rowid - (SELECT min(rowid) FROM arrived_rows) AS row,
    format('{} of {:g} is impossible', $metric, $column * $factor) AS reason
FROM arrived_rows JOIN place_ranks USING (place)
WHERE measured_at IS NOT NULL AND $column * $factor NOT BETWEEN 0 AND $ceiling
""")
# Of 65,536 places or fewer the two keys of a row fit into eight bytes, which DuckDB sorts fastest.
_ORDERED = Template("""
SELECT rank, measured_at, $values FROM arrived_rows JOIN place_ranks USING (place)
WHERE measured_at IS NOT NULL ORDER BY rank, CAST(arrived_rows.rowid - $first_row AS UINTEGER)
""")
_POSSIBLE = Template(
    "CASE WHEN $column * $factor BETWEEN 0 AND $ceiling THEN $column * $factor END AS $column"
)
_LAND = Template("""
INSERT INTO usage_samples SELECT $first_id::BIGINT + rank, measured_at, $column FROM $ordered
WHERE $column IS NOT NULL AND $is_reading
""")
_NO_COUNTER = "rank IN (SELECT rank FROM place_ranks WHERE NOT is_counter)"
_COUNTED = Template("""
SELECT rank, count(*) FROM ordered_rows WHERE $column IS NOT NULL GROUP BY rank ORDER BY rank
""")
_READINGS = Template("""
SELECT rank, epoch_us(measured_at) AS us, $column AS value FROM ordered_rows
WHERE $column IS NOT NULL AND rank >= ? AND rank < ?
""")


@dataclass
class _Column:
    """A value column, or the one that holds the values of all metrics of a long table."""

    column: str
    naming: Naming | None
    """``None`` where each row names its metric."""

    def words(self) -> dict[str, str]:
        """Return what stands for the metric, its factor and its ceiling in a query."""
        if self.naming is None:
            return {"column": self.column, "metric": "metric", "factor": "factor", "ceiling": "ceiling"}
        return {
            "column": self.column,
            "metric": f"'{self.naming.metric}'",
            "factor": repr(float(self.naming.factor)),
            "ceiling": repr(_ceiling(self.naming.metric)),
        }


def _ceiling(metric: str) -> float:
    return min(METRICS[metric].largest, 1e300)  # SQL writes no infinity


def land(table: SampleTable, writer: "TableWriter") -> Iterator[Batch]:
    """Write the samples of ``table`` and yield what is more than a reading: counters, and logged requests.

    Raises
    ------
    NeedsAnswerError
        If the times carry no zone and none was told.
    UnreadableError
        If the table is broken or has more than ``MAX_SERIES`` series.
    """
    yield from _Landing(table, writer).batches()


class _Landing:
    """One table on its way into the warehouse."""

    def __init__(self, table: SampleTable, writer: "TableWriter") -> None:
        roles = table.roles
        self._table, self._writer, self._tally = table, writer, table.table.tally
        self._cursor = writer.cursor
        self._refusals = Refusals()
        if roles.is_request_log:
            names = [*roles.tokens, *roles.metrics]
        else:
            names = [roles.value] if roles.value and roles.metric_name else list(roles.metrics)
        self._arrival = Arrival(self._cursor, table, names, self._refusals)
        self._columns = [
            _Column(f"v{n}", self._naming(name, self._arrival.units[n])) for n, name in enumerate(names)
        ]
        self._ranks: dict[Labels | Series, int] = {}
        self._unused: dict[int, str] = {}

    def batches(self) -> Iterator[Batch]:
        """Land everything and yield the rest."""
        self._number_places()
        refused = [self._read_odd(position) for position in range(len(self._columns))]
        if self._table.roles.is_request_log:
            labels = [key for key in self._ranks if isinstance(key, Labels)]
            yield from requests_by_minute(self._cursor, self._table, labels, self._refusals)
            self._land_latencies(labels)
        else:
            rows, counts, peaks = self._sums()
            self._decide_units(self._peaks(peaks))
            self._tally.values_missing += rows * len(counts) - sum(counts) - sum(refused)
            for column in self._columns:
                self._refusals.take(self._cursor, _IMPOSSIBLE.substitute(column.words()))
            for column, ordered in self._ordered():
                yield from self._land(column, ordered)
        self._count_unused()
        self._table.table.report(self._cursor, *self._arrival.count(), self._refusals)

    def _land_latencies(self, places: Sequence[Labels]) -> None:
        for column in self._columns:
            if column.naming:
                metric = OF_REQUESTS[column.naming.metric]
                first_id = self._writer.number([Series(metric, labels) for labels in places])
                land_latencies(self._cursor, first_id, column.words())
                self._refusals.take(self._cursor, _IMPOSSIBLE.substitute(column.words()))

    def _naming(self, name: str, unit: str) -> Naming | None:
        """Return the metric of a column; a unit printed in its cells outranks the name's usual one."""
        naming = self._table.roles.metrics.get(name)
        naming = naming and in_told_unit(naming, self._table.options.metric)
        factor = UNITS.get(unit.strip().casefold())
        return naming._replace(factor=factor) if naming and factor is not None else naming

    def _number_places(self) -> None:
        """Give each combination of labels (and metric, in a long table) that is used a number from 0."""
        rows, keys = [], self._table.keys
        for place, *texts in sorted(self._places(), key=lambda row: row[1:]):  # neighbours stay together
            said = dict(zip(keys, (str(text).strip() for text in texts), strict=True))
            found = placed(said, self._table)
            if isinstance(found, str):
                self._unused[place] = found
                continue
            key, naming = found
            rank = self._ranks.setdefault(key, len(self._ranks))
            metric, factor = naming or (None, 1.0)
            ceiling, is_counter = (_ceiling(metric), METRICS[metric].counter) if metric else (None, False)
            rows.append((place, rank, metric, factor, ceiling, is_counter))
        columns = ["place", "rank", "metric", "factor", "ceiling", "is_counter"]
        rank_type = "uint16" if len(self._ranks) <= 1 << 16 else "uint32"
        frame = pd.DataFrame(rows, columns=columns).astype(
            {"place": "uint64", "rank": rank_type, "metric": "object"}
        )
        self._cursor.register("arriving", frame)
        self._cursor.execute("CREATE OR REPLACE TEMP TABLE place_ranks AS FROM arriving")
        self._cursor.unregister("arriving")

    def _places(self) -> list[tuple[Any, ...]]:
        found = self._arrival.places()
        series = len(found) * len(self._columns)
        if series > MAX_SERIES:
            msg = (
                f"{self._table.table.upload.file_name} holds {series:,} series by "
                f"{', '.join(self._table.keys)}; at most {MAX_SERIES:,} are read. If one of these "
                "columns differs in every row, give it the meaning ignore."
            )
            raise UnreadableError(msg)
        return found

    def _read_odd(self, position: int) -> int:
        naming = self._columns[position].naming
        factor = naming.factor if naming and naming.factor != EITHER else None
        return self._arrival.read_values(position, factor, "place IN (SELECT place FROM place_ranks)")

    def _sums(self) -> tuple[int, list[int], list[float]]:
        """Return how many rows are used, and of each column how many values it has and the largest."""
        names = [column.column for column in self._columns]
        query = _SUMS.substitute(
            counts=", ".join(f"count({name})" for name in names),
            peaks=", ".join(f"max({name})" for name in names),
            used=_USED if self._unused else "",
        )
        [(rows, *found)] = self._cursor.execute(query).fetchall()
        return rows, found[: len(names)], [peak or 0.0 for peak in found[len(names) :]]

    def _peaks(self, peaks: list[float]) -> dict[str, float]:
        """Return the largest value of each metric whose name carries several units."""
        if self._table.names_metrics:
            found = self._cursor.execute(
                "SELECT metric, max(v0) FROM arrived_rows JOIN place_ranks USING (place) "
                "WHERE measured_at IS NOT NULL AND factor = 0 GROUP BY metric"
            ).fetchall()
            return {metric: peak or 0.0 for metric, peak in found}
        return {
            column.naming.metric: peak
            for column, peak in zip(self._columns, peaks, strict=True)
            if column.naming and column.naming.factor == EITHER
        }

    def _decide_units(self, peaks: dict[str, float]) -> None:
        """Settle the unit of names that carry several, from the largest values of all places."""
        factors = {
            metric: factor_by_peak(metric, peak, self._tally, peaks.get(TOTAL[0], 0.0))
            for metric, peak in peaks.items()
        }
        for metric, factor in factors.items() if self._table.names_metrics else ():
            self._cursor.execute(
                "UPDATE place_ranks SET factor = ? WHERE metric = ? AND factor = 0", [factor, metric]
            )
        for column in self._columns:
            if column.naming and column.naming.factor == EITHER:
                column.naming = column.naming._replace(factor=factors[column.naming.metric])

    def _count_unused(self) -> None:
        if self._unused:
            unused = self._cursor.execute(
                "SELECT place, count(*) FROM arrived_rows ANTI JOIN place_ranks USING (place) GROUP BY place"
            ).fetchall()
            for place, count in unused:
                self._tally.ignored[self._unused[place]] += count

    def _ordered(self) -> Iterator[tuple[_Column, str]]:
        """Yield each column with what to read it from, place after place; what is read once is not kept."""
        values = ", ".join(_POSSIBLE.substitute(column.words()) for column in self._columns)
        query = _ORDERED.substitute(values=values, first_row=self._arrival.first_row())
        if len(self._columns) == 1 and not self._counters(self._columns[0]):
            yield self._columns[0], f"({query})"
            return
        self._cursor.execute(f"CREATE OR REPLACE TEMP TABLE ordered_rows AS {query}")
        for column in self._columns:
            yield column, "ordered_rows"

    def _land(self, column: _Column, ordered: str) -> Iterator[Batch]:
        """Write the readings of a column and yield those of counters."""
        series = [self._series(key, column) for key in self._ranks]
        counters = self._counters(column)
        if len(counters) < len(series):
            self._cursor.execute(
                _LAND.substitute(
                    first_id=self._writer.number(
                        [None if n in counters else one for n, one in enumerate(series)]
                    ),
                    column=column.column,
                    ordered=ordered,
                    is_reading=_NO_COUNTER if counters else "true",
                )
            )
        if counters:
            yield from self._readings(column.column, series, counters)

    def _counters(self, column: _Column) -> set[int]:
        """Return the ranks of the places of which ``column`` is a counter."""
        if column.naming:
            return set(self._ranks.values()) if METRICS[column.naming.metric].counter else set()
        return {
            rank for key, rank in self._ranks.items() if METRICS[self._series(key, column).metric].counter
        }

    def _series(self, key: Labels | Series, column: _Column) -> Series:
        if isinstance(key, Series):
            return key
        return Series(column.naming.metric if column.naming else "", key)

    def _readings(self, column: str, series: list[Series], counters: set[int]) -> Iterator[Batch]:
        """Yield the readings of counters in the file's order, about ``_PIECE_ROWS`` at a time."""
        counted = self._cursor.execute(_COUNTED.substitute(column=column)).fetchall()
        held, edges = 0, [0]
        for rank, count in counted:
            held += count
            if held >= _PIECE_ROWS:
                held = 0
                edges.append(rank + 1)
        for low, high in pairwise([*edges, len(series)]):
            found = self._cursor.execute(_READINGS.substitute(column=column), [low, high]).fetchnumpy()
            ranks, times, values = (np.asarray(found[name]) for name in ("rank", "us", "value"))
            for rows in np.split(np.arange(len(ranks)), np.flatnonzero(np.diff(ranks)) + 1):
                if len(rows) and int(ranks[rows[0]]) in counters:
                    yield Batch(series[int(ranks[rows[0]])], times[rows], values[rows])
