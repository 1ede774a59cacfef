"""What was refused of a table: lines that DuckDB could not split into cells, and rows and cells of ours."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from string import Template
from typing import TYPE_CHECKING, NamedTuple

from inferplan.datasets.uploads.reading import SHOWN_PROBLEMS, UnreadableError

if TYPE_CHECKING:
    from inferplan.datasets.uploads.scanning import Table
    from inferplan.datasets.warehouse import Cursor

MAX_REJECTS = 20_000
"""Faults that are counted; DuckDB keeps the line with each, and finds one for every cell too many."""
_OPEN_QUOTE = "Value with unterminated quote found"
_CELLS = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_REJECTED = """
SELECT line, line_byte_position, any_value(error_message) FROM reject_errors GROUP BY ALL ORDER BY ALL
"""
_MOST_REJECTS = "SELECT max(found) FROM (SELECT count(*) AS found FROM reject_errors GROUP BY scan_id)"
_HEADERS = """
SELECT rowid - (SELECT min(rowid) FROM arrived_rows) + 1, texts FROM arrived_rows
WHERE measured_at IS NULL AND texts IS NOT NULL AND list_contains(?, lower(trim(texts[1]))) ORDER BY ALL
"""
_COUNT = Template("SELECT count(*) FROM ($query)")
_FIRST = Template("SELECT row, reason FROM ($query) ORDER BY row LIMIT $limit")


class Refusal(NamedTuple):
    """A cell or row that was refused."""

    row: int
    """From 0, without header and rejected lines."""
    reason: str


@dataclass
class Refusals:
    """How many cells of a table were refused, and the first of them."""

    count: int = 0
    first: list[Refusal] = field(default_factory=list)

    def take(self, cursor: "Cursor", query: str) -> int:
        """Take in what ``query`` finds (row, reason); return how many."""
        [(found,)] = cursor.execute(_COUNT.substitute(query=query)).fetchall()
        if found:
            first = cursor.execute(_FIRST.substitute(query=query, limit=SHOWN_PROBLEMS)).fetchall()
            self.first = sorted([*self.first, *(Refusal(*one) for one in first)])[:SHOWN_PROBLEMS]
            self.count += found
        return int(found)


class Reject(NamedTuple):
    """A line that is no row."""

    line: int
    """As DuckDB counts: a row that goes over several lines is one."""
    place: int
    """Of its first byte, from 1."""
    message: str
    """DuckDB's."""

    @property
    def is_open_quote(self) -> bool:
        """Whether nothing closes a quote in it."""
        return self.message.startswith(_OPEN_QUOTE)

    @property
    def reason(self) -> str:
        """Why it is none, in our words."""
        if counts := _CELLS.match(self.message):
            return f"{counts[2]} cells where the header has {counts[1]}"
        if self.message.startswith("Invalid unicode"):
            return "not UTF-8 text, unlike the first lines of the file"
        return self.message.splitlines()[0]


def rejected(cursor: "Cursor") -> list[Reject]:
    """Return the lines that DuckDB could not read through ``cursor``, in order."""
    return [Reject(int(line), int(place), str(message)) for line, place, message in _found(cursor)]


def _found(cursor: "Cursor") -> list[tuple[int, int, str]]:
    return cursor.execute(_REJECTED).fetchall()


def too_many(cursor: "Cursor") -> bool:
    """Return whether one look through the file found so many faults that DuckDB stopped counting."""
    [(most,)] = cursor.execute(_MOST_REJECTS).fetchall()
    return bool(most >= MAX_REJECTS)


def refuse_other_header(cursor: "Cursor", table: "Table", here: Sequence[str]) -> None:
    """Refuse a file whose rows have other columns from some line on.

    Raises
    ------
    UnreadableError
        If a row names columns, but not ``here`` where time, values and labels were read.
    """
    expected = [name.casefold() for name in here]
    names = [expected[0], *(name.casefold() for name in table.names)]
    for row, texts in cursor.execute(_HEADERS, [names]).fetchall():
        if [(text or "").strip().casefold() for text in texts] != expected:
            msg = (
                f"{table.upload.file_name} holds several tables: row {row:,} is another header than "
                "the first one. Import each as a file of its own."
            )
            raise UnreadableError(msg)
