"""Where the warehouse lies; without opening it, and without the database's library."""

import os
from pathlib import Path

import platformdirs

MEMORY = ":memory:"


def warehouse_path(path: str | Path | None = None) -> Path | None:
    """Return the absolute path that ``Warehouse.open`` means, ``None`` for a database in memory."""
    given = path or os.environ.get("INFERPLAN_DB") or default_path()
    return None if str(given) == MEMORY else Path(given).expanduser().resolve()


def default_path() -> Path:
    """Return the file used without ``INFERPLAN_DB``: ``inferplan.duckdb`` in the user's data folder."""
    return Path(platformdirs.user_data_dir("inferplan", appauthor=False)) / "inferplan.duckdb"
