"""The lines of a delimited file on which rows of its table stand."""

from collections.abc import Sequence
from itertools import islice

from inferplan.datasets.uploads.opening import CHUNK_BYTES, Upload
from inferplan.datasets.uploads.reading import Tally
from inferplan.datasets.uploads.tables import dialect, rows


def row_lines(
    upload: Upload, wanted: Sequence[int], rejected: Sequence[int], rows_arrived: int, lines_before: int
) -> list[int]:
    """Return the line of each row of ``wanted`` (from 0, ascending); ``rejected`` lines are no rows.

    Rows and lines run apart at blank lines and quoted line ends: only a file that has such is walked through.
    """
    if not wanted:
        return []
    if _count_lines(upload) == lines_before + rows_arrived + len(rejected):
        return [_line(row + lines_before + 1, rejected) for row in wanted]
    return _walked(upload, wanted, set(rejected), 1 if lines_before else 0)


def _line(line: int, rejected: Sequence[int]) -> int:
    """Return ``line`` pushed on by the rejected lines before it."""
    for other in rejected:
        if other > line:
            break
        line += 1
    return line


def _count_lines(upload: Upload) -> int:
    ends, last = {b"\n": 0, b"\r": 0}, b""
    with upload.binary() as stream:
        while chunk := stream.read(CHUNK_BYTES):
            for end in ends:
                ends[end] += chunk.count(end)
            last = chunk[-1:]
    return (ends[b"\n"] or ends[b"\r"]) + (last not in ends)


def _walked(upload: Upload, wanted: Sequence[int], rejected: set[int], rows_before: int) -> list[int]:
    lines = (
        line for line, row in rows(upload, dialect(upload.head), Tally()) if row and line not in rejected
    )
    asked = {row + rows_before for row in wanted}
    found = {row: line for row, line in enumerate(islice(lines, max(asked) + 1)) if row in asked}
    return [found[row + rows_before] for row in wanted]
