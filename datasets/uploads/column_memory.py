"""What users said the columns of a table mean, kept by its header for the next file that has the same one."""

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import ReadOptions
from inferplan.datasets.uploads.scanning import column_names

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor, Warehouse


class Recalled(NamedTuple):
    """Meanings of columns that were said of an earlier file."""

    columns: dict[str, str]
    note: str


class Remembered(NamedTuple):
    """What was said of the columns under a header."""

    signature: str
    """Of the header."""
    columns: dict[str, str]
    file_name: str
    said_at: datetime
    """Naive UTC."""


def remembered(warehouse: "Warehouse") -> tuple[Remembered, ...]:
    """Return what was said of columns and will be applied again, the latest first."""
    found = warehouse.rows(
        "SELECT signature, meanings, file_name, said_at FROM column_meanings ORDER BY said_at DESC, signature"
    )
    return tuple(Remembered(signature, json.loads(meanings), *rest) for signature, meanings, *rest in found)


def forget(warehouse: "Warehouse", signature: str) -> None:
    """Forget what was said of the columns under a header; imports that were read so stay as they are."""
    warehouse.execute("DELETE FROM column_meanings WHERE signature = ?", [signature])


def recall(warehouse: "Warehouse", upload: Upload, options: ReadOptions) -> Recalled | None:
    """Return what was said of a file with this header before; what ``options`` say of columns outranks it."""
    if options.columns is not None:
        return None
    found = warehouse.rows(
        "SELECT meanings, file_name, said_at FROM column_meanings WHERE signature = ?", [_signature(upload)]
    )
    if not found:
        return None
    meanings, file_name, said_at = found[0]
    columns: dict[str, str] = json.loads(meanings)
    listed = ", ".join(f"{column} = {meaning}" for column, meaning in columns.items())
    return Recalled(columns, f"Columns were read as said for {file_name} on {said_at:%Y-%m-%d}: {listed}.")


def remember(cursor: "Cursor", upload: Upload, columns: dict[str, str] | None, said_at: datetime) -> None:
    """Keep what ``columns`` mean for the next file with this header; an empty mapping forgets it."""
    if columns is None:
        return
    signature = _signature(upload)
    cursor.execute("DELETE FROM column_meanings WHERE signature = ?", [signature])
    if columns:
        cursor.execute(
            "INSERT INTO column_meanings VALUES (?, ?, ?, ?)",
            [signature, json.dumps(columns), upload.file_name, said_at],
        )


def _signature(upload: Upload) -> str:
    names = json.dumps([name.casefold() for name in column_names(upload)])
    return hashlib.sha256(names.encode()).hexdigest()
