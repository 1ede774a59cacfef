"""Delimited text, JSON lines or Parquet of any size as a table that DuckDB reads, every cell as text."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd

from inferplan.datasets.scratch import scratch_folder
from inferplan.datasets.uploads.metrics import plain
from inferplan.datasets.uploads.nesting import WITHIN, nested, unnested, unpacked
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.ragged import refuse_ragged
from inferplan.datasets.uploads.reading import SHOWN_PROBLEMS, Tally, UnreadableError
from inferplan.datasets.uploads.refusals import MAX_REJECTS, Refusals, Reject, rejected, too_many
from inferplan.datasets.uploads.row_lines import line_numbers
from inferplan.datasets.uploads.tables import MAX_COLUMNS, dialect, first_row, has_header, open_quote
from inferplan.datasets.uploads.wording import cell, quoted, text_literal
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.datasets.warehouse_errors import lack_of

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor

_VECTORS = 128  # of 2,048 rows: a quarter of a million rows at a time
_JSON = re.compile(r"[\ufeff\s]*(?:\{|\[\s*\{)")
_WORDS_OF_DUCKDB = re.compile(
    r"""^(?:\w+ )*Error: |^\w+Exception: | (?:(?:in|of|from) )?(?:file )?['"]/.*?['"]"""
)
_FETCH = Template("SELECT $columns FROM (SELECT * FROM $source $limit)")
_NESTED = Template("(SELECT $columns FROM $source)")


def is_delimited(upload: Upload) -> bool:
    """Return whether a table is lines of cells, neither JSON nor Parquet."""
    return not (upload.is_parquet or _is_json(upload))


def column_names(upload: Upload) -> list[str]:
    """Return the names of the columns; a table without a header gets ``0``, ``1``, ..."""
    if not is_delimited(upload):
        return _described(upload)
    names = _few(first_row(upload), upload)
    if not has_header(names):
        return [str(place) for place in range(len(names))]
    seen: set[str] = set()
    return [_unlike(name, place, seen) for place, name in enumerate(names)]


def _described(upload: Upload) -> list[str]:
    """Return the names of the columns as DuckDB finds them."""
    with _file(upload, Tally()) as path, Warehouse.open(MEMORY) as base, base.transaction() as cursor:
        place = text_literal(str(path))
        try:
            if upload.is_parquet:
                return _few(list(unpacked(cursor, f"read_parquet({place})")), upload)
            source = f"read_json({place}, {_json_form(upload)})"
            names = [row[0] for row in cursor.execute(f"DESCRIBE FROM {source}").fetchall()]
        except duckdb.Error as error:
            raise _unreadable(upload, error) from error
    if names == ["json"]:  # as DuckDB calls what is no object
        msg = f"{upload.file_name} is no table: some of its JSON values are no objects with named fields."
        raise UnreadableError(msg)
    return _few(unnested(names, upload.head), upload)


def _few(names: list[str], upload: Upload) -> list[str]:
    """Return the names; raises ``UnreadableError`` where there are more than are read."""
    if len(names) > MAX_COLUMNS:
        raise UnreadableError(
            f"{upload.file_name} has {len(names):,} columns; at most {MAX_COLUMNS:,} are read."
        )
    return names


def _unlike(name: str, place: int, seen: set[str]) -> str:
    """Return the name of a column; one that is empty or was seen before gets its place beside it."""
    if not name or name.casefold() in seen:
        name = f"{name} {place}".strip()
    seen.add(name.casefold())
    return name


def first_cells(upload: Upload) -> list[str]:
    """Return the first row of delimited text that has no header, empty otherwise."""
    if not is_delimited(upload):
        return []
    row = first_row(upload)
    return [] if has_header(row) else row


