"""The formats that we read: every module of the folder ``datasets/exports``."""

import importlib
import pkgutil
from functools import cache
from typing import Protocol

from inferplan.datasets.uploads.hints import belongs_elsewhere, looks_like
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, Tally, UnreadableError
from inferplan.datasets.uploads.scanning import column_names

PARQUET_HEAD = "PAR1"


class Format(Protocol):
    """What a module of the folder provides."""

    name: str
    title: str
    kind: str
    """``usage``, ``bill``, ``allocation`` or ``advice``; ``table`` is what any other table is tried as."""

    def sniff(self, head: str) -> bool:
        """Return whether a file that begins with ``head`` is of this format."""
        ...

    def read(self, upload: Upload, options: ReadOptions, tally: Tally) -> Items:
        """Yield what the file holds and report the rest to ``tally``."""
        ...


@cache
def formats() -> tuple[Format, ...]:
    """Return all formats; plain tables, which recognise nearly everything, come last."""
    folder = importlib.import_module("inferplan.datasets.exports")
    found = [
        importlib.import_module(f"{folder.__name__}.{module.name}")
        for module in pkgutil.iter_modules(folder.__path__)
    ]
    return tuple(sorted(found, key=lambda module: (module.kind == "table", module.name)))


def recognise(upload: Upload) -> Format:
    """Return the first format that knows the file by its content.

    Raises
    ------
    UnreadableError
        If none does.
    """
    head = ",".join((PARQUET_HEAD, *column_names(upload))) if upload.is_parquet else upload.head
    elsewhere = not upload.is_parquet and belongs_elsewhere(upload.head)
    for candidate in formats():
        if candidate.sniff(head) and not (elsewhere and candidate.kind == "table"):
            return candidate
    msg = f"{upload.file_name} {looks_like(upload.head)}."
    if not elsewhere:
        msg += " We read Prometheus, Grafana, nvidia-smi, DCGM, CloudWatch, bills and any table with times."
    raise UnreadableError(msg)
