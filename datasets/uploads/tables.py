"""Delimited text: delimiter, header and rows, whatever program wrote them."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Tally, UnreadableError
from inferplan.datasets.uploads.sweeping import MAX_LINE_BYTES

MAX_COLUMNS = 20_000
_NUMBER_OR_TIME = re.compile(r"[+-]?\.?\d")
_PREAMBLE_LINES = 30
_DECIMAL_COMMA = re.compile(r'^\s*"?[+-]?[\d.]*\d,\d+(?:\s*[^\d\s,;.]+)?"?\s*$')
_SURELY_DECIMAL_COMMA = re.compile(r'^\s*"?[+-]?\d+,(?:\d{1,2}|\d{4,})(?:\s*[^\d\s,;.]+)?"?\s*$')
_DECIMAL_POINT = re.compile(r'^\s*"?[+-]?\d+\.(?:\d{1,2}|\d{4,})(?:\s*[^\d\s,;.]+)?"?\s*$')
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written."""

    delimiter: str
    lines_before_header: int
    decimal_comma: bool = False
    """Whether numbers have a decimal comma, so that points part thousands."""


def dialect(head: str) -> Dialect:
    """Return the delimiter, named by ``sep=`` or the commonest outside quotes, and where the header is.

    Lines of another shape may stand before it, as titles and comments do.
    """
    lines = head.lstrip("\ufeff").splitlines()
    if lines and lines[0].casefold().startswith("sep=") and len(lines[0]) > 4:
        return _with_decimals(Dialect(lines[0][4], 1), lines)
    start = _header_line(lines)
    return _with_decimals(Dialect(_delimiter(lines[start]) if lines else ",", start), lines)


def _with_decimals(form: Dialect, lines: Sequence[str]) -> Dialect:
    """Return the dialect with its decimal sign, as the first numbers with one show it."""
    if form.delimiter == ",":
        return form
    numbers = [cell for line in lines[form.lines_before_header + 1 :] for cell in line.split(form.delimiter)]
    has_points = any(_DECIMAL_POINT.match(cell) for cell in numbers)
    commas = _DECIMAL_COMMA if form.delimiter == ";" else _SURELY_DECIMAL_COMMA
    return replace(form, decimal_comma=not has_points and any(commas.match(cell) for cell in numbers))


def _header_line(lines: Sequence[str]) -> int:
    """Return the first line that looks like a header and the next has as many cells, else the first."""
    filled = [(number, line) for number, line in _whole(lines[:_PREAMBLE_LINES]) if line.strip()]
    for (number, here), (_, after) in pairwise(filled):
        delimiter = _delimiter(here)
        count = _outside_quotes(here).count(delimiter)
        if not count or count != _outside_quotes(after).count(delimiter):
            continue
        is_comment = here.startswith("#") and _is_header(after, delimiter)
        if not is_comment and (number == filled[0][0] or _is_header(here, delimiter)):
            return number
    return filled[0][0] if filled else 0


def _is_header(line: str, delimiter: str) -> bool:
    try:
        return has_header(cells(line, delimiter))
    except csv.Error:  # a quote within a cell does not hold the lines together
        return False


def _whole(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield numbered lines, of which a cell in quotes may take several."""
    held, first = "", 0
    for number, line in enumerate(lines):
        held, first = (f"{held}\n{line}", first) if held else (line, number)
        if held.count('"') % 2 == 0:
            yield first, held
            held = ""


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=_outside_quotes(line).count)


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def header(head: str) -> list[str]:
    """Return the cells of the first line of a delimited file."""
    form = dialect(head)
    lines = head.lstrip("\ufeff").splitlines()[form.lines_before_header :]
    return cells(lines[0], form.delimiter) if lines else []


def first_row(upload: Upload) -> list[str]:
    """Return the cells of the first line of delimited text of any length.

    Raises
    ------
    UnreadableError
        If the line cannot be one of cells.
    """
    form = dialect(upload.head)
    with upload.text() as text:
        for _ in range(form.lines_before_header):
            text.readline(MAX_LINE_BYTES)
        try:
            return cells(text.readline(MAX_LINE_BYTES).lstrip("\ufeff").rstrip("\r\n"), form.delimiter)
        except csv.Error as error:
            msg = f"{upload.file_name} begins with a line that cannot be a header: {error}."
            raise UnreadableError(msg) from error


def has_header(first: Sequence[str]) -> bool:
    """Return whether the first row holds names: none of its cells is a number or a time.

    >>> has_header(["timestamp", "util"]), has_header(["2024/05/01 12:00:00.003", "0", "98"])
    (True, False)
    """
    return not any(_NUMBER_OR_TIME.match(cell) for cell in first)


def cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line."""
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]


def open_quote(upload: Upload, line: int) -> UnreadableError:
    """Return the error of a file of which all from a quote on would be one cell."""
    return UnreadableError(
        f"{upload.file_name} opens a quote in line {line} that nothing closes, so that all after it would be "
        "one cell. Mend that line, or export the file again."
    )


def rows(upload: Upload, form: Dialect, tally: Tally) -> Iterator[tuple[int, list[str]]]:
    """Yield numbered rows of cells from the header on; a blank line is an empty row.

    Raises
    ------
    UnreadableError
        If there are more than ``MAX_COLUMNS`` columns, or a quote never closes.
    """
    line_number, is_at_end = 0, False

    def fed() -> Iterator[str]:
        nonlocal line_number, is_at_end
        for line_number, line in upload.lines(tally):
            if line_number > form.lines_before_header:
                yield line
        is_at_end = True

    reader = csv.reader(fed(), delimiter=form.delimiter, skipinitialspace=True)
    while True:
        last_line = line_number
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines = line_number - last_line
            tally.rows_read += lines
            reason = f"no row of a table, nor are the lines to {line_number}: {error}"
            tally.refuse(last_line + 1, reason, lines)
            continue
        if is_at_end:  # the reader went on for a row that had no end yet
            raise open_quote(upload, last_line + 1)
        if len(row) > MAX_COLUMNS:
            msg = (
                f"{upload.file_name} has {len(row):,} columns in line {line_number}; "
                f"at most {MAX_COLUMNS:,} are read. Export it as one row per sample."
            )
            raise UnreadableError(msg)
        yield line_number, row
