"""Delimited text: delimiter, header and rows, whatever program wrote them."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Tally, UnreadableError

MAX_COLUMNS = 20_000
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written."""

    delimiter: str
    lines_before_header: int

    @property
    def decimal_comma(self) -> bool:
        """Whether a comma can only be a decimal comma."""
        return self.delimiter != ","


def dialect(head: str) -> Dialect:
    """Return the delimiter: named by ``sep=``, else the commonest outside quotes in the first line."""
    lines = head.lstrip("\ufeff").splitlines()
    if lines and lines[0].casefold().startswith("sep=") and len(lines[0]) > 4:
        return Dialect(lines[0][4], 1)
    blank = next((number for number, line in enumerate(lines) if line.strip()), 0)
    first = lines[blank] if lines else ""
    outside = "".join(first.split('"')[::2])
    delimiter = max(_DELIMITERS, key=outside.count)
    return Dialect(delimiter, blank)


def header(head: str) -> list[str]:
    """Return the cells of the first line of a delimited file."""
    form = dialect(head)
    lines = head.lstrip("\ufeff").splitlines()[form.lines_before_header :]
    return cells(lines[0], form.delimiter) if lines else []


def cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line."""
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]


def rows(upload: Upload, form: Dialect, tally: Tally) -> Iterator[tuple[int, list[str]]]:
    """Yield numbered rows of cells from the header on; a blank line is an empty row.

    Raises
    ------
    UnreadableError
        If there are more than ``MAX_COLUMNS`` columns.
    """
    line_number = 0

    def fed() -> Iterator[str]:
        nonlocal line_number
        for line_number, line in upload.lines(tally):
            if line_number > form.lines_before_header:
                yield line

    reader = csv.reader(fed(), delimiter=form.delimiter, skipinitialspace=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            tally.rows_read += 1
            tally.refuse(line_number, f"not a row of a table: {error}")
            continue
        if len(row) > MAX_COLUMNS:
            msg = (
                f"{upload.file_name} has {len(row):,} columns in line {line_number}; "
                f"at most {MAX_COLUMNS:,} are read. Export it as one row per sample."
            )
            raise UnreadableError(msg)
        yield line_number, row
