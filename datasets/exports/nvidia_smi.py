"""``nvidia-smi --query-gpu=... --format=csv``: units in headers and cells, local times or none."""

from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, SampleTable, Tally, UnreadableError
from inferplan.datasets.uploads.roles import Roles, is_time, preferred
from inferplan.datasets.uploads.rounds import samples_in_rounds
from inferplan.datasets.uploads.scanning import column_names, opened
from inferplan.datasets.uploads.tables import header
from inferplan.datasets.uploads.values import known_label

name = "nvidia-smi"
title = "nvidia-smi --query-gpu CSV"
kind = "usage"

_OWN_METRICS = ("utilization.", "memory.", "power.", "temperature.")
_GPU_LABELS = {"gpu_uuid", "gpu_index"}


def sniff(head: str) -> bool:
    """Recognise dotted column names such as ``utilization.gpu [%]``, with a timestamp or without any time."""
    names = [cell.casefold() for cell in header(head)]
    is_own = any(cell.startswith(_OWN_METRICS) and named(cell) for cell in names)
    return is_own and ("timestamp" in names or not any(is_time(cell) for cell in names))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the table, with the meaning of its columns, or its samples where it has no times."""
    names = column_names(upload)
    roles = _roles(names, tally)
    if not roles.time:
        yield from samples_in_rounds(upload, names, roles, options, tally)
        return
    with opened(upload, names, tally) as table:
        yield SampleTable(table, roles, options)


def _roles(names: list[str], tally: Tally) -> Roles:
    time = next((name for name in names if name.casefold() == "timestamp"), "")
    labels = preferred({name: label for name in names if (label := _label(name))})
    metrics: dict[str, Naming] = {}
    for column in names:
        naming = named(column)
        if naming and naming.metric in {taken.metric for taken in metrics.values()}:
            tally.note(f"Column {column} measures the same as one before it and is not used.")
        elif naming:
            metrics[column] = naming
        elif column != time and column not in labels:
            tally.ignored[column] += 1
    if not metrics:
        msg = f"None of the columns {', '.join(names)} is a metric that we use."
        raise UnreadableError(msg)
    if not _GPU_LABELS & set(labels.values()):
        tally.note("No column tells the GPU (index, uuid or pci.bus_id): all rows are taken for one.")
    return Roles(time, labels, metrics)


def _label(column: str) -> str | None:
    return "gpu_name" if column.casefold() == "name" else known_label(column)
