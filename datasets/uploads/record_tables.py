"""A table's rows from text to records in the warehouse, inside DuckDB.

The file is read once for the texts that only Python can read, and once to land the rows with what those say;
a third time where rows are refused. Nothing of it is held in memory but the different texts.
"""

from collections.abc import Iterator
from datetime import datetime
from string import Template
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from inferplan.datasets.uploads.fields import RecordField, said_in_sql
from inferplan.datasets.uploads.reading import BillLine, RecordTable, Target
from inferplan.datasets.uploads.refusals import Refusals
from inferplan.datasets.uploads.tablewriter import TABLES
from inferplan.datasets.uploads.wording import text_literal

if TYPE_CHECKING:
    from inferplan.datasets.uploads.tablewriter import TableWriter

_PIECE = 100_000
_EVERY_ROW = -1
_FIND_TEXTS = Template("""
CREATE OR REPLACE TEMP TABLE found_texts AS
SELECT one.field, one.text, count(*) AS rows FROM (SELECT unnest([$texts]) AS one FROM $source)
WHERE one.text IS NOT NULL GROUP BY ALL
""")
_NEXT_TEXTS = "SELECT field, text FROM found_texts WHERE field >= 0 LIMIT ? OFFSET ?"
_READ_TEXTS = """
CREATE OR REPLACE TEMP TABLE read_texts
(field INTEGER, text VARCHAR, reason VARCHAR, said_0 VARCHAR, said_1 VARCHAR)
"""
_COLUMNS = ["field", "text", "reason", "said_0", "said_1"]
_FIELDS = "SELECT field, bool_or(reason IS NOT NULL) FROM read_texts GROUP BY field"
# DuckDB expects one row of what comes out of a list, and holds that in memory, not the file. A join of the
# table itself it would turn round, since it knows nothing of the size of the file.
_LOOK_UP = Template("""
LEFT JOIN (SELECT unnest(list(found)) AS read_$field FROM read_texts AS found WHERE field = $field)
    ON read_$field.text = cells.text_$field
""")
_ROWS = Template("""
WITH cells AS (SELECT row_number() OVER () - 1 AS row, $cells FROM $source),
said AS (SELECT $said FROM cells $looked_up)
""")
_LAND = Template("""
INSERT INTO $table BY NAME $rows
SELECT $import_id AS import_id, row + $first_line AS line, $columns FROM said
WHERE $wanted AND $reason IS NULL
""")
_REFUSED = Template("$rows SELECT row, $reason AS reason FROM said WHERE NOT is_blank AND reason IS NOT NULL")
_LANDED = Template("""
SELECT min(period_start), max(period_end), count(*) - count(DISTINCT hash(*COLUMNS(* EXCLUDE (line))))
FROM $table WHERE import_id = $import_id
""")


class Landed(NamedTuple):
    """Records that were written."""

    records: int
    first_at: datetime
    """Naive UTC."""
    last_at: datetime


def land_records(found: RecordTable, writer: "TableWriter") -> Iterator[Landed]:
    """Write the records of a table, yield what was written of each kind, and report what was refused.

    Raises
    ------
    UnreadableError
        If the table is broken.
    """
    yield from _Landing(found, writer).landed()


