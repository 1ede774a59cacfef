"""The one DuckDB file of a dashboard: opened once per process, migrated, read through a cursor per query."""

import atexit
import random
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import duckdb

from inferplan.datasets.warehouse_errors import (
    ELSEWHERE,
    DamagedWarehouseError,
    LackError,
    NewerWarehouseError,
    UnwritableWarehouseError,
    WarehouseError,
    diagnose,
)
from inferplan.datasets.warehouse_file import made_whole, make_folder, remove_spilled
from inferplan.datasets.warehouse_path import MEMORY as MEMORY
from inferplan.datasets.warehouse_path import warehouse_path

if TYPE_CHECKING:
    import pandas as pd

WRITE_ATTEMPTS = 20
END_PATIENCE_S = 5.0

T = TypeVar("T")
Cursor = duckdb.DuckDBPyConnection
Parameters = Sequence[object] | Mapping[str, object] | None

# Files stay readable by both supported majors of DuckDB, nothing is fetched from the network, and a
# query never reads a Python variable that happens to have a table's name.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "storage_compatibility_version": "v1.5.0",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
_SHARE_OF_DEFAULT = 0.625
"""DuckDB by itself takes 80 % of the memory of machine or container; Python and the host need some too."""
_MIGRATION_NAME = re.compile(r"(\d{3})_(\w+)\.sql")

_registry: dict[Path, "Warehouse"] = {}
_registry_lock = threading.Lock()
_opened: "weakref.WeakSet[Warehouse]" = weakref.WeakSet()


