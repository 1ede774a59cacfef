"""Where the warehouse lies; without opening it, and without the database's library."""

import os
from contextlib import suppress
from pathlib import Path

import platformdirs

from inferplan.datasets.warehouse_errors import ELSEWHERE, WarehouseError

MEMORY = ":memory:"


def warehouse_path(path: str | Path | None = None) -> Path | None:
    """Return the absolute path that ``Warehouse.open`` means, ``None`` for a database in memory.

    Raises
    ------
    WarehouseError
        If the system cannot tell what is there: in a forbidden folder, of a name too long, without a home.
    """
    given = path or os.environ.get("INFERPLAN_DB") or default_path()
    if str(given) == MEMORY:
        return None
    try:
        place = Path(given).expanduser().resolve()
        with suppress(FileNotFoundError, NotADirectoryError):
            place.stat()
    except (
        OSError,
        RuntimeError,
    ) as error:  # of an unknown home, of links in a ring
        msg = f"The warehouse {given} cannot be reached ({error}). To go on, {ELSEWHERE}."
        raise WarehouseError(msg) from error
    return place


def default_path() -> Path:
    """Return the file used without ``INFERPLAN_DB``: ``inferplan.duckdb`` in the user's data folder."""
    return Path(platformdirs.user_data_dir("inferplan", appauthor=False)) / "inferplan.duckdb"
