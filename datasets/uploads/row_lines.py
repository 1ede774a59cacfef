"""The lines of a delimited file on which rows of its table stand."""

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path

from inferplan.datasets.uploads.opening import CHUNK_BYTES, Upload
from inferplan.datasets.uploads.reading import Tally
from inferplan.datasets.uploads.refusals import Reject
from inferplan.datasets.uploads.tables import dialect, rows


def line_numbers(
    upload: Upload,
    path: Path,
    wanted: Sequence[int],
    rejects: Sequence[Reject],
    rows_arrived: int,
    lines_before: int,
) -> tuple[list[int], list[int]]:
    """Return the line of each row of ``wanted`` (from 0, ascending), and of each of the ``rejects``, no rows.

    Rows and lines run apart at blank lines and quoted line ends: only a file that has such is walked through.
    ``path`` is the upload itself or a plain copy.
    """
    if not wanted and not rejects:
        return [], []
    if _count_lines(upload) == lines_before + rows_arrived + len(rejects):
        rejected = [one.line for one in rejects]
        return [_line(row + lines_before + 1, rejected) for row in wanted], rejected
    rejected = _lines_at(path, [one.place for one in rejects])
    return _walked(upload, wanted, set(rejected), 1 if lines_before else 0), rejected


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


def _lines_at(path: Path, places: Sequence[int]) -> list[int]:
    """Return the lines in which bytes stand, given by their places from 1, ascending."""
    found, line = [], 1
    with path.open("rb") as stream:
        end = b"\n" if b"\n" in stream.read(CHUNK_BYTES) else b"\r"
        stream.seek(0)
        for before, place in pairwise((1, *places)):
            for size in _pieces(place - before):
                line += stream.read(size).count(end)
            found.append(line)
    return found


def _pieces(size: int) -> Iterator[int]:
    for begin in range(0, size, CHUNK_BYTES):
        yield min(CHUNK_BYTES, size - begin)


def _walked(upload: Upload, wanted: Sequence[int], rejected: set[int], rows_before: int) -> list[int]:
    if not wanted:
        return []
    asked = {row + rows_before for row in wanted}
    lines = islice(_lines_of_rows(upload, rejected), max(asked) + 1)
    found = {row: line for row, line in enumerate(lines) if row in asked}
    return [found[row + rows_before] for row in wanted]


def _lines_of_rows(upload: Upload, rejected: set[int]) -> Iterator[int]:
    """Yield the last line of each row; a row of which any line is ``rejected`` is none."""
    before = 0
    for line, row in rows(upload, dialect(upload.head), Tally()):
        if row and rejected.isdisjoint(range(before + 1, line + 1)):
            yield line
        before = line