class Warehouse:
    """One database, shared by all threads of the process; every query gets a cursor of its own.

    Sharing a connection between threads gives one thread another's rows (DuckDB has thread safety 1),
    so a result leaves this class only as a whole: a frame or a list, never a cursor half read.
    """

    def __init__(self, path: Path | None, connection: Cursor) -> None:
        """Wrap an open ``connection``; use ``Warehouse.open``."""
        self.path = path
        """File of the database, ``None`` in memory."""
        self.is_new = False
        """Whether this process made the database."""
        self._connection = connection
        self._cursors: set[Cursor] = set()
        self._stopped = False
        self._restart_lock = threading.Lock()
        self._users = 1
        self._closed = False

    @classmethod
    def open(cls, path: str | Path | None = None) -> "Warehouse":
        """Return the warehouse at ``path``, migrated; the same object for the same file in one process.

        Parameters
        ----------
        path
            File to open or create, missing folders included; ``":memory:"`` for one that is gone when
            closed. Without it ``INFERPLAN_DB``, else ``inferplan.duckdb`` in the user's data folder.

        Raises
        ------
        WarehouseError
            For a file that another process holds, that a newer version wrote, that is damaged or
            cannot be written. The message says what to do; the file is left as it is.
        """
        place = warehouse_path(path)
        if place is None:
            return cls._connect(None)
        with _registry_lock:
            known = _registry.get(place)
            if known is not None:
                known._users += 1
                return known
            opened = cls._connect(place)
            _registry[place] = opened
            return opened

    @classmethod
    def _connect(cls, path: Path | None) -> "Warehouse":
        if path is not None:
            make_folder(path)
        connection = _connection_to(path)
        if path is not None:
            remove_spilled(path)
        warehouse = cls(path, connection)
        try:
            warehouse._migrate()
        except BaseException:
            connection.close()
            raise
        _opened.add(warehouse)
        return warehouse

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the warehouse; the file is released when everybody who opened it has."""
        with _registry_lock:
            self._users -= 1
            if self._users > 0 or self._closed:
                return
            self._closed = True
            if self.path is not None:
                del _registry[self.path]
            self._connection.close()

    def query(self, sql: str, parameters: Parameters = None) -> "pd.DataFrame":
        """Return the result of ``sql`` as a frame; DECIMAL columns arrive as float (for money: ``rows``)."""
        with self._cursor() as cursor:
            return cursor.execute(sql, parameters).df()

    def rows(self, sql: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """Return the result of ``sql`` as tuples of Python values, DECIMAL as ``Decimal``."""
        with self._cursor() as cursor:
            return cursor.execute(sql, parameters).fetchall()

    def execute(self, sql: str, parameters: Parameters = None) -> None:
        """Run one statement in a transaction of its own, again when another writer was faster."""
        self.write(lambda cursor: cursor.execute(sql, parameters).fetchall())

    def append(self, table: str, frame: "pd.DataFrame") -> None:
        """Append ``frame`` to ``table`` by column name, in one transaction; absent columns get defaults."""
        with self.transaction() as cursor:
            cursor.append(table, frame, by_name=True)

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Yield a cursor whose changes land together on leaving, or not at all on an exception."""
        with self._cursor() as cursor:
            cursor.begin()
            try:
                yield cursor
                cursor.commit()
            except BaseException:
                _roll_back(cursor)
                raise

    def write(self, work: Callable[[Cursor], T]) -> T:
        """Return what ``work`` returns, run in a transaction, again when another writer was faster.

        ``work`` must come to the same end when it runs twice: its first changes are rolled back.
        """
        for attempt in range(WRITE_ATTEMPTS):
            try:
                with self.transaction() as cursor:
                    return work(cursor)
            except duckdb.TransactionException:
                if attempt == WRITE_ATTEMPTS - 1:
                    raise
                time.sleep(random.uniform(0, 0.002 * 2 ** min(attempt, 6)))
        msg = "unreachable: the last attempt returns or raises"
        raise AssertionError(msg)

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        if self._closed:
            raise self._was_closed()
        cursor = self._live()
        self._cursors.add(cursor)
        try:
            yield cursor
        except duckdb.Error as error:
            if self._closed and isinstance(error, duckdb.InterruptException):
                raise self._was_closed() from error
            self._stopped = self._stopped or isinstance(error, duckdb.FatalException)
            found = diagnose(self.path or Path(MEMORY), error)
            if isinstance(found, DamagedWarehouseError | LackError | UnwritableWarehouseError):
                raise found from error
            raise
        finally:
            cursor.close()
            self._cursors.discard(cursor)

    def _was_closed(self) -> WarehouseError:
        return WarehouseError(
            f"The warehouse {self.path or MEMORY} was closed; open it again with Warehouse.open."
        )

    def _end(self) -> None:
        """Stop what other threads ask and close: a query that outlives the interpreter aborts the process."""
        self._closed = True
        end = time.monotonic() + END_PATIENCE_S
        while self._cursors and time.monotonic() < end:
            for cursor in tuple(self._cursors):
                with suppress(duckdb.ConnectionException):  # closed by now
                    cursor.interrupt()
            time.sleep(0.01)
        self._connection.close()

    def _live(self) -> Cursor:
        """Return a cursor; a database that stopped, at a full disk perhaps, is opened anew for it."""
        with self._restart_lock:
            if self._stopped and self.path is not None:
                self._connection.close()
                self._connection = _connection_to(self.path)
                self._stopped = False
            return self._connection.cursor()

    def _migrate(self) -> None:
        """Bring the schema up to date: each file of ``migrations/`` once, in order, in one transaction."""
        self.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations "
            "(version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TIMESTAMP NOT NULL)"
        )
        applied = {int(version) for (version,) in self.rows("SELECT version FROM schema_migrations")}
        self.is_new = not applied
        ours = migrations()
        unknown = applied - {migration.version for migration in ours}
        if unknown:
            msg = (
                f"The warehouse {self.path or MEMORY} has schema {max(unknown)}, which this version of "
                f"Inferplan does not know (its newest is {ours[-1].version if ours else 0}). "
                f"Upgrade Inferplan with 'pip install --upgrade inferplan', or {ELSEWHERE}."
            )
            raise NewerWarehouseError(msg)
        for migration in ours:
            if migration.version not in applied:
                with self.transaction() as cursor:
                    cursor.execute(migration.sql).fetchall()
                    cursor.execute(
                        "INSERT INTO schema_migrations VALUES (?, ?, ?)",
                        [migration.version, migration.name, datetime.now(UTC).replace(tzinfo=None)],
                    ).fetchall()


@atexit.register
def _end_all() -> None:
    for warehouse in tuple(_opened):
        if not warehouse._closed:
            warehouse._end()


class Migration(NamedTuple):
    """A step of the schema, from a file ``NNN_<name>.sql``."""

    version: int
    name: str
    sql: str


def migrations() -> tuple[Migration, ...]:
    """Return the steps of the schema in order, as found in the folder ``migrations``."""
    found = []
    for entry in (files("inferplan.datasets") / "migrations").iterdir():
        named = _MIGRATION_NAME.fullmatch(entry.name)
        if named:
            found.append(Migration(int(named[1]), named[2], entry.read_text(encoding="utf-8")))
    return tuple(sorted(found))


def _connection_to(path: Path | None) -> Cursor:
    try:
        with made_whole(path) if path else nullcontext():
            connection = duckdb.connect(str(path or MEMORY), config=_CONFIG)
    except duckdb.Error as error:
        raise diagnose(path or Path(MEMORY), error) from error
    [(limit,)] = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    size, unit = limit.split()
    connection.execute(f"SET memory_limit = '{float(size) * _SHARE_OF_DEFAULT} {unit}'")
    return connection


def _roll_back(cursor: Cursor) -> None:
    """Undo the open transaction; a failed commit has ended it already."""
    with suppress(duckdb.TransactionException):
        cursor.rollback()
