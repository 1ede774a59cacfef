"""The file of a warehouse before it is opened, and what a killed process left of it and beside it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inferplan.datasets.folder_lock import locked
from inferplan.datasets.warehouse_errors import UnwritableWarehouseError, WarehouseError, lack_of

_HEADERS_BYTES = 3 * 4096  # DuckDB writes three blocks of headers before anything else is in a file
_PATIENCE_S = 5.0  # another process makes its file in a fraction of a second


def make_folder(path: Path) -> None:
    """Make the folder of ``path``; raises ``WarehouseError`` where it cannot, or ``path`` is a folder."""
    if path.is_dir():
        msg = f"The warehouse {path} is a folder. Name a file in it: INFERPLAN_DB={path / 'inferplan.duckdb'}"
        raise WarehouseError(msg)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableWarehouseError(path, str(error)) from error
    if not os.access(path.parent, os.W_OK):
        raise UnwritableWarehouseError(path, "nothing can be written beside it, as every change needs")


@contextmanager
def made_whole(path: Path) -> Iterator[None]:
    """Let a file be opened, or made, inside.

    No database opens a file whose making a kill or a full disk cut short. A mark lies beside a file as long
    as it is made, and where it still does, the stump goes; a lock keeps others from making theirs meanwhile.

    Raises
    ------
    UnwritableWarehouseError
        If the mark cannot be written.
    """
    mark = path.with_name(f"{path.name}.making")
    if _is_whole(path) and not mark.exists():
        yield
        return
    with locked(path.parent, _PATIENCE_S) as is_alone:
        if is_alone:
            _begin(path, mark)
        yield
        mark.unlink(missing_ok=True)


def _begin(path: Path, mark: Path) -> None:
    try:
        if mark.exists() and not _is_whole(path):
            path.unlink(missing_ok=True)
        if not path.exists():
            mark.touch()
    except OSError as error:
        raise lack_of(error) or UnwritableWarehouseError(path, str(error)) from error


def _is_whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size >= _HEADERS_BYTES


def remove_spilled(path: Path) -> None:
    """Remove what queries of a killed process had no memory for; only who has ``path`` open may do so."""
    folder = path.with_name(f"{path.name}.tmp")
    with suppress(OSError):
        for left in folder.glob("duckdb_temp_*"):
            left.unlink()
        folder.rmdir()
