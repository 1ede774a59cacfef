"""Cells of the first visible worksheet of an XLSX workbook, streamed in bounded memory.

Parts and attributes: ECMA-376 part 1, section 18. openpyxl would have to build the whole sheet to tell merged
cells, and reads texts and styles without a limit.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from inferplan.pricing.sheet_cells import MAX_BYTES, Cell, SheetError, size_limit

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
_WORKBOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_STRINGS, _STYLES = "xl/sharedStrings.xml", "xl/styles.xml"
_SHEET_BYTES = 10 * MAX_BYTES
_PERCENT_FORMATS = frozenset({9, 10})  # built in: 0% and 0.00% (18.8.30)


@dataclass(frozen=True, slots=True)
class _Book:
    """What the cells of a sheet refer to."""

    strings: list[str]
    percent_styles: frozenset[int]
    """Numbers of the styles that show 0.1 as 10 %."""


def workbook_rows(path: Path) -> Iterator[list[Cell]]:
    """Yield the rows of the first visible worksheet.

    Raises
    ------
    SheetError
        For a workbook that is broken or too large, counts days from 1904, or holds what is no plain value:
        formulas, errors, merged cells, percentages, yes and no.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            book = _Book(_shared_strings(path.name, archive), _percent_styles(path.name, archive))
            with archive.open(_first_sheet(path.name, archive)) as sheet:
                yield from _sheet_rows(path.name, sheet, book)
    except (*_UNREADABLE, StopIteration) as error:
        problem = f"it is no readable XLSX workbook ({type(error).__name__}: {error}); save it again as .xlsx"
        raise SheetError(path.name, [problem]) from error


def _part(name: str, archive: zipfile.ZipFile, part: str, most_bytes: int = MAX_BYTES) -> ElementTree.Element:
    _refuse_large(name, archive, part, most_bytes)
    return ElementTree.fromstring(archive.read(part))


def _refuse_large(name: str, archive: zipfile.ZipFile, part: str, most_bytes: int) -> None:
    if archive.getinfo(part).file_size > most_bytes:
        raise SheetError(name, [f"its {part} unpacks to too much: {size_limit()}"])


def _first_sheet(name: str, archive: zipfile.ZipFile) -> str:
    workbook = _part(name, archive, _WORKBOOK)
    settings = workbook.find(f"{_MAIN}workbookPr")
    if settings is not None and settings.get("date1904") in ("1", "true"):
        raise SheetError(name, ["it counts days from 1904, as old Macs did; save it with days from 1900"])
    relations = _part(name, archive, _RELATIONS)
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    visible = (
        sheet for sheet in workbook.iter(f"{_MAIN}sheet") if sheet.get("state", "visible") == "visible"
    )
    target = targets[next(visible).get(_RELATION)]
    first = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    _refuse_large(name, archive, first, _SHEET_BYTES)
    return first


def _shared_strings(name: str, archive: zipfile.ZipFile) -> list[str]:
    if _STRINGS not in archive.namelist():
        return []
    root = _part(name, archive, _STRINGS)
    return ["".join(text.text or "" for text in item.iter(f"{_MAIN}t")) for item in root.iter(f"{_MAIN}si")]


def _percent_styles(name: str, archive: zipfile.ZipFile) -> frozenset[int]:
    if _STYLES not in archive.namelist():
        return frozenset()
    root = _part(name, archive, _STYLES)
    percent = _PERCENT_FORMATS | {
        int(code.get("numFmtId", 0))
        for code in root.iter(f"{_MAIN}numFmt")
        if "%" in code.get("formatCode", "")
    }
    styles = root.find(f"{_MAIN}cellXfs")
    return frozenset(
        at for at, style in enumerate(styles if styles is not None else ())
        if int(style.get("numFmtId", 0)) in percent
    )  # fmt: skip


def _sheet_rows(name: str, sheet: IO[bytes], book: _Book) -> Iterator[list[Cell]]:
    problems: list[str] = []
    for _, element in ElementTree.iterparse(sheet):
        if element.tag == f"{_MAIN}row":
            yield [_cell(cell, book, problems) for cell in element.iter(f"{_MAIN}c")]
            element.clear()
        elif element.tag == f"{_MAIN}mergeCell":
            problems.append(f"{element.get('ref')}: merged cells; unmerge them and fill in every row")
    if problems:
        raise SheetError(name, problems)


def _cell(element: ElementTree.Element, book: _Book, problems: list[str]) -> Cell:
    place = re.fullmatch(r"([A-Z]+)(\d+)", element.get("r", ""))
    column, row = (place[1], int(place[2])) if place else ("?", 0)
    kind = element.get("t", "n")
    value = element.findtext(f"{_MAIN}v") or ""
    if element.find(f"{_MAIN}f") is not None:
        problems.append(f"{column}{row}: a formula; paste it as a value")
    if kind == "e":
        problems.append(f"{column}{row}: the error {value}")
    if kind == "b":
        problems.append(f"{column}{row}: a yes or no; write a number or a text")
    if kind == "n" and value and int(element.get("s", 0)) in book.percent_styles:
        problems.append(
            f"{column}{row}: a number shown as a percentage; write 10 for 10 %, as a plain number"
        )
    if kind == "s":
        value = book.strings[int(value)]
    elif kind == "inlineStr":
        value = "".join(text.text or "" for text in element.iter(f"{_MAIN}t"))
    return Cell(row, column, value.strip(), is_serial=kind == "n" and value != "")
