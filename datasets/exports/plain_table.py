"""Any other table with times: CSV, JSON lines or Parquet, wide (a metric per column) or long (metric, value).

Columns are recognised by name; what is not recognised is asked for as ``columns``. Besides ``time``, the
labels and the metrics a column can be ``metric_name`` with ``value`` (long tables), or ``input_tokens`` and
``output_tokens`` of one request per row (request logs), which are added up by minute.
"""

from collections.abc import Iterator

import pandas as pd

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.columnar import batches
from inferplan.datasets.uploads.gathering import Gatherer
from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import (
    Batch,
    Items,
    Labels,
    ReadOptions,
    Series,
    Tally,
)
from inferplan.datasets.uploads.roles import Roles, assign
from inferplan.datasets.uploads.scanning import Table, column_names, first_cells, opened
from inferplan.datasets.uploads.tables import header
from inferplan.datasets.uploads.values import number

name = "table"
title = "Any table with times: CSV, JSON lines, Parquet"
kind = "table"

_MINUTE_US = 60_000_000


def sniff(head: str) -> bool:
    """Take Parquet, JSON lines, and delimited text of several columns of which one looks like a time."""
    if head.startswith("PAR1,"):
        return True
    first = head.lstrip("\ufeff \t\r\n")
    if first.startswith("{"):
        return first.splitlines()[0].rstrip().endswith("}")
    return len(header(head)) > 1


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every row."""
    names = column_names(upload)
    roles = assign(names, options, first_cells(upload))
    with opened(upload, names, tally) as table:
        if options.time_zone in _NO_CHANGES and not roles.is_request_log:
            yield from batches(table, roles, options, tally)
        else:
            yield from _row_by_row(table, roles, options, tally)


_NO_CHANGES = (None, "UTC", "Etc/UTC")
"""Zones in which no hour comes twice, so that a time's meaning does not depend on its order."""


def _row_by_row(table: Table, roles: Roles, options: ReadOptions, tally: Tally) -> Items:
    reader = _TimeReader(options, tally)
    gatherer = Gatherer(tally)
    requests = _Requests()
    for first_row, frame in table.texts(roles):
        tally.rows_read += len(frame)
        for labels, rows in _places(frame, roles, options):
            times = reader.read(rows[roles.time].fillna(""), labels, first_row)
            rows = rows.loc[times.index]
            if roles.is_request_log:
                requests.take(labels, times, rows, roles)
            else:
                _take(labels, times, rows, roles, first_row, tally, gatherer)
        yield from gatherer.flush()
    yield from requests.batches()


class _TimeReader:
    """Reads a column of times; a text is read once, unless its meaning depends on what came before it."""

    def __init__(self, options: ReadOptions, tally: Tally) -> None:
        self._clock = Clock(options)
        self._tally = tally
        self._fixed = options.time_zone in _NO_CHANGES
        self._known: dict[str, int | str] = {}

    def read(self, texts: "pd.Series[str]", labels: Labels, first_row: int) -> "pd.Series[int]":
        """Return microseconds since 1970 of the rows whose time can be read."""
        runs = texts[texts != texts.shift()]
        key = "" if self._fixed else repr(labels)
        found = pd.Series([self._one(text, key) for text in runs], index=runs.index, dtype="object")
        each = found.reindex(texts.index).ffill()
        readable = each.map(lambda value: isinstance(value, int)).astype(bool)
        for position, reason in each[~readable].items():
            self._tally.refuse(first_row + int(str(position)), str(reason))
        return each[readable].astype("int64")

    def _one(self, text: str, key: str) -> int | str:
        """Return the time, or the reason why it is none."""
        if self._fixed and text in self._known:
            return self._known[text]
        try:
            found: int | str = self._clock.us(text, key)
        except ValueError as error:
            found = str(error)
        if self._fixed:
            self._known[text] = found
        return found


