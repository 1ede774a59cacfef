"""Cells of a CSV or XLSX price sheet, each with its place, and the refusals that need no meaning."""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from inferplan.datasets.errors import InferplanError

MAX_ROWS = 20_000
MAX_BYTES = 20 * 1024**2
MAX_COLUMNS = 200
_SHOWN_PROBLEMS = 10
# What the readers of ZIP and XML raise on broken files; a missing part is a LookupError.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    ElementTree.ParseError,
    LookupError,
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
)
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


class SheetError(InferplanError):
    """A price sheet that cannot be used; ``problems`` names each place. Nothing of it was imported."""

    def __init__(self, name: str, problems: list[str]) -> None:
        """Compose one message from the sheet's file ``name`` and its ``problems``."""
        self.problems = tuple(problems)
        shown = "; ".join(problem.rstrip(".") for problem in problems[:_SHOWN_PROBLEMS])
        more = len(problems) - _SHOWN_PROBLEMS
        rest = f"; and {more} more" if more > 0 else ""
        super().__init__(f"{name} was not imported, not one row of it: {shown}{rest}.")


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
    if head == b"\xd0\xcf\x11\xe0":
        problem = "it is an old or password-protected workbook; save it as .xlsx without a password"
        raise SheetError(path.name, [problem])
    if path.suffix.lower() == ".xlsx" and head and not head.startswith(b"PK"):
        raise SheetError(path.name, ["it is no Excel workbook, whatever its name says"])
    if size > MAX_BYTES and not head.startswith(b"PK"):
        raise SheetError(path.name, [f"it has {size / 1024**2:.0f} MiB, and {_limit()}"])
    rows = list(_numbered(path.name, _xlsx(path) if head.startswith(b"PK") else _csv(path)))
    if not rows:
        raise SheetError(path.name, ["it is empty: the first row must name the columns"])
    return rows


def _limit() -> str:
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
                name, [f"it has more than {MAX_ROWS:,} rows (at {row[0].place}), and {_limit()}"]
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


def _xlsx(path: Path) -> Iterator[list[Cell]]:
    """Yield the rows of the first visible worksheet, streaming; formulas and merged cells are refused."""
    try:
        with zipfile.ZipFile(path) as archive:
            strings = _shared_strings(path.name, archive)
            first = _first_sheet(archive)
            if archive.getinfo(first).file_size > 10 * MAX_BYTES:
                raise SheetError(path.name, [f"its first worksheet unpacks to too much: {_limit()}"])
            with archive.open(first) as sheet:
                yield from _sheet_rows(path.name, sheet, strings)
    except (*_UNREADABLE, StopIteration) as error:
        problem = f"it is no readable XLSX workbook ({type(error).__name__}: {error}); save it again as .xlsx"
        raise SheetError(path.name, [problem]) from error


def _first_sheet(archive: zipfile.ZipFile) -> str:
    workbook = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    visible = (
        sheet for sheet in workbook.iter(f"{_MAIN}sheet") if sheet.get("state", "visible") == "visible"
    )
    target = targets[next(visible).get(_RELATION)]
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _shared_strings(name: str, archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    if archive.getinfo("xl/sharedStrings.xml").file_size > MAX_BYTES:
        raise SheetError(name, [f"it holds more than {MAX_BYTES // 1024**2} MiB of text, and {_limit()}"])
    root = ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))
    return ["".join(text.text or "" for text in item.iter(f"{_MAIN}t")) for item in root.iter(f"{_MAIN}si")]


def _sheet_rows(name: str, sheet: IO[bytes], strings: list[str]) -> Iterator[list[Cell]]:
    problems: list[str] = []
    for _, element in ElementTree.iterparse(sheet):
        if element.tag == f"{_MAIN}row":
            row = [_xlsx_cell(cell, strings, problems) for cell in element.iter(f"{_MAIN}c")]
            yield row
            element.clear()
        elif element.tag == f"{_MAIN}mergeCell":
            problems.append(f"{element.get('ref')}: merged cells; unmerge them and fill in every row")
    if problems:
        raise SheetError(name, problems)


def _xlsx_cell(element: ElementTree.Element, strings: list[str], problems: list[str]) -> Cell:
    place = re.fullmatch(r"([A-Z]+)(\d+)", element.get("r", ""))
    column, row = (place[1], int(place[2])) if place else ("?", 0)
    kind = element.get("t", "n")
    value = element.findtext(f"{_MAIN}v") or ""
    if element.find(f"{_MAIN}f") is not None:
        problems.append(f"{column}{row}: a formula; paste it as a value")
    if kind == "e":
        problems.append(f"{column}{row}: the error {value}")
    if kind == "s":
        value = strings[int(value)]
    elif kind == "inlineStr":
        value = "".join(text.text or "" for text in element.iter(f"{_MAIN}t"))
    return Cell(row, column, value.strip(), is_serial=kind == "n" and value != "")
