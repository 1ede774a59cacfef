"""``nvidia-smi --query-gpu=... --format=csv``: units in headers and cells, local time without a zone."""

from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, SampleTable, Tally, UnreadableError
from inferplan.datasets.uploads.roles import Roles
from inferplan.datasets.uploads.scanning import column_names, opened
from inferplan.datasets.uploads.tables import header

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
    """Yield the table, with the meaning of its columns."""
    names = column_names(upload)
    roles = _roles(names, tally)
    with opened(upload, names, tally) as table:
        yield SampleTable(table, roles, options)


def _roles(names: list[str], tally: Tally) -> Roles:
    time = next((name for name in names if name.casefold() == "timestamp"), "")
    labels: dict[str, str] = {}
    metrics: dict[str, Naming] = {}
    for column in names:
        naming = named(column)
        if column.casefold() in _LABELS:
            labels[column] = _LABELS[column.casefold()]
        elif naming and naming.metric in {taken.metric for taken in metrics.values()}:
            tally.note(f"Column {column} measures the same as one before it and is not used.")
        elif naming:
            metrics[column] = naming
        elif column != time:
            tally.ignored[column] += 1
    if not metrics or not time:
        msg = f"None of the columns {', '.join(names)} is a time, or none a metric that we use."
        raise UnreadableError(msg)
    return Roles(time, labels, metrics)
