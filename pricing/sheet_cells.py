"""Cells of a CSV or XLSX price sheet, each with its place, and the refusals that need no meaning."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inferplan.datasets.errors import InferplanError

MAX_ROWS = 20_000
MAX_BYTES = 20 * 1024**2
MAX_COLUMNS = 200
_SHOWN_PROBLEMS = 10


class SheetError(InferplanError):
    """A price sheet that cannot be used; ``problems`` names each place. Nothing of it was imported."""

    def __init__(self, name: str, problems: list[str]) -> None:
        """Compose one message from the sheet's file ``name`` and its ``problems``."""
        self.problems = tuple(problems)
        shown = "; ".join(problem.rstrip(".") for problem in problems[:_SHOWN_PROBLEMS])
        more = len(problems) - _SHOWN_PROBLEMS
        rest = f"; and {more} more" if more > 0 else ""
        end = "" if f"{shown}{rest}".endswith("?") else "."
        super().__init__(f"{name} was not imported, not one row of it: {shown}{rest}{end}")


@dataclass(frozen=True, slots=True)
class Cell:
    """Text of a cell and where it stands."""

    row: int
    column: str
    """Letter of the column, as a spreadsheet shows it."""
    text: str
    is_serial: bool = False
    """Whether a spreadsheet stores it as a number, dates included."""

    @property
    def place(self) -> str:
        """The place as a spreadsheet calls it."""
        return f"{self.column}{self.row}"


def read_cells(path: Path) -> list[list[Cell]]:
    """Return the rows of the sheet at ``path`` that are not empty, the header first.

    Raises
    ------
    SheetError
        For a file that is too long, in another encoding, or holds formulas or merged cells.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
            size = file.seek(0, io.SEEK_END)
    except OSError as error:
        raise SheetError(path.name, [f"it cannot be read ({error.strerror})"]) from error
    from inferplan.pricing.workbook_cells import workbook_rows  # which has its cells from here

    if head == b"\xd0\xcf\x11\xe0":
        problem = "it is an old or password-protected workbook; save it as .xlsx without a password"
        raise SheetError(path.name, [problem])
    if path.suffix.lower() == ".xlsx" and head and not head.startswith(b"PK"):
        raise SheetError(path.name, ["it is no Excel workbook, whatever its name says"])
    if size > MAX_BYTES and not head.startswith(b"PK"):
        raise SheetError(path.name, [f"it has {size / 1024**2:.0f} MiB, and {size_limit()}"])
    rows = list(_numbered(path.name, workbook_rows(path) if head.startswith(b"PK") else _csv(path)))
    if not rows:
        raise SheetError(path.name, ["it is empty: the first row must name the columns"])
    return rows


def size_limit() -> str:
    """Return what a price sheet may have at most, in words."""
    return f"a price sheet may have {MAX_ROWS:,} rows and {MAX_BYTES // 1024**2} MiB: is it the right file?"


def _numbered(name: str, rows: Iterator[list[Cell]]) -> Iterator[list[Cell]]:
    """Pass on rows with content; refuse too many of them and too wide ones as soon as they are met."""
    count = 0
    for row in rows:
        if not any(cell.text for cell in row):
            continue
        count += 1
        if count > MAX_ROWS + 1:
            raise SheetError(
                name, [f"it has more than {MAX_ROWS:,} rows (at {row[0].place}), and {size_limit()}"]
            )
        if len(row) > MAX_COLUMNS:
            raise SheetError(name, [f"row {row[0].row} has more than {MAX_COLUMNS} columns"])
        yield row


def column_letter(index: int) -> str:
    """Return the letters of the column at ``index``, counted from 0.

    >>> column_letter(0), column_letter(25), column_letter(26), column_letter(701)
    ('A', 'Z', 'AA', 'ZZ')
    """
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _csv(path: Path) -> Iterator[list[Cell]]:
    text = _decoded(path)
    first_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for texts in reader:
            row = reader.line_num
            yield [Cell(row, column_letter(at), cell.strip()) for at, cell in enumerate(texts)]
    except csv.Error as error:
        raise SheetError(path.name, [f"row {reader.line_num} is not valid CSV ({error})"]) from error


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SheetError(path.name, ["A1: it is in UTF-16; save it as 'CSV UTF-8'"])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line_start = content.rfind(b"\n", 0, error.start) + 1
        row = content.count(b"\n", 0, error.start) + 1
        before = content[line_start : error.start]
        column = column_letter(max(before.count(b","), before.count(b";"), before.count(b"\t")))
        problem = f"{column}{row}: byte 0x{content[error.start]:02x} is not UTF-8; save it as 'CSV UTF-8'"
        raise SheetError(path.name, [problem]) from error
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise SheetError(path.name, [f"row {row} holds binary data: it is no CSV or XLSX file"])
    return text