class _Landing:
    """One table on its way into the warehouse."""

    def __init__(self, found: RecordTable, writer: "TableWriter") -> None:
        self._found, self._table = found, found.table
        self._cursor, self._import_id = writer.cursor, writer.import_id
        self._cells = [self._cell(field) for field in found.fields]

    def landed(self) -> Iterator[Landed]:
        """Land the rows of each kind and report those that are refused."""
        arrived = self._find_texts()
        self._refusing = self._read_texts()
        rows = self._rows()
        left = arrived
        for target in self._found.targets:
            landed = self._land(target, rows) if left else None
            if landed:
                left -= landed.records
                yield landed
        refusals = Refusals()
        if left:
            reasons = " ".join(f"WHEN {one.rows} THEN {self._reason(one)}" for one in self._found.targets)
            query = _REFUSED.substitute(rows=rows, reason=f"CASE {reasons} END")
            left -= refusals.take(self._cursor, query)
        self._table.report(self._cursor, arrived, left, refusals)

    def _cell(self, field: RecordField) -> str | None:
        """Return SQL of the text in the columns of a field, ``None`` where the file has none of them."""
        found = self._table.cells(field.columns)
        if not found and field.spread and (parts := self._table.cells_within(field.spread)):
            pairs = (f"{text_literal(name)}, {said_in_sql(cell)}" for name, cell in parts.items())
            return f"json_object({', '.join(pairs)})::VARCHAR"
        if field.read is None or len(found) > 1:
            found = [said_in_sql(cell) for cell in found]
        return f"coalesce({', '.join(found)})" if found else None

    def _find_texts(self) -> int:
        """Find the different texts that Python must read; return how many rows there are."""
        texts = [f"{{'field': {_EVERY_ROW}, 'text': ''}}"]
        for n, (field, cell) in enumerate(zip(self._found.fields, self._cells, strict=True)):
            if field.read and cell:
                odd = f"CASE WHEN {field.cast(cell)} IS NULL THEN {cell} END" if field.cast else cell
                texts.append(f"{{'field': {n}, 'text': {odd}}}")
        query = _FIND_TEXTS.substitute(texts=", ".join(texts), source=self._table.source)
        self._table.run(self._cursor, query)
        found = self._cursor.execute("SELECT rows FROM found_texts WHERE field = ?", [_EVERY_ROW]).fetchall()
        return int(found[0][0]) if found else 0

    def _read_texts(self) -> dict[int, bool]:
        """Read what was found; return the fields of which something was, and whether any of it is refused."""
        self._cursor.execute(_READ_TEXTS)
        first = 0
        while texts := self._cursor.execute(_NEXT_TEXTS, [_PIECE, first]).fetchall():
            read = pd.DataFrame([self._read(n, text) for n, text in texts], columns=_COLUMNS)
            self._cursor.register("arriving", read)
            self._cursor.execute("INSERT INTO read_texts FROM arriving")
            self._cursor.unregister("arriving")
            first += _PIECE
        refusing = dict(self._cursor.execute(_FIELDS).fetchall())
        self._cursor.execute("DROP TABLE found_texts")
        return refusing

    def _read(self, n: int, text: str) -> tuple[object, ...]:
        """Return a row of the texts that were read."""
        field = self._found.fields[n]
        try:
            said = field.read(text, field.columns[0]) if field.read else ()
        except ValueError as error:
            return n, text, str(error), None, None
        return n, text, None, *said, *[None] * (2 - len(said))

    def _rows(self) -> str:
        """Return the query of what every row says, by the names of the fields' outputs."""
        cells, looked_up, said = [f"{self._table.is_blank} AS is_blank"], [], ["row", "is_blank"]
        for n, (field, cell) in enumerate(zip(self._found.fields, self._cells, strict=True)):
            if field.read is None:
                [output] = field.outputs
                cells.append(f"{cell or 'NULL::VARCHAR'} AS {output}")
                said.append(output)
                continue
            cells.append(f"{cell or 'NULL::VARCHAR'} AS text_{n}")
            if n in self._refusing:
                looked_up.append(_LOOK_UP.substitute(field=n))
            if self._refusing.get(n):
                said.append(f"read_{n}.reason AS reason_{n}")
            for place, (output, kind) in enumerate(field.outputs.items()):
                read = f"read_{n}.said_{place}::{kind}" if n in self._refusing else f"NULL::{kind}"
                cast = field.cast(f"text_{n}") if field.cast and not place else "NULL"
                said.append(f"coalesce({cast}, {read}) AS {output}")
        return _ROWS.substitute(
            cells=", ".join(cells),
            looked_up="".join(looked_up),
            said=", ".join(said),
            source=self._table.source,
        )

    def _reason(self, target: Target) -> str:
        """Return SQL of why a row cannot be a record, NULL where it can."""
        reasons = ["NULL::VARCHAR"]
        for n, field in enumerate(self._found.fields):
            empty = text_literal(f"{field.columns[0]} is empty")
            for output in field.outputs:
                matters = target.matters.get(output, "true")
                if self._refusing.get(n):
                    reasons.append(f"CASE WHEN {matters} THEN reason_{n} END")
                if output in target.needed:
                    reasons.append(f"CASE WHEN {output} IS NULL AND ({matters}) THEN {empty} END")
        return f"coalesce({', '.join(reasons)})"

    def _land(self, target: Target, rows: str) -> Landed | None:
        """Write the records of one kind, in the file's order; return what was written if anything was."""
        table = TABLES[target.kind]
        outputs = {output for field in self._found.fields for output in field.outputs}
        columns = {**{name: name for name in target.kind.model_fields if name in outputs}, **target.columns}
        words = {"table": table, "import_id": self._import_id}
        query = _LAND.substitute(
            words,
            rows=rows,
            first_line=self._table.lines_before + 1,
            columns=", ".join(f"{sql} AS {name}" for name, sql in columns.items()),
            wanted=target.rows,
            reason=self._reason(target),
        )
        [(records,)] = self._table.run(self._cursor, query)
        if not records:
            return None
        if target.note:
            self._table.tally.note(target.note)
        [(first_at, last_at, repeats)] = self._cursor.execute(_LANDED.substitute(words)).fetchall()
        if repeats and target.kind is BillLine:
            self._table.tally.note(
                f"Lines that say the same as another one: {repeats:,}. They count, since a charge can come "
                "twice; if they are in the file by mistake, undo its import."
            )
        return Landed(records, first_at, last_at)
