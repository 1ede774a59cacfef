"""Writes checked series and records into the warehouse's tables, in large pieces."""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas

from inferplan.datasets.uploads.counters import Times, Values
from inferplan.datasets.uploads.reading import (
    Advice,
    Allocation,
    BillLine,
    Histograms,
    Labels,
    Series,
    UnreadableError,
)
from inferplan.datasets.uploads.statistics import Order, SeriesFacts, counted, entity_of, measure, replica_of

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor

MAX_LABEL = 2_000
_PIECE = 1_000_000
_RECORDS = 20_000
TABLES: dict[type, str] = {BillLine: "bill_lines", Allocation: "cost_allocations", Advice: "tool_advice"}
"""Of records."""
_INSERT_BINS = (
    "INSERT INTO usage_histograms SELECT series_id, bucket, samples, seconds, low, high FROM arriving_bins"
)
_INSERT_SERIES = (
    "INSERT INTO usage_series BY NAME SELECT * EXCLUDE (first_us, last_us), "
    "make_timestamp(first_us) AS first_at, make_timestamp(last_us) AS last_at FROM arriving"
)
_LABELS = tuple(Labels.__dataclass_fields__)
_label_texts: Callable[[Labels], tuple[str | None, ...]] = attrgetter(*_LABELS)


class TableWriter:
    """Writes one import inside a transaction of the caller's."""

    def __init__(self, cursor: "Cursor", import_id: int, file_name: str) -> None:
        """Write with ``cursor`` under the number ``import_id``."""
        self.cursor = cursor
        self.import_id = import_id
        self._file_name = file_name
        first = cursor.execute("SELECT coalesce(max(series_id), 0) + 1 FROM usage_series").fetchall()
        self._first_id = int(first[0][0])
        self._next_id = self._first_id
        self._ids: dict[Series, int] = {}
        self._binned: dict[Series, SeriesFacts] = {}
        self._pieces: list[tuple[int, Times, Values]] = []
        self._held = 0
        self._records: dict[type[BillLine] | type[Allocation] | type[Advice], list[tuple[Any, ...]]] = {}
        cursor.execute(
            "CREATE OR REPLACE TEMP TABLE arrived_samples "
            "(series_id BIGINT, measured_at TIMESTAMP, value DOUBLE)"
        )

    def number(self, series: Sequence[Series | None]) -> int:
        """Give consecutive numbers to ``series`` and return the first; a ``None`` leaves its number free."""
        first = self._next_id
        self._ids |= {one: first + place for place, one in enumerate(series) if one is not None}
        self._next_id += len(series)
        return first

    def samples(self, series: Series, times_us: Times, values: Values) -> None:
        """Take samples of one series."""
        if series not in self._ids:
            self.number([series])
        self._pieces.append((self._ids[series], times_us, values))
        self._held += len(values)
        if self._held >= _PIECE:
            self._write_samples()

    def histograms(self, found: Histograms) -> None:
        """Take series that come as histograms."""
        first_id = self.number(found.series)
        spans = zip(found.series, found.samples, found.first_us, found.last_us, found.step_s, strict=True)
        for series, samples, first_us, last_us, step_s in spans:
            self._binned[series] = counted(int(samples), int(first_us), int(last_us), int(step_s))
        for frame in found.bins:
            self.cursor.register("arriving_bins", frame.assign(series_id=first_id + frame["series"]))
            self.cursor.execute(_INSERT_BINS)
            self.cursor.unregister("arriving_bins")

    def record(self, record: BillLine | Allocation | Advice) -> None:
        """Take a record of a bill or of another tool."""
        waiting = self._records.setdefault(type(record), [])
        waiting.append((self.import_id, *(_cell(value) for _, value in record)))
        if len(waiting) >= _RECORDS:
            self._write_records(type(record))

    def finish(self) -> tuple[Mapping[Series, SeriesFacts], Order]:
        """Write what is held and the series' rows; return what became known of the series."""
        self._write_samples()
        self.cursor.execute("INSERT INTO usage_samples FROM arrived_samples ORDER BY series_id, rowid")
        self.cursor.execute("DROP TABLE arrived_samples")
        for kind in list(self._records):
            self._write_records(kind)
        measured, order = measure(self.cursor, self._first_id, self._ids)
        facts = {**measured, **self._binned}
        rows = (self._series_row(series, found) for series, found in facts.items())
        while piece := list(islice(rows, _RECORDS)):
            _insert(self.cursor, _INSERT_SERIES, _SERIES_COLUMNS, piece)
        return facts, order

    def _series_row(self, series: Series, found: SeriesFacts) -> tuple[Any, ...]:
        labels = _label_texts(series.labels)
        for name, text in zip(_LABELS, labels, strict=True):
            if text and len(text) > MAX_LABEL:
                msg = f"{self._file_name} holds a {name} of more than {MAX_LABEL:,} characters."
                raise UnreadableError(msg)
        return (
            self._ids[series], self.import_id, series.metric, series.variant,
            *entity_of(series, self._file_name), replica_of(series), *labels,
            found.samples, found.first_us, found.last_us, found.step_s, found.coverage,
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
        self.cursor.register("arriving_samples", piece)
        self.cursor.execute("INSERT INTO arrived_samples FROM arriving_samples")
        self.cursor.unregister("arriving_samples")
        self._pieces, self._held = [], 0

    def _write_records(self, kind: type[BillLine] | type[Allocation] | type[Advice]) -> None:
        columns = ("import_id", *kind.model_fields)
        statement = f"INSERT INTO {TABLES[kind]} BY NAME FROM arriving"
        _insert(self.cursor, statement, columns, self._records.pop(kind))


_SERIES_COLUMNS = (
    "series_id", "import_id", "metric", "variant", "entity_kind", "entity", "replica", *_LABELS,
    "samples", "first_us", "last_us", "step_s", "coverage", "irregular", "binned",
)  # fmt: skip


def _insert(cursor: "Cursor", statement: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    cursor.register("arriving", pandas.DataFrame(rows, columns=list(columns)))
    cursor.execute(statement)
    cursor.unregister("arriving")


def _cell(value: Any) -> Any:
    """Return the value as the warehouse takes it; money goes as text so that no digit is lost."""
    if isinstance(value, dict):
        return json.dumps(value, default=str)
    return format(value, "f") if isinstance(value, Decimal) else value
