"""Grafana's "Download CSV": series joined by time, one table per series, or series to rows.

Shapes: grafana/grafana packages/grafana-data/src/utils/csv.ts. Header cells are quoted with doubled inner
quotes and may hold a label set; a missing value is an empty cell; "formatted data" prints units into cells;
the delimiter follows the browser, and so may the decimal sign; times are local without a zone, or epoch ms.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.gathering import Gatherer, factor_of, told_metric
from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, Labels, ReadOptions, Series, Tally
from inferplan.datasets.uploads.tables import dialect, header, rows
from inferplan.datasets.uploads.values import label_set, labels_of, number, variant_of

name = "grafana-csv"
title = "Grafana CSV download"
kind = "usage"

_GPU_OF_HOST = re.compile(r"^(?P<host>\S+)\s+gpu\s*(?P<index>\d+)$", re.IGNORECASE)
_NAMED_SET = re.compile(r"^(?P<name>[A-Za-z_:][\w:.]*)?\s*\{(?P<labels>.*)\}$", re.DOTALL)
_LONG = {"metric", "value", "field", "series"}


def sniff(head: str) -> bool:
    """Recognise a header that begins with ``Time`` and names no column as a plain table would."""
    cells = header(head)
    if len(cells) < 2 or cells[0] != "Time":
        return False
    rest = {cell.casefold() for cell in cells[1:]}
    return rest <= _LONG or not rest & (_LONG | {"gpu", "host", "uuid", "pod"})


@dataclass(frozen=True)
class _Column:
    labels: Labels
    naming: Naming
    variant: str


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every column or row."""
    form = dialect(upload.head)
    clock = Clock(options, tally)
    gatherer = Gatherer(tally)
    columns: list[_Column | None] = []
    expects_header, is_long, frame = True, False, 0
    for line, row in rows(upload, form, tally):
        if not any(cell.strip() for cell in row):
            expects_header = True
            continue
        if expects_header and row[0].strip() == "Time":
            expects_header, frame = False, frame + 1
            is_long = {cell.strip().casefold() for cell in row[1:]} <= _LONG
            columns = [] if is_long else [_column(cell, options, tally) for cell in row[1:]]
            continue
        tally.rows_read += 1
        try:
            us = clock.us(row[0], f"{frame}/{row[1]}" if is_long else str(frame))
            pairs = list(_long_pairs(row, options, tally) if is_long else zip(columns, row[1:], strict=True))
        except ValueError as error:
            tally.refuse(line, str(error))
            continue
        for column, cell in pairs:
            if column is not None:
                _take(cell, column, us, line, form.decimal_comma, tally, gatherer)
        if gatherer.full:
            yield from gatherer.flush()
    yield from gatherer.flush()


def _long_pairs(row: list[str], options: ReadOptions, tally: Tally) -> Iterator[tuple[_Column | None, str]]:
    if len(row) != 3:
        msg = f"{len(row)} cells where Time, Metric and Value are expected"
        raise ValueError(msg)
    yield _column(row[1], options, tally), row[2]


def _column(text: str, options: ReadOptions, tally: Tally) -> _Column | None:
    """Return what a series' display name says: a metric, a label set, a machine, or several of them."""
    text = text.strip()
    match = _NAMED_SET.match(text)
    metric_name = match["name"] if match else text
    naming = named(metric_name) if metric_name else None
    if match and metric_name and naming is None:
        tally.ignored[metric_name] += 1
        return None
    raw = label_set(match["labels"]) if match else {}
    if match:
        labels = labels_of(raw)
    elif naming:
        labels = Labels()
    elif gpu := _GPU_OF_HOST.match(text):
        labels = Labels(host=gpu["host"], gpu_index=gpu["index"])
    else:
        labels = Labels(host=text)
    if options.host and not labels.host:
        labels = Labels(**{**_given(labels), "host": options.host})
    naming = naming or told_metric(options.metric)
    return _Column(labels, naming, variant_of(naming.metric, raw))


def _given(labels: Labels) -> dict[str, str | None]:
    return {field: getattr(labels, field) for field in Labels.__dataclass_fields__}


def _take(
    cell: str, column: _Column, us: int, line: int, decimal_comma: bool, tally: Tally, gatherer: Gatherer
) -> None:
    try:
        value, unit = number(cell, decimal_comma=decimal_comma)
    except ValueError as error:
        tally.refuse(line, str(error))
        return
    if value is None:
        tally.values_missing += 1
        return
    series = Series(column.naming.metric, column.labels, column.variant)
    gatherer.add(series, factor_of(column.naming, unit), us, value, line)