def _places(frame: pd.DataFrame, roles: Roles, options: ReadOptions) -> Iterator[tuple[Labels, pd.DataFrame]]:
    """Yield the rows of each place, in the file's order."""
    if not roles.labels:
        yield Labels(host=options.host), frame
        return
    columns = list(roles.labels)
    filled = frame.fillna(dict.fromkeys(columns, ""))
    for key, rows in filled.groupby(columns, sort=False):
        said = {
            roles.labels[column]: str(value).strip()
            for column, value in zip(columns, key if isinstance(key, tuple) else (key,), strict=True)
            if str(value).strip()
        }
        yield Labels(**{"host": options.host, **said}), rows


def _take(
    labels: Labels,
    times: "pd.Series[int]",
    rows: pd.DataFrame,
    roles: Roles,
    first_row: int,
    tally: Tally,
    gatherer: Gatherer,
) -> None:
    if roles.metric_name and roles.value:
        for metric, part in rows.groupby(roles.metric_name, sort=False):
            naming = named(str(metric))
            if naming is None:
                tally.ignored[str(metric)] += len(part)
            else:
                _column(labels, naming, times.loc[part.index], part[roles.value], first_row, tally, gatherer)
        return
    for column, naming in roles.metrics.items():
        _column(labels, naming, times, rows[column], first_row, tally, gatherer)


def _column(
    labels: Labels,
    naming: Naming,
    times: "pd.Series[int]",
    cells: "pd.Series[str]",
    first_row: int,
    tally: Tally,
    gatherer: Gatherer,
) -> None:
    values = pd.to_numeric(cells, errors="coerce")
    odd = cells[values.isna() & cells.notna()]
    read: dict[int, float] = {}
    for position, cell in odd.items():
        try:
            value, unit = number(str(cell))
        except ValueError as error:
            tally.refuse(first_row + int(str(position)), str(error))
            tally.values_missing -= 1
            continue
        if value is not None and not unit:
            read[int(str(position))] = value
        elif value is not None:
            tally.refuse(first_row + int(str(position)), f"put the unit {unit} into the column's name")
            tally.values_missing -= 1
    if read:
        values.update(pd.Series(read))
    fine = values.notna() & (values.abs() < _LARGEST)
    tally.values_missing += int((~fine).sum())
    kept = values[fine]
    if len(kept):
        series = Series(naming.metric, labels)
        at = times.loc[kept.index]
        gatherer.extend(series, naming.factor, at.tolist(), kept.tolist(), first_row)


_LARGEST = 140737488355328.0  # values from here on are DCGM's "blank", as are infinities


class _Requests:
    """Requests and tokens by place and minute."""

    def __init__(self) -> None:
        self._sums: dict[Labels, dict[int, list[float]]] = {}

    def take(self, labels: Labels, times: "pd.Series[int]", rows: pd.DataFrame, roles: Roles) -> None:
        minutes = self._sums.setdefault(labels, {})
        given, made = roles.input_tokens, roles.output_tokens
        frame = pd.DataFrame(
            {
                "minute": times // _MINUTE_US,
                "input": pd.to_numeric(rows[given], errors="coerce") if given else 0.0,
                "output": pd.to_numeric(rows[made], errors="coerce") if made else 0.0,
            }
        )
        summed = frame.groupby("minute").agg(n=("input", "size"), i=("input", "sum"), o=("output", "sum"))
        for minute, n, prompt, generated in summed.itertuples():
            sums = minutes.setdefault(int(minute), [0.0, 0.0, 0.0])
            sums[0] += n
            sums[1] += prompt
            sums[2] += generated

    def batches(self) -> Iterator[Batch]:
        """Yield the sums of every minute between the first and the last request, zeros included."""
        for labels, minutes in self._sums.items():
            span = range(min(minutes), max(minutes) + 1)
            times = [(minute + 1) * _MINUTE_US for minute in span]
            for position, metric in enumerate(("requests", "prompt_tokens", "generation_tokens")):
                values = [minutes.get(minute, (0.0, 0.0, 0.0))[position] for minute in span]
                yield Batch(Series(metric, labels), times, values, interval_s=60.0)
