"""Downloads: a report is tables and facts, and each module of this folder writes it as one kind of file."""

from __future__ import annotations

import importlib
import math
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name and the unit of its numbers; a text has none."""

    name: str
    unit: str = ""

    @property
    def header(self) -> str:
        """Name with the unit, as a file's first row says it.

        >>> Column("Price", "USD per hour").header
        'Price (USD per hour)'
        """
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain values: text, bool, int, float, ``Decimal``, date, datetime (naive UTC), ``None``."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What is downloaded: the first table is the one asked for; the facts say what it rests on."""

    title: str
    tables: tuple[Table, ...]
    facts: tuple[tuple[str, str], ...]
    """Inputs, sources, dates and conditions, by name."""
    made_at: datetime
    """Naive UTC, as the caller's clock said."""
    answer: str = ""
    """What it comes to, in a sentence."""

    @property
    def stem(self) -> str:
        """Name of the file without its suffix."""
        words = re.sub(r"[^a-z0-9]+", "-", self.title.casefold()).strip("-")
        return f"{words[:60].rstrip('-') or 'report'}-{self.made_at:%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class ReportFormat:
    """A kind of file; each module of this folder holds one as ``FORMAT``."""

    title: str
    suffix: str
    mime: str
    write: Callable[[Report], bytes]


@cache
def report_formats() -> tuple[ReportFormat, ...]:
    """Return the formats found in this folder, by title."""
    found = (
        importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    )
    return tuple(sorted((module.FORMAT for module in found), key=lambda known: known.title))


def report_format(suffix: str) -> ReportFormat:
    """Return the format whose files end in ``suffix`` (``"csv"``)."""
    return next(known for known in report_formats() if known.suffix == suffix)


def table_of_frame(title: str, frame: pd.DataFrame, columns: Mapping[str, Column]) -> Table:
    """Return the ``columns`` of ``frame``, in their order, as a table; missing values become ``None``."""
    chosen = frame[list(columns)].astype(object)
    known = chosen.where(chosen.notna(), None)
    rows = tuple(tuple(map(plain_value, row)) for row in known.itertuples(index=False, name=None))
    return Table(title, tuple(columns.values()), rows)


def plain_value(value: object) -> object:
    """Return ``value`` as a plain Python value: scalars of numpy and timestamps of pandas are unwrapped."""
    for unwrap in ("to_pydatetime", "item"):
        if hasattr(value, unwrap):
            value = getattr(value, unwrap)()
            break
    return None if isinstance(value, float) and not math.isfinite(value) else value


def text_of(value: object) -> str:
    """Return a value as text files say it: ISO dates, exact decimals, nothing for what is not known."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return str(value)


def facts_table(report: Report) -> Table:
    """Return the facts as a table of their own."""
    made = ("Made at (UTC)", text_of(report.made_at))
    answer = (("Result", report.answer),) if report.answer else ()
    return Table("Inputs and sources", (Column("What"), Column("Value")), (*answer, *report.facts, made))


def cells(rows: Sequence[Sequence[object]]) -> list[list[str]]:
    """Return all values of ``rows`` as text."""
    return [[text_of(value) for value in row] for row in rows]
