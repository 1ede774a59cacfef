"""Grafana's "Download CSV": series joined by time, one table per series, or series to rows.

Shapes: grafana/grafana packages/grafana-data/src/utils/csv.ts. Header cells are quoted with doubled inner
quotes and may hold a label set; a missing value is an empty cell; "formatted data" prints units into cells;
the delimiter follows the browser, and so may the decimal sign; times are local without a zone, or epoch ms.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.dates import with_date_order
from inferplan.datasets.uploads.gathering import Gatherer, in_told_unit, told_metric
from inferplan.datasets.uploads.legends import is_labelled, legend
from inferplan.datasets.uploads.metrics import Naming, plain
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, Series, Tally
from inferplan.datasets.uploads.tables import dialect, header, rows
from inferplan.datasets.uploads.values import labels_of, variant_of

name = "grafana-csv"
title = "Grafana CSV download"
kind = "usage"

_TIMES = {"time", "timeutc"}
_LONG = {"metric", "value", "field", "series"}


def sniff(head: str) -> bool:
    """Recognise a header that begins with ``Time`` and names no column as a plain table would."""
    cells = header(head)
    if len(cells) < 2 or plain(cells[0]) not in _TIMES:
        return False
    if any(is_labelled(cell) for cell in cells[1:]):
        return True
    if cells[0] != "Time":
        return False
    rest = {cell.casefold() for cell in cells[1:]}
    return rest <= _LONG or not rest & (_LONG | {"gpu", "host", "uuid", "pod"})


@dataclass(frozen=True)
class _Column:
    naming: Naming
    series: Series


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every column or row."""
    form = dialect(upload.head)
    if plain(header(upload.head)[0]) == "timeutc" and options.time_zone is None:
        options = options.model_copy(update={"time_zone": "UTC"})
    clock = Clock(with_date_order(options, upload.head), tally)
    gatherer = Gatherer(tally)
    columns: list[_Column | None] = []
    expects_header, is_long, frame = True, False, 0
    for line, row in rows(upload, form, tally):
        if not any(cell.strip() for cell in row):
            expects_header = True
            continue
        if expects_header and plain(row[0]) in _TIMES:
            expects_header, frame = False, frame + 1
            is_long = {cell.strip().casefold() for cell in row[1:]} <= _LONG
            columns = [] if is_long else _columns(row[1:], options, tally)
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
                gatherer.take(cell, column.naming, column.series, us, line, decimal_comma=form.decimal_comma)
        if gatherer.full:
            yield from gatherer.flush()
    yield from gatherer.flush()


def _long_pairs(row: list[str], options: ReadOptions, tally: Tally) -> Iterator[tuple[_Column | None, str]]:
    if len(row) != 3:
        msg = f"{len(row)} cells where Time, Metric and Value are expected"
        raise ValueError(msg)
    yield _column(row[1], options, tally), row[2]


def _columns(names: list[str], options: ReadOptions, tally: Tally) -> list[_Column | None]:
    """Return what each column holds; where some name their metric, others are not used."""
    some_named = not options.metric and any(legend(name).naming for name in names)
    return [_column(name, options, tally, needs_name=some_named) for name in names]


def _column(text: str, options: ReadOptions, tally: Tally, *, needs_name: bool = False) -> _Column | None:
    """Return what a series' display name says; its metric may have been told."""
    said = legend(text)
    if said.unknown or (needs_name and not said.naming):
        tally.ignored[said.unknown or text] += 1
        return None
    labels = labels_of({"host": options.host or "", **said.labels})
    naming = in_told_unit(said.naming, options.metric) if said.naming else told_metric(options.metric)
    return _Column(naming, Series(naming.metric, labels, variant_of(naming.metric, said.labels)))
