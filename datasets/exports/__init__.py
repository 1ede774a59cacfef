"""Formats that other tools export: every module of this folder is one; a new one is found by being here.

``inspect`` tells what is in a file, ``import_file`` lands it in the warehouse, ``undo_import`` takes it out.
"""

from inferplan.datasets.uploads.column_memory import Remembered, forget, remembered
from inferplan.datasets.uploads.formats import formats
from inferplan.datasets.uploads.landing import (
    Import,
    import_file,
    inspect,
    list_imports,
    undo_import,
)
from inferplan.datasets.uploads.progress import CancelledError, Progress
from inferplan.datasets.uploads.reading import (
    NeedsAnswerError,
    Question,
    ReadOptions,
    UnreadableError,
)
from inferplan.datasets.uploads.report import ImportReport, ParseReport
from inferplan.datasets.uploads.unpacking import archived

__all__ = [
    "CancelledError",
    "Import",
    "ImportReport",
    "NeedsAnswerError",
    "ParseReport",
    "Progress",
    "Question",
    "ReadOptions",
    "Remembered",
    "UnreadableError",
    "archived",
    "forget",
    "formats",
    "import_file",
    "inspect",
    "list_imports",
    "remembered",
    "undo_import",
]
