"""What columns of a file say of a record: texts, times, amounts and tags.

Texts and plain numbers are read in SQL. What SQL cannot read is read here, each different text once.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from inferplan.datasets.uploads.metrics import plain
from inferplan.datasets.uploads.records import NOTHING, amount, heard, mapping, moment, team_of
from inferplan.datasets.uploads.wording import text_literal

_AMOUNT = "DECIMAL(25, 10)"  # below 1e15, as ``records.amount`` takes it
_SMALL_AMOUNT = "DECIMAL(18, 10)"  # in eight bytes, which DuckDB 1.5 reads 70 times as fast
Reader = Callable[[str, str], Sequence[object]]
_NOTHING = "[" + ", ".join(text_literal(word) for word in sorted(NOTHING)) + "]"


@dataclass(frozen=True)
class RecordField:
    """Columns that say one thing of a record, or several."""

    columns: tuple[str, ...]
    """Names in the file; where there are several, the first one that says something counts."""
    outputs: Mapping[str, str]
    """Name of what is said -> its SQL type."""
    read: Reader | None = None
    """From a text and the name of its column to what is said, ``None`` for nothing; raises ``ValueError`` for
    a text that cannot be. Without it the text is what is said."""
    cast: Callable[[str], str] | None = None
    """From SQL of the text to SQL of what is said, NULL where ``read`` must be asked."""
    spread: str = ""
    """How the names of columns begin that say a part each, in files that have none of ``columns``."""


def texts(**columns: str | tuple[str, ...]) -> tuple[RecordField, ...]:
    """Return the fields of cells that are taken as they are, by name: column of the file."""
    return tuple(
        RecordField((column,) if isinstance(column, str) else column, {name: "VARCHAR"})
        for name, column in columns.items()
    )


def times(**columns: str) -> tuple[RecordField, ...]:
    """Return the fields of times; one without a zone is UTC."""
    return tuple(RecordField((column,), {name: "TIMESTAMP"}, _time) for name, column in columns.items())


def amounts(**columns: str) -> tuple[RecordField, ...]:
    """Return the fields of exact amounts, of which ten digits after the point are kept."""
    return tuple(
        RecordField((column,), {name: _AMOUNT}, _amount, _as_amount) for name, column in columns.items()
    )


def tags(column: str, spread: str = "") -> RecordField:
    """Return the field of ``tags`` and the ``team`` that they name."""
    return RecordField((column,), {"tags": "VARCHAR", "team": "VARCHAR"}, _tags, spread=spread)


def machine(*columns: str) -> RecordField:
    """Return the field of ``instance_type`` and ``gpu_count`` in properties of a SKU."""
    return RecordField(columns, {"instance_type": "VARCHAR", "gpu_count": "DOUBLE"}, _machine)


def said_in_sql(cell: str) -> str:
    """Return SQL of what a text ``cell`` says: without the spaces around it, NULL for a word for nothing."""
    return f"CASE WHEN NOT list_contains({_NOTHING}, lower(trim({cell}))) THEN trim({cell}) END"


def _time(text: str, column: str) -> Sequence[object]:
    found = heard(text)
    return (found and moment(found, column),)


def _amount(text: str, column: str) -> Sequence[object]:
    found = amount(text, column)
    return (None if found is None else format(found, "f"),)


def _as_amount(text: str) -> str:
    return f"coalesce(TRY_CAST({text} AS {_SMALL_AMOUNT})::{_AMOUNT}, TRY_CAST({text} AS {_AMOUNT}))"


def _tags(text: str, column: str) -> Sequence[object]:
    found = {key: value for key, value in mapping(heard(text)).items() if value is not None}
    return json.dumps(found, default=str), team_of(found)


def _machine(text: str, column: str) -> Sequence[object]:
    found = {plain(key).removeprefix("x"): value for key, value in mapping(heard(text)).items()}
    kind = found.get("instancetype") or found.get("servicetype")
    return kind and str(kind), _positive(found.get("gpucount"))


def _positive(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0 < number < math.inf else None
