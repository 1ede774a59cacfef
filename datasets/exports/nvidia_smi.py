"""``nvidia-smi --query-gpu=... --format=csv``: units in headers and cells, local time without a zone."""

from dataclasses import replace

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.gathering import Gatherer, factor_of
from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, Labels, ReadOptions, Series, Tally, UnreadableError
from inferplan.datasets.uploads.tables import dialect, header, rows
from inferplan.datasets.uploads.values import number

name = "nvidia-smi"
title = "nvidia-smi --query-gpu CSV"
kind = "usage"

_LABELS = {
    "uuid": "gpu_uuid", "gpu_uuid": "gpu_uuid", "index": "gpu_index", "name": "gpu_name",
    "gpu_name": "gpu_name",
    "host": "host", "hostname": "host",
}  # fmt: skip
_OWN_METRICS = ("utilization.", "memory.", "power.", "temperature.")


def sniff(head: str) -> bool:
    """Recognise a header with a timestamp and dotted column names such as ``utilization.gpu [%]``."""
    names = [cell.casefold() for cell in header(head)]
    return "timestamp" in names and any(cell.startswith(_OWN_METRICS) and named(cell) for cell in names)


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield a sample per GPU, time and column that we use."""
    table = rows(upload, dialect(upload.head), tally)
    _, heads = next(table)
    columns = _Columns([cell.strip() for cell in heads], tally)
    clock = Clock(options)
    gatherer = Gatherer(tally)
    for line, row in table:
        if not any(row) or row == heads:  # a restarted collector prints its header again
            continue
        tally.rows_read += 1
        if len(row) != len(heads):
            tally.refuse(line, f"{len(row)} cells where the header has {len(heads)}")
            continue
        labels = columns.labels(row, options)
        try:
            us = clock.us(row[columns.time], labels.gpu_uuid or labels.gpu_index or "")
        except ValueError as error:
            tally.refuse(line, str(error))
            continue
        for column, naming in columns.metrics.items():
            _take(row[column], naming, labels, us, line, tally, gatherer)
        if gatherer.full:
            yield from gatherer.flush()
    yield from gatherer.flush()


class _Columns:
    """What each column of the header is."""

    def __init__(self, heads: list[str], tally: Tally) -> None:
        folded = [cell.casefold() for cell in heads]
        self.time = folded.index("timestamp")
        self.metrics: dict[int, Naming] = {}
        self._labels: dict[int, str] = {}
        for column, cell in enumerate(folded):
            naming = named(cell)
            if cell in _LABELS:
                self._labels[column] = _LABELS[cell]
            elif naming and naming.metric in {taken.metric for taken in self.metrics.values()}:
                tally.note(f"Column {heads[column]} measures the same as one before it and is not used.")
            elif naming:
                self.metrics[column] = naming
            elif column != self.time:
                tally.ignored[heads[column]] += 1
        if not self.metrics:
            msg = f"None of the columns {', '.join(heads)} is a metric that we use."
            raise UnreadableError(msg)

    def labels(self, row: list[str], options: ReadOptions) -> Labels:
        given = {field: row[column].strip() or None for column, field in self._labels.items()}
        labels = Labels(**given)
        return labels if labels.host or not options.host else replace(labels, host=options.host)


def _take(
    cell: str, naming: Naming, labels: Labels, us: int, line: int, tally: Tally, gatherer: Gatherer
) -> None:
    try:
        value, unit = number(cell)
    except ValueError as error:
        tally.refuse(line, str(error))
        return
    if value is None:
        tally.values_missing += 1
        return
    gatherer.add(Series(naming.metric, labels), factor_of(naming, unit), us, value, line)
