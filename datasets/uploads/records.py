"""Rows of a delimited or Parquet file as records by column name, and the exact values in them."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import count
from string import Template
from typing import Any

from inferplan.datasets.uploads.json_stream import with_whole_signs
from inferplan.datasets.uploads.metrics import plain
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Tally
from inferplan.datasets.uploads.scanning import column_names, opened, quoted
from inferplan.datasets.uploads.tables import dialect, rows

_TEXT = Template(  # tags are maps there, and JSON in CSV
    "CASE WHEN typeof($column) SIMILAR TO '(MAP|STRUCT|JSON).*' THEN coalesce(to_json($column)::VARCHAR, '') "
    "ELSE coalesce($column::VARCHAR, '') END"
)
_NOTHING = {"", "null", "none", "nan", "n/a", "?", "unset", "\\n"}
_MOST = Decimal(10) ** 15  # in any currency: no line of a bill is larger
_FIRST_YEAR, _END_YEAR = 2000, 2100
_TEAM_TAGS = ("team", "user_team", "user:team", "label_team", "owner", "costcenter", "cost_center")


def records(upload: Upload, tally: Tally) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield numbered rows by ``plain`` column name; rows of another length than the header are refused."""
    table = _parquet(upload, tally) if upload.is_parquet else rows(upload, dialect(upload.head), tally)
    _, heads = next(table)
    names = [plain(cell) for cell in heads]
    for line, row in table:
        if not any(cell.strip() for cell in row):
            continue
        tally.rows_read += 1
        if len(row) != len(names):
            tally.refuse(line, f"{len(row)} cells where the header has {len(names)}")
            continue
        yield line, {name: cell.strip() for name, cell in zip(names, row, strict=True)}


def _parquet(upload: Upload, tally: Tally) -> Iterator[tuple[int, list[str]]]:
    """Yield the names of the columns, then numbered rows, every cell as CSV would have it."""
    names = column_names(upload)
    yield 0, names
    lines = count(1)
    with opened(upload, names, tally) as table:
        for frame in table.select(", ".join(_TEXT.substitute(column=quoted(name)) for name in names)):
            for row in frame.itertuples(index=False, name=None):
                yield next(lines), list(row)


def said(record: Mapping[str, str], *names: str) -> str | None:
    """Return the first of the named cells that says something."""
    for name in names:
        value = record.get(plain(name), "")
        if value.casefold() not in _NOTHING:
            return value
    return None


def money(record: Mapping[str, str], name: str) -> Decimal | None:
    """Return the exact amount in a cell; raises ``ValueError`` for one that is no number."""
    text = said(record, name)
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        msg = f"{name} of {text[:40]!r} is no amount"
        raise ValueError(msg) from None
    if not amount.is_finite() or abs(amount) >= _MOST:
        msg = f"{name} of {text[:40]!r} is no amount"
        raise ValueError(msg)
    return amount


def quantity(record: Mapping[str, str], name: str) -> float | None:
    """Return the number in a cell; raises ``ValueError`` for one that is none."""
    amount = money(record, name)
    return None if amount is None else float(amount)


def moment(text: str | None, name: str) -> datetime:
    """Return a time as naive UTC; a time without a zone is UTC, as FOCUS and CUR say."""
    if text is None:
        msg = f"{name} is empty"
        raise ValueError(msg)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{name} of {text[:40]!r} is no ISO 8601 time"
        raise ValueError(msg) from None
    if not _FIRST_YEAR <= found.year < _END_YEAR:
        msg = f"{name} of {text[:40]!r} is not between the years {_FIRST_YEAR} and {_END_YEAR}"
        raise ValueError(msg)
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def mapping(text: str | None) -> dict[str, Any]:
    """Return the tags in a cell: JSON, or the same with single quotes; empty where it is neither."""
    if not text:
        return {}
    for candidate in (text, text.replace("'", '"')):
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        return with_whole_signs(found, candidate) if isinstance(found, dict) else {}
    return {}


def team_of(tags: Mapping[str, Any]) -> str | None:
    """Return the team that tags or labels name."""
    folded = {str(key).casefold(): value for key, value in tags.items()}
    return next((str(folded[name]) for name in _TEAM_TAGS if folded.get(name)), None)