@dataclass(frozen=True)
class Table:
    """A file that can be queried several times, every cell as text."""

    upload: Upload
    tally: Tally
    path: Path
    """Of the upload itself, or of a plain copy."""
    source: str
    """What stands behind FROM."""
    names: Sequence[str]
    """Of the columns."""
    lines_before: int
    """Lines of the file before the first row; 0 for JSON and Parquet."""

    @property
    def is_blank(self) -> str:
        """SQL that is true of a row without anything in any cell."""
        return "trim(concat(*COLUMNS(*))) = ''" if self._is_delimited else "false"

    def cells(self, columns: Sequence[str]) -> list[str]:
        """Return SQL of the cells in those of ``columns`` that there are; case and signs do not matter."""
        by_name = {plain(name): name for name in reversed(self.names)}
        return [self._cell(by_name[name]) for column in columns if (name := plain(column)) in by_name]

    def cells_within(self, beginning: str) -> dict[str, str]:
        """Return SQL of the cells of columns whose names have that ``beginning``, by the rest of the name."""
        within = re.compile(rf"{'_?'.join(beginning.split('_'))}[_/](.+)", re.IGNORECASE)
        return {found[1]: self._cell(name) for name in self.names if (found := within.fullmatch(name))}

    def _cell(self, name: str) -> str:
        return quoted(name) if self._is_delimited else cell(name)

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers have a decimal comma, and points part their thousands."""
        return self._is_delimited and dialect(self.upload.head).decimal_comma

    @property
    def _is_delimited(self) -> bool:
        return is_delimited(self.upload)

    def run(self, cursor: "Cursor", sql: str) -> list[tuple[Any, ...]]:
        """Return what ``sql`` over the table gives; raises ``UnreadableError`` where the file is broken."""
        try:
            return cursor.execute(sql).fetchall()
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise lack_of(error) or _unreadable(self.upload, error) from error

    def fetch(self, cursor: "Cursor", columns: str, limit: int | None = None) -> list[tuple[Any, ...]]:
        """Return ``columns`` of the table, or of its first rows."""
        words = {"columns": columns, "source": self.source, "limit": f"LIMIT {limit}" if limit else ""}
        return self.run(cursor, _FETCH.substitute(words))

    def select(self, expressions: str, tail: str = "") -> Iterator[pd.DataFrame]:
        """Yield pieces of ``SELECT expressions`` over the table; ``tail`` may filter and group."""
        with Warehouse.open(MEMORY) as scratch, scratch.transaction() as cursor:
            try:
                cursor.execute(" ".join(("SELECT", expressions, "FROM", self.source, tail)))
                while len(frame := cursor.fetch_df_chunk(_VECTORS)):
                    yield frame
            except duckdb.Error as error:
                raise lack_of(error) or _unreadable(self.upload, error) from error

    def report(self, cursor: "Cursor", rows_arrived: int, headers: int, refusals: Refusals) -> None:
        """Count what arrived through ``cursor`` and what was refused, with the line of each refusal.

        Of the ``rows_arrived`` so many ``headers`` only repeat the header.
        """
        rejects = rejected(cursor) if self._is_delimited else []
        for one in rejects:
            if one.is_open_quote:
                raise open_quote(self.upload, one.line)
        if rejects and too_many(cursor):
            msg = (
                f"{self.upload.file_name} has too many lines that are no rows of its table; the first is "
                f"line {rejects[0].line}: {rejects[0].reason}. Export it again, or mend it."
            )
            raise UnreadableError(msg)
        self.tally.rows_read += rows_arrived - headers + len(rejects)
        told = self._told(rejects, refusals, rows_arrived)
        for line, reason in told:
            self.tally.refuse(line, reason)
        self.tally.rows_refused += len(rejects) + refusals.count - len(told)

    def _told(self, rejects: list[Reject], refusals: Refusals, rows_arrived: int) -> list[tuple[int, str]]:
        """Return the first refusals with their lines in the file."""
        rows = [one.row for one in refusals.first]
        if self._is_delimited:
            numbered = line_numbers(self.upload, self.path, rows, rejects, rows_arrived, self.lines_before)
        else:
            numbered = [row + 1 for row in rows], []
        reasons = (*(one.reason for one in refusals.first), *(one.reason for one in rejects))
        return sorted(zip((*numbered[0], *numbered[1]), reasons, strict=True))[:SHOWN_PROBLEMS]


@contextmanager
def opened(upload: Upload, names: Sequence[str], tally: Tally) -> Iterator[Table]:
    """Open the upload as a table with the columns ``names``; raises ``UnreadableError`` for a ragged one."""
    with _file(upload, tally) as path:
        if is_delimited(upload):
            refuse_ragged(upload, path, len(names))
        source, lines_before = _source(upload, path, names)
        yield Table(upload, tally, path, source, names, lines_before)


def _source(upload: Upload, path: Path, names: Sequence[str]) -> tuple[str, int]:
    place = text_literal(str(path))
    if upload.is_parquet:
        read = f"read_parquet({place})"
        with Warehouse.open(MEMORY) as base, base.transaction() as cursor:
            leaves = unpacked(cursor, read).items()
        columns = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in leaves)
        return _NESTED.substitute(columns=columns, source=read), 0
    inner = nested(upload.head) if _is_json(upload) else {}
    stored = dict.fromkeys(inner[name][0] if name in inner else name for name in names)
    columns = "{" + ", ".join(f"{text_literal(name)}: 'VARCHAR'" for name in stored) + "}"
    if _is_json(upload):
        read = f"read_json({place}, {_json_form(upload)}, columns = {columns})"
        within = (
            WITHIN.substitute(column=quoted(column), path=text_literal(path), name=quoted(name))
            for name, (column, path) in inner.items()
            if name in names
        )
        return _NESTED.substitute(columns=", ".join(("*", *within)), source=read), 0
    form = dialect(upload.head)
    skip = form.lines_before_header + has_header(first_row(upload))
    options = (
        f"auto_detect = false, delim = {text_literal(form.delimiter)}, quote = '\"', escape = '\"', "
        "header = false, "
        f"skip = {skip}, columns = {columns}, ignore_errors = true, store_rejects = true, "
        f"null_padding = false, strict_mode = true, rejects_limit = {MAX_REJECTS}"
    )
    return f"read_csv({place}, {options})", skip


def _unreadable(upload: Upload, error: duckdb.Error) -> UnreadableError:
    detail = _WORDS_OF_DUCKDB.sub("", str(error).splitlines()[0]).rstrip(" .")
    return UnreadableError(
        f"{upload.file_name} cannot be read: {detail}. It may be damaged or cut off: export it again."
    )


def _is_json(upload: Upload) -> bool:
    return bool(_JSON.match(upload.head))


def _json_form(upload: Upload) -> str:
    """Return how DuckDB is to read JSON: objects in lines of their own, or all in one list."""
    if upload.head.lstrip("\ufeff \t\r\n").startswith("{"):
        return "format = 'newline_delimited', ignore_errors = true"
    return "format = 'array'"


@contextmanager
def _file(upload: Upload, tally: Tally) -> Iterator[Path]:
    """Yield the path of a plain UTF-8 (or Parquet) copy of the upload, itself where it is that already."""
    if upload.is_plain and not upload.is_packed:
        yield upload.path
        return
    with scratch_folder() as folder:
        path = folder / "table"
        try:
            _copy(upload, path, tally)
        except OSError as error:
            if lack := lack_of(error):
                raise lack from error
            raise
        yield path


def _copy(upload: Upload, path: Path, tally: Tally) -> None:
    if upload.is_plain:
        with upload.binary() as stream, path.open("wb") as copy:
            shutil.copyfileobj(stream, copy)
        return
    with path.open("w", encoding="utf-8", newline="") as copy:
        if upload.encoding == "cp1252":
            tally.note("The file is not UTF-8: it was read as Windows-1252.")
        for _, line in upload.lines(tally):
            copy.write(line + "\n")
