"""Writes checked series and records into the warehouse's tables, in large pieces."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas

from inferplan.datasets.uploads.counters import Times, Values
from inferplan.datasets.uploads.reading import Advice, Allocation, BillLine, Histograms, Labels, Series
from inferplan.datasets.uploads.report import naive_utc
from inferplan.datasets.uploads.statistics import SeriesStatistics, entity_of, replica_of

_PIECE = 1_000_000
_RECORDS = 20_000
_INSERTS: dict[type, str] = {
    BillLine: "INSERT INTO bill_lines BY NAME FROM arriving",
    Allocation: "INSERT INTO cost_allocations BY NAME FROM arriving",
    Advice: "INSERT INTO tool_advice BY NAME FROM arriving",
}
_INSERT_BINS = (
    "INSERT INTO usage_histograms SELECT series_id, bucket, samples, seconds, low, high FROM arriving_bins"
)
_INSERT_SERIES = "INSERT INTO usage_series BY NAME FROM arriving"
_LABELS = tuple(Labels.__dataclass_fields__)


class TableWriter:
    """Writes one import inside a transaction of the caller's."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, import_id: int, file_name: str) -> None:
        """Write with ``cursor`` under the number ``import_id``."""
        self._cursor = cursor
        self._import_id = import_id
        self._file_name = file_name
        first = cursor.execute("SELECT coalesce(max(series_id), 0) + 1 FROM usage_series").fetchall()
        self._first_id = int(first[0][0])
        self._ids: dict[Series, int] = {}
        self._binned: set[Series] = set()
        self._pieces: list[tuple[int, Times, Values]] = []
        self._held = 0
        self._records: dict[type[BillLine] | type[Allocation] | type[Advice], list[tuple[Any, ...]]] = {}

    def samples(self, series: Series, times_us: Times, values: Values) -> None:
        """Take samples of one series."""
        series_id = self._ids.setdefault(series, self._first_id + len(self._ids))
        self._pieces.append((series_id, times_us, values))
        self._held += len(values)
        if self._held >= _PIECE:
            self._write_samples()

    def histograms(self, found: Histograms) -> None:
        """Take series that come as histograms."""
        self._binned.update(found.series)
        ids = np.array(
            [self._ids.setdefault(series, self._first_id + len(self._ids)) for series in found.series]
        )
        for frame in found.bins:
            self._cursor.register("arriving_bins", frame.assign(series_id=ids[frame["series"]]))
            self._cursor.execute(_INSERT_BINS)
            self._cursor.unregister("arriving_bins")

    def record(self, record: BillLine | Allocation | Advice) -> None:
        """Take a record of a bill or of another tool."""
        waiting = self._records.setdefault(type(record), [])
        waiting.append((self._import_id, *(_cell(value) for _, value in record)))
        if len(waiting) >= _RECORDS:
            self._write_records(type(record))

    def finish(self, statistics: Mapping[Series, SeriesStatistics]) -> None:
        """Write what is held, the series' rows, and put series that repeat or jump back in order."""
        self._write_samples()
        for kind in list(self._records):
            self._write_records(kind)
        rows = [self._series_row(series, statistics[series]) for series in self._ids]
        if rows:
            _insert(self._cursor, _INSERT_SERIES, _SERIES_COLUMNS, rows)
        untidy = [
            self._ids[series]
            for series, found in statistics.items()
            if series in self._ids and (found.went_back or found.duplicates)
        ]
        if untidy:
            self._tidy(untidy)

    def _tidy(self, series_ids: Sequence[int]) -> None:
        self._cursor.execute(
            "CREATE TEMP TABLE untidy_series AS SELECT unnest(?::BIGINT[]) AS series_id", [series_ids]
        )
        self._cursor.execute(
            "CREATE TEMP TABLE tidy_samples AS "
            "SELECT series_id, measured_at, max(value) AS value FROM usage_samples "
            "WHERE series_id IN (FROM untidy_series) GROUP BY ALL ORDER BY series_id, measured_at"
        )
        self._cursor.execute("DELETE FROM usage_samples WHERE series_id IN (FROM untidy_series)")
        self._cursor.execute("INSERT INTO usage_samples FROM tidy_samples")
        self._cursor.execute(
            "UPDATE usage_series SET samples = counted.n FROM "
            "(SELECT series_id, count(*) AS n FROM tidy_samples GROUP BY 1) AS counted "
            "WHERE usage_series.series_id = counted.series_id"
        )
        self._cursor.execute("DROP TABLE tidy_samples")
        self._cursor.execute("DROP TABLE untidy_series")

    def _series_row(self, series: Series, found: SeriesStatistics) -> tuple[Any, ...]:
        kind, entity = entity_of(series, self._file_name)
        return (
            self._ids[series], self._import_id, series.metric, series.variant, kind, entity,
            replica_of(series), *(getattr(series.labels, name) for name in _LABELS),
            found.samples, naive_utc(found.first_us), naive_utc(found.last_us), found.step_s, found.coverage,
            found.irregular, series in self._binned,
        )  # fmt: skip

    def _write_samples(self) -> None:
        if not self._pieces:
            return
        piece = {
            "series_id": np.concatenate(
                [np.full(len(values), series_id, dtype=np.int64) for series_id, _, values in self._pieces]
            ),
            "measured_at": np.concatenate([times for _, times, _ in self._pieces]).astype("datetime64[us]"),
            "value": np.concatenate([values for _, _, values in self._pieces]),
        }
        self._cursor.register("arriving_samples", piece)
        self._cursor.execute("INSERT INTO usage_samples FROM arriving_samples")
        self._cursor.unregister("arriving_samples")
        self._pieces, self._held = [], 0

    def _write_records(self, kind: type[BillLine] | type[Allocation] | type[Advice]) -> None:
        columns = ("import_id", *kind.model_fields)
        _insert(self._cursor, _INSERTS[kind], columns, self._records.pop(kind))


_SERIES_COLUMNS = (
    "series_id", "import_id", "metric", "variant", "entity_kind", "entity", "replica", *_LABELS,
    "samples", "first_at", "last_at", "step_s", "coverage", "irregular", "binned",
)  # fmt: skip


def _insert(
    cursor: duckdb.DuckDBPyConnection, statement: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    cursor.register("arriving", pandas.DataFrame(rows, columns=list(columns)))
    cursor.execute(statement)
    cursor.unregister("arriving")


def _cell(value: Any) -> Any:
    """Return the value as the warehouse takes it; money goes as text so that no digit is lost."""
    if isinstance(value, dict):
        return json.dumps(value, default=str)
    return format(value, "f") if isinstance(value, Decimal) else value
