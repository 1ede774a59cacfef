"""Rows of a delimited or Parquet file as records by column name, and the exact values in them."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any

from inferplan.datasets.uploads.json_stream import with_whole_signs
from inferplan.datasets.uploads.metrics import plain
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Tally
from inferplan.datasets.uploads.scanning import column_names, opened
from inferplan.datasets.uploads.tables import dialect, rows
from inferplan.datasets.uploads.wording import cell

NOTHING = {"", "null", "none", "nan", "n/a", "?", "unset", "\\n"}
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
        for frame in table.select(", ".join(f"coalesce({cell(name)}, '')" for name in names)):
            for row in frame.itertuples(index=False, name=None):
                yield next(lines), list(row)


def heard(text: str) -> str | None:
    """Return what a cell says, ``None`` for a word for nothing."""
    found = text.strip()
    return None if found.casefold() in NOTHING else found


def said(record: Mapping[str, str], *names: str) -> str | None:
    """Return the first of the named cells that says something."""
    return next((text for name in names if (text := heard(record.get(plain(name), "")))), None)


def amount(text: str, name: str) -> Decimal | None:
    """Return the exact amount in a cell of column ``name``; raises ``ValueError`` for what is no number."""
    found = heard(text)
    if found is None:
        return None
    try:
        exact = Decimal(found)
    except InvalidOperation:
        exact = Decimal("NaN")
    if not exact.is_finite() or abs(exact) >= _MOST:
        msg = f"{name} of {found[:40]!r} is no amount"
        raise ValueError(msg)
    return exact


def money(record: Mapping[str, str], name: str) -> Decimal | None:
    """Return the exact amount in a cell of a record; raises ``ValueError`` for one that is no number."""
    return amount(record.get(plain(name), ""), name)


def quantity(record: Mapping[str, str], name: str) -> float | None:
    """Return the number in a cell; raises ``ValueError`` for one that is none."""
    found = money(record, name)
    return None if found is None else float(found)


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
    """Return the tags in a cell; empty where it holds none.

    They are JSON, the same with single quotes or without the outer braces (Azure), or a list of keys and
    values (BigQuery).
    """
    for candidate in (text, text.replace("'", '"'), f"{{{text}}}") if text else ():
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        whole = with_whole_signs(found, candidate)
        return whole if isinstance(whole, dict) else _paired(whole)
    return {}


def _paired(found: object) -> dict[str, Any]:
    """Return the pairs in a list of objects with a key and a value each."""
    pairs = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return {str(one["key"]): one.get("value") for one in pairs if "key" in one}


def team_of(tags: Mapping[str, Any]) -> str | None:
    """Return the team that tags or labels name."""
    folded = {str(key).casefold(): value for key, value in tags.items()}
    return next((str(folded[name]) for name in _TEAM_TAGS if folded.get(name)), None)
