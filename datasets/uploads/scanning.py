"""Reads a table of any size through DuckDB, piece by piece, every cell as text."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd

from inferplan.datasets.uploads.opening import MAX_LINE_BYTES, Upload
from inferplan.datasets.uploads.reading import Tally, UnreadableError
from inferplan.datasets.uploads.roles import Roles
from inferplan.datasets.uploads.tables import MAX_COLUMNS, cells, dialect
from inferplan.datasets.warehouse import MEMORY, Warehouse

_VECTORS = 128  # of 2,048 rows: a quarter of a million rows at a time


def column_names(upload: Upload) -> list[str]:
    """Return the names of the columns; a table without a header gets ``0``, ``1``, ..."""
    if upload.is_parquet or _is_json(upload):
        with _file(upload, Tally()) as path, Warehouse.open(MEMORY) as scratch:
            reader = "DESCRIBE FROM read_parquet(?)" if upload.is_parquet else "DESCRIBE FROM read_json(?)"
            try:
                return [row[0] for row in scratch.rows(reader, [str(path)])]
            except duckdb.Error as error:
                msg = f"{upload.file_name} cannot be read: {str(error).splitlines()[0]}"
                raise UnreadableError(msg) from error
    names = _first_row(upload)
    if len(names) > MAX_COLUMNS:
        msg = f"{upload.file_name} has {len(names):,} columns; at most {MAX_COLUMNS:,} are read."
        raise UnreadableError(msg)
    if not has_header(names):
        return [str(place) for place in range(len(names))]
    return [name or str(place) for place, name in enumerate(names)]


def first_cells(upload: Upload) -> list[str]:
    """Return the first row of delimited text that has no header, empty otherwise."""
    if upload.is_parquet or _is_json(upload):
        return []
    row = _first_row(upload)
    return [] if has_header(row) else row


def _first_row(upload: Upload) -> list[str]:
    form = dialect(upload.head)
    with upload.text() as text:
        for _ in range(form.lines_before_header):
            text.readline(MAX_LINE_BYTES)
        return cells(text.readline(MAX_LINE_BYTES).lstrip("\ufeff").rstrip("\r\n"), form.delimiter)


def has_header(first: Sequence[str]) -> bool:
    """Return whether the first row holds names: none of its cells is a number or a time.

    >>> has_header(["timestamp", "util"]), has_header(["2024/05/01 12:00:00.003", "0", "98"])
    (True, False)
    """
    return not any(cell[:1].isdigit() or cell[:1] in "-+." for cell in first if cell)


class Table:
    """A table that can be read several times, piece by piece."""

    def __init__(
        self, upload: Upload, names: Sequence[str], path: Path, scratch: Warehouse, tally: Tally
    ) -> None:
        """Read the file at ``path`` in the database ``scratch``; use ``opened``."""
        self._upload = upload
        self._scratch = scratch
        self._tally = tally
        self._source, self._parameters = _source(upload, path, names)
        self._rejects_told = upload.is_parquet or _is_json(upload)

    def select(self, expressions: str, vectors: int = _VECTORS, tail: str = "") -> Iterator[pd.DataFrame]:
        """Yield pieces of ``SELECT expressions`` over the table; ``tail`` may filter and group."""
        with self._scratch.transaction() as cursor:
            try:
                cursor.execute("SET TimeZone = 'UTC'")
                cursor.execute(
                    " ".join(("SELECT", expressions, "FROM", self._source, tail)), self._parameters
                )
                while len(frame := cursor.fetch_df_chunk(vectors)):
                    yield frame
                if not self._rejects_told:
                    self._rejects_told = True
                    _report_rejects(cursor, self._tally)
            except duckdb.Error as error:
                msg = f"{self._upload.file_name} cannot be read: {str(error).splitlines()[0]}"
                raise UnreadableError(msg) from error

    def texts(self, roles: Roles) -> Iterator[tuple[int, pd.DataFrame]]:
        """Yield pieces with the columns that ``roles`` use as text, and the line each starts at."""
        wanted = ", ".join(f"CAST({quoted(column)} AS VARCHAR) AS {quoted(column)}" for column in roles.used)
        line = 2
        for frame in self.select(wanted):
            yield line, frame
            line += len(frame)


@contextmanager
def opened(upload: Upload, names: Sequence[str], tally: Tally) -> Iterator[Table]:
    """Open the upload as a table with the columns ``names``."""
    with _file(upload, tally) as path, Warehouse.open(MEMORY) as scratch:
        yield Table(upload, names, path, scratch, tally)


def _source(upload: Upload, path: Path, names: Sequence[str]) -> tuple[str, list[object]]:
    if upload.is_parquet:
        return "read_parquet(?)", [str(path)]
    columns = "{" + ", ".join(f"{_text(name)}: 'VARCHAR'" for name in names) + "}"
    if _is_json(upload):
        reader = f"read_json(?, format = 'newline_delimited', columns = {columns}, ignore_errors = true)"
        return reader, [str(path)]
    form = dialect(upload.head)
    skip = form.lines_before_header + has_header(_first_row(upload))
    reader = (
        "read_csv(?, auto_detect = false, delim = ?, quote = '\"', escape = '\"', header = false, skip = ?, "
        f"columns = {columns}, ignore_errors = true, store_rejects = true, null_padding = false, "
        "strict_mode = true, rejects_limit = 1000000)"
    )
    return reader, [str(path), form.delimiter, skip]


def _report_rejects(cursor: duckdb.DuckDBPyConnection, tally: Tally) -> None:
    found = cursor.execute(
        "SELECT line, any_value(error_message) FROM reject_errors GROUP BY line ORDER BY line"
    ).fetchall()
    for line, reason in found:
        tally.rows_read += 1
        tally.refuse(int(line), str(reason).splitlines()[0])


def quoted(name: str) -> str:
    """Return an identifier in quotes, as SQL wants it."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _is_json(upload: Upload) -> bool:
    return upload.head.lstrip("\ufeff \t\r\n").startswith("{")


@contextmanager
def _file(upload: Upload, tally: Tally) -> Iterator[Path]:
    """Yield the path of a plain UTF-8 (or Parquet) copy of the upload, itself where it is that already."""
    if upload.is_plain and not upload.head.startswith("\ufeff"):
        yield upload.path
        return
    with tempfile.TemporaryDirectory(prefix="inferplan-") as folder:
        path = Path(folder) / "table"
        if upload.is_parquet:
            with upload.binary() as stream, path.open("wb") as copy:
                shutil.copyfileobj(stream, copy)
        else:
            with path.open("w", encoding="utf-8", newline="") as copy:
                for _, line in upload.lines(tally):
                    copy.write(line + "\n")
        yield path
