"""A result file's content: JSON values one after the other, printed summaries, or the rows of a table."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from inferplan.datasets.measurements.console import summaries
from inferplan.datasets.uploads import tables
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Tally, UnreadableError

MAX_BYTES = 200 << 20
"""Decompressed; a summary is a few kilobytes, only a file with every request in it grows beyond this."""
MAX_RUNS = 2_000
"""Values of JSON, rows of a table."""
MAX_PRINTED_BYTES = 16 << 20
"""Of a saved terminal, in which printed summaries are looked for."""
_GAPS = " \t\r\n,"


class Value(NamedTuple):
    """A JSON value, or the cells of a row, and the line on which it begins."""

    line: int
    content: Any


@dataclass(frozen=True)
class Document:
    """One of the two is empty."""

    file_name: str
    values: tuple[Value, ...] = ()
    """JSON values; the members of a top-level list are values of their own."""
    rows: tuple[Value, ...] = ()
    """Rows of a table from its header on, blank ones included; each a list of cells."""
    decimal_comma: bool = False


def document(upload: Upload) -> Document:
    """Return the content of ``upload``.

    Raises
    ------
    UnreadableError
        If it is too large, or begins like JSON and is none: with the line, what was found and what to do.
    """
    if upload.is_parquet:
        msg = f"{upload.file_name} is Parquet; bring the JSON or CSV that the load generator wrote."
        raise UnreadableError(msg)
    if upload.size_bytes > MAX_BYTES:
        msg = (
            f"{upload.file_name} has {upload.size_bytes >> 20:,} MiB, at most {MAX_BYTES >> 20} are read: it "
            "holds every single request. Save the summary only (vLLM: without --save-detailed; SGLang: "
            "without --output-details; GuideLLM: with --sample-requests 0)."
        )
        raise UnreadableError(msg)
    if upload.head.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        with upload.text() as stream:
            return Document(upload.file_name, values=tuple(_values(stream.read(), upload.file_name)))
    if upload.size_bytes <= MAX_PRINTED_BYTES:
        with upload.text() as stream:
            printed = [Value(line, run) for line, run in summaries(stream.read())]
        if printed:
            return Document(upload.file_name, values=tuple(printed[:MAX_RUNS]))
    form, tally = tables.dialect(upload.head), Tally()
    found = []
    for line, cells in tables.rows(upload, form, tally):
        found.append(Value(line, [cell.strip() for cell in cells]))
        if len(found) > MAX_RUNS:
            msg = f"{upload.file_name} has more than {MAX_RUNS:,} rows: no table of benchmark runs."
            raise UnreadableError(msg)
    if tally.problems:
        problem = tally.problems[0]
        msg = f"{upload.file_name}, line {problem.line}: {problem.reason}. Save it again as CSV in UTF-8."
        raise UnreadableError(msg)
    return Document(upload.file_name, rows=tuple(found), decimal_comma=form.decimal_comma)


def records(document: Document, header: Sequence[str], rows: Iterable[Value]) -> Iterator[Value]:
    """Yield the ``rows`` that are not blank as objects by ``header``.

    Raises
    ------
    UnreadableError
        If a row has more or fewer cells than the header: its values would stand under the wrong names.
    """
    for line, cells in rows:
        if not any(cells):
            continue
        if len(cells) != len(header):
            msg = (
                f"{document.file_name}, line {line}: found {len(cells)} cells, the header has {len(header)}. "
                "Put values with a comma in quotes, or bring the JSON of the same run."
            )
            raise UnreadableError(msg)
        yield Value(line, dict(zip(header, cells, strict=True)))


def _values(text: str, file_name: str) -> Iterator[Value]:
    """Yield the values of JSON, JSON lines, or values that were appended to one another."""
    decoder = json.JSONDecoder()
    place, line, found = 0, 1, 0
    while (start := _after_gap(text, place)) < len(text):
        line += text.count("\n", place, start)
        try:
            value, place = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            at = error.lineno
            what = text[error.pos : error.pos + 30].split("\n")[0] or "the end of the file"
            msg = f"{file_name}, line {at}: found {what!r} where {error.msg.casefold()}. {_AGAIN}"
            raise UnreadableError(msg) from None
        except RecursionError:
            msg = f"{file_name}, line {line}: nested too deeply for the result of a benchmark. {_AGAIN}"
            raise UnreadableError(msg) from None
        except ValueError as error:
            msg = f"{file_name}, line {line}: {error}. {_AGAIN}"
            raise UnreadableError(msg) from None
        members = value if isinstance(value, list) else [value]
        found += len(members)
        if found > MAX_RUNS:
            msg = f"{file_name} holds more than {MAX_RUNS:,} runs; split it."
            raise UnreadableError(msg)
        yield from (Value(line, member) for member in members)
        line += text.count("\n", start, place)


_AGAIN = "The file must be what the load generator wrote, whole: save or download it again."


def _after_gap(text: str, place: int) -> int:
    if text.startswith("\ufeff", place):
        place += 1
    while place < len(text) and text[place] in _GAPS:
        place += 1
    return place
