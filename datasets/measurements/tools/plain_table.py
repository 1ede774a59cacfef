"""A table of our own: one run in a row, columns with their units (``template`` is one to fill in)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.measurements.document import Document, Value, records
from inferplan.datasets.measurements.recognising import SPELLINGS, answered, deployed
from inferplan.datasets.measurements.result import Result
from inferplan.datasets.uploads.reading import UnreadableError
from inferplan.datasets.uploads.values import number

title = "Table of runs"
LOAD_COLUMNS = {
    "input_tokens": ("input_tokens", 1.0),
    "output_tokens": ("output_tokens", 1.0),
    "concurrency": ("concurrency", 1.0),
    "request_rate_per_s": ("request_rate_per_s", 1.0),
    "requests": ("requests", 1.0),
    "ttft_ms": ("ttft_s", 1e-3),
    "tpot_ms": ("tpot_s", 1e-3),
    "output_tokens_per_s": ("output_tokens_per_s", 1.0),
}
"""Columns with numbers: the field that they fill and the factor to its unit."""
DATE_COLUMN = "measured_on"
_NEEDED = frozenset({"input_tokens", "output_tokens"})
_KNOWN = (*SPELLINGS, *LOAD_COLUMNS, DATE_COLUMN)
_EXAMPLE = "meta-llama/Llama-3.3-70B-Instruct,H200 SXM,vllm,0.11.0,2,1,1,1,fp8,auto"


def template() -> str:
    """Return a table to fill in: the header and two invented runs."""
    runs = ("1000,500,8,,200,95,16.5,450,2026-11-20", "1000,500,64,,640,410,24.1,2450,2026-11-20")
    return "\n".join((",".join(_KNOWN), *(f"{_EXAMPLE},{run}" for run in runs))) + "\n"


def recognises(document: Document) -> bool:
    """Return whether the header names both token counts in our words."""
    return bool(document.rows) and set(_header(document)) >= _NEEDED


def _header(document: Document) -> list[str]:
    return [cell.casefold() for cell in document.rows[0].content]


def runs(document: Document) -> Iterator[Value]:
    """Yield each row as an object of numbers and texts.

    Raises
    ------
    UnreadableError
        If a column is not known, or a cell is not what its column holds.
    """
    header, name = _header(document), document.file_name
    for column in header:
        if column and column not in _KNOWN:
            hint = str(UnknownNameError("column", column, _KNOWN)).partition(" Did you")[2]
            msg = (
                f"{name}, line {document.rows[0].line}: found the column {column!r}, allowed are "
                f"{', '.join(_KNOWN)}." + (f" Did you{hint}" if hint else "")
            )
            raise UnreadableError(msg)
    for line, row in records(document, header, document.rows[1:]):
        try:
            answered({column: row.get(column) or None for column in SPELLINGS})
            yield Value(line, {column: _cell(column, cell, document) for column, cell in row.items() if cell})
        except (ValueError, InferplanError) as error:
            reason = str(error).rstrip(".?")
            msg = f"{name}, line {line}: {reason}. Correct that cell, or leave it empty and answer for it."
            raise UnreadableError(msg) from None


def _cell(column: str, cell: str, document: Document) -> Any:
    if column == DATE_COLUMN:
        try:
            return datetime.fromisoformat(cell).replace(tzinfo=None)
        except ValueError:
            msg = f"{column} holds {cell[:40]!r}, allowed is a day such as 2026-11-20"
            raise ValueError(msg) from None
    if column in SPELLINGS:
        return cell
    value, unit = number(cell, decimal_comma=document.decimal_comma)
    if value is None or unit or value <= 0:
        msg = f"{column} holds {cell[:40]!r}, allowed is a number above 0 without a unit"
        raise ValueError(msg)
    return value


def read(run: Any) -> Result:
    """Return what a row says."""
    load = {field: run[column] * factor for column, (field, factor) in LOAD_COLUMNS.items() if column in run}
    if "requests" in load:
        load["requests"] = round(load["requests"])
    load["measured_at"] = run.get(DATE_COLUMN)
    return Result(load, deployed(run), run.get("model"))
