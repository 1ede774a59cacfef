"""Rows of a table as they arrive in DuckDB: texts become times and numbers there, the odd ones here.

``arrived_rows`` then holds per row of the file, in its order: ``place`` (a hash of the label texts),
``measured_at`` (UTC), a number per value column (``v0``, ``v1``, ...), and the ``texts`` of time, values and
labels where a cast failed and in a few rows more, from which the places are told. A line without any of them,
as spreadsheets leave at the end, is passed over.
"""

from collections.abc import Callable, Iterator, Sequence
from string import Template
from typing import TYPE_CHECKING, Any

import pandas as pd

from inferplan.datasets.uploads.cell_numbers import common_unit, number_in
from inferplan.datasets.uploads.clock import ZONE_QUESTION, Clock, zone, zone_note
from inferplan.datasets.uploads.metrics import UNITS
from inferplan.datasets.uploads.reading import MISSING_FROM, NeedsAnswerError, SampleTable
from inferplan.datasets.uploads.refusals import Refusals, refuse_other_header
from inferplan.datasets.uploads.report import naive_utc
from inferplan.datasets.uploads.scanning import is_delimited
from inferplan.datasets.uploads.times_in_sql import TimeForm, form_of, offset_at, shifts
from inferplan.datasets.uploads.values import MISSING_TEXT, number
from inferplan.datasets.uploads.wording import column_text, quoted, text_literal

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor

_PIECE = 100_000
_FIRST_ROWS = 1000
_ARRIVE = Template("""
CREATE OR REPLACE TEMP TABLE arrived_rows AS
SELECT place,
    CASE WHEN cast_at >= TIMESTAMP '2000-01-01' AND cast_at < TIMESTAMP '2100-01-01' THEN cast_at END
        AS measured_at, $values,
    CASE WHEN measured_at IS NULL
            THEN CASE WHEN NOT $may_be_blank OR concat(time_text, $texts) <> '' THEN [time_text, $texts] END
        WHEN hash(measured_at) % 64 = 0 OR $odd THEN [time_text, $texts] END AS texts
FROM (SELECT hash($keys) AS place, time_text, $time AS cast_at, $casts, $texts
    FROM (SELECT $columns FROM $source))
""")
_SECOND_HOUR = """
INSERT INTO second_hour
SELECT row, $offset_s FROM (
    SELECT row,
        bool_or(went_back) OVER (PARTITION BY place ORDER BY row ROWS UNBOUNDED PRECEDING) AS is_second
    FROM (
        SELECT rowid AS row, place, measured_at + INTERVAL 30 MINUTE < max(measured_at) OVER (
            PARTITION BY place ORDER BY rowid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS went_back
        FROM arrived_rows WHERE measured_at >= $after AND measured_at < $before
    )
) WHERE is_second
"""
_IN_UTC = Template("""
CREATE OR REPLACE TEMP TABLE arrived_rows AS
SELECT place,
    CASE WHEN NOT ($skipped) THEN measured_at - to_seconds(coalesce(offset_s, $offset)) END AS measured_at,
    arrived_rows.* EXCLUDE (place, measured_at, texts),
    CASE WHEN $skipped THEN [strftime(measured_at, '%Y-%m-%d %H:%M:%S')] ELSE texts END AS texts
FROM arrived_rows LEFT JOIN second_hour ON second_hour.row = arrived_rows.rowid ORDER BY arrived_rows.rowid
""")
_PLACES = "SELECT place, any_value(texts) FILTER (len(texts) > 1) FROM arrived_rows GROUP BY place"
_ODD_TEXTS = Template("""
CREATE OR REPLACE TEMP TABLE odd_texts AS
SELECT DISTINCT coalesce(texts[$position], '') AS text FROM arrived_rows
WHERE $column IS NULL AND texts IS NOT NULL AND $wanted
""")
_FILL = Template("""
UPDATE arrived_rows SET $column = read_texts.$kind FROM read_texts
WHERE $column IS NULL AND texts IS NOT NULL AND coalesce(texts[$position], '') = read_texts.text
    AND read_texts.$kind IS NOT NULL
""")
_REFUSED = Template("""
SELECT row, reason FROM (
    SELECT arrived_rows.rowid - (SELECT min(rowid) FROM arrived_rows) AS row, reason FROM arrived_rows
    JOIN read_texts ON coalesce(texts[$position], '') = read_texts.text
    WHERE $column IS NULL AND texts IS NOT NULL AND reason IS NOT NULL AND $wanted
)
""")


class Arrival:
    """The rows of one table in the temporary table ``arrived_rows``."""

    def __init__(
        self, cursor: "Cursor", table: SampleTable, columns: Sequence[str], refusals: Refusals
    ) -> None:
        """Let the value ``columns`` of ``table`` arrive; what cannot be read goes to ``refusals``.

        Raises
        ------
        NeedsAnswerError
            If the times carry no zone and none was told.
        """
        self._cursor = cursor
        self._table = table
        self._refusals = refusals
        self._columns = len(columns)
        times, *cells = self._first_cells(columns)
        self.units = [
            common_unit(texts) if column in table.roles.metrics else ""
            for column, texts in zip(columns, cells, strict=True)
        ]
        """Unit that the cells of each column carry, with the space before it; empty where they carry none."""
        form = form_of(next((text for text in times if text), ""), table.options)
        if form.is_local and not table.options.time_zone:
            raise NeedsAnswerError(ZONE_QUESTION)
        table.table.run(
            cursor, self._arriving(columns, form, is_padded=any(text != text.strip() for text in times))
        )
        if is_delimited(table.table.upload):
            refuse_other_header(cursor, table.table, (self._header(), *columns, *table.keys))
        if form.is_local:
            self._to_utc()
        self._read_times()

    def _first_cells(self, columns: Sequence[str]) -> list[list[str]]:
        texts = ", ".join((self._time_text(), *(_text(column) for column in columns)))
        rows = self._table.table.fetch(self._cursor, texts, limit=_FIRST_ROWS)
        return [[str(cell) for cell in cells if cell is not None] for cells in zip(*rows, strict=True)] or [
            [] for _ in range(len(columns) + 1)
        ]

    def _arriving(self, columns: Sequence[str], form: TimeForm, *, is_padded: bool) -> str:
        table, time = self._table.table, self._time_text()
        numbers = range(len(columns))
        # One text to look into, not IN: DuckDB makes a join of a long IN, and joined rows come in any order.
        missing = text_literal("|" + "|".join(sorted(MISSING_TEXT)) + "|")
        keys = self._table.keys
        hashed = [f"k{n}" for n in range(len(keys))]
        return _ARRIVE.substitute(
            values=", ".join(
                f"CASE WHEN isfinite(x{n}) AND x{n} < {MISSING_FROM!r} THEN x{n} END AS v{n}" for n in numbers
            ),
            odd=" OR ".join(
                f"CASE WHEN x{n} IS NULL AND t{n} IS NOT NULL THEN "
                f"NOT contains({missing}, concat('|', lower(trim(t{n})), '|')) "
                "ELSE false END"
                for n in numbers
            ),
            texts=", ".join((*(f"t{n}" for n in numbers), *hashed)),
            may_be_blank=str(is_delimited(table.upload)).lower(),
            keys=", ".join(hashed) or "0",
            time=form.expression("time_text"),
            casts=", ".join(
                f"{number_in(f't{n}', unit, decimal_comma=table.decimal_comma)} AS x{n}"
                for n, unit in enumerate(self.units)
            ),
            columns=", ".join(
                (
                    f"{f'trim({time})' if is_padded else time} AS time_text",
                    *(f"{_text(column)} AS t{n}" for n, column in enumerate(columns)),
                    *(f"{column_text(key)} AS k{n}" for n, key in enumerate(keys)),
                )
            ),
            source=table.source,
        )

    def _time_text(self) -> str:
        """Return an expression for the text of a row's time, which may stand in two columns."""
        day, clock = self._table.roles.time, self._table.roles.clock
        return f"concat_ws(' ', {_text(day)}, {_text(clock)})" if clock else _text(day)

    def _header(self) -> str:
        """Return the text that stands for the time in a line which repeats the header."""
        return " ".join(name for name in (self._table.roles.time, self._table.roles.clock) if name)

    def _to_utc(self) -> None:
        """Turn local times into UTC; in the hour that comes twice, the second is told by going back."""
        name = zone(str(self._table.options.time_zone))
        self._table.table.tally.note(zone_note(name.key))
        [(first, last)] = self._cursor.execute(
            "SELECT min(measured_at), max(measured_at) FROM arrived_rows"
        ).fetchall()
        changes = shifts(name, first, last) if first else []
        self._cursor.execute("CREATE OR REPLACE TEMP TABLE second_hour (row BIGINT, offset_s BIGINT)")
        skipped, offset = ["false"], ""
        for change in changes:
            if change.after < change.before:
                self._cursor.execute(
                    _SECOND_HOUR,
                    {
                        "offset_s": round(change.offset_after.total_seconds()),
                        "after": change.after,
                        "before": change.before,
                    },
                )
            else:
                skipped.append(
                    f"(measured_at >= TIMESTAMP '{change.before}' "
                    f"AND measured_at < TIMESTAMP '{change.after}')"
                )
            offset += (
                f"WHEN measured_at < TIMESTAMP '{change.before}' "
                f"THEN {round(change.offset_before.total_seconds())} "
            )
        final = round(offset_at(name, last).total_seconds()) if last else 0
        self._cursor.execute(
            _IN_UTC.substitute(
                skipped=" OR ".join(skipped),
                offset=f"CASE {offset} ELSE {final} END" if offset else str(final),
            )
        )

    def first_row(self) -> int:
        """Return the number that DuckDB gave to the first row."""
        found = self._cursor.execute("SELECT coalesce(min(rowid), 0) FROM arrived_rows").fetchall()
        return int(found[0][0])

    def count(self) -> tuple[int, int]:
        """Return how many rows arrived, and how many of them repeat the header or are blank."""
        [(rows, headers)] = self._cursor.execute(
            "SELECT (SELECT count(*) FROM arrived_rows), (SELECT count(*) FROM arrived_rows "
            "WHERE measured_at IS NULL AND (texts IS NULL OR coalesce(texts[1], '') = ?))",
            [self._header()],
        ).fetchall()
        return int(rows), int(headers)

    def places(self) -> list[tuple[Any, ...]]:
        """Return hash and texts of each combination of labels; of rare ones the table is asked again."""
        found = self._cursor.execute(_PLACES).fetchall()
        if all(texts for _, texts in found):
            return [(place, *texts[1 + self._columns :]) for place, texts in found]
        keys = ", ".join(column_text(key) for key in self._table.keys)
        return self._table.table.fetch(
            self._cursor, f"DISTINCT hash({keys}), {keys}" if keys else "DISTINCT hash(0)"
        )

    def _read_times(self) -> None:
        clock = Clock(self._table.options, self._table.table.tally)

        def read(text: str) -> tuple[object, str | None]:
            if text == self._header():  # a collector that was started again prints its header again
                return None, None
            try:
                return naive_utc(clock.us(text)), None
            except ValueError as error:
                return None, str(error)

        self._read("measured_at", 1, "true", read)

    def read_values(self, position: int, unit_factor: float | None, used: str) -> int:
        """Read the odd texts of a value column; return how many cells of ``used`` places are refused.

        ``unit_factor`` is the factor of the column's own unit; without one a cell may carry none.
        """
        decimal_comma = self._table.table.decimal_comma

        def read(text: str) -> tuple[object, str | None]:
            try:
                value, unit = number(text, decimal_comma=decimal_comma)
            except ValueError as error:
                return None, str(error)
            if value is None or not unit:
                return value, None
            if unit_factor is None or unit not in UNITS:
                return None, f"put the unit {unit} into the column's name"
            return value * UNITS[unit] / unit_factor, None

        return self._read(f"v{position}", position + 2, f"measured_at IS NOT NULL AND {used}", read)

    def _read(
        self, column: str, position: int, wanted: str, read: Callable[[str], tuple[object, str | None]]
    ) -> int:
        """Read each odd text of a column once, fill in what it says, and refuse the rest; return how many."""
        names = {"column": column, "position": position, "wanted": wanted}
        self._cursor.execute(_ODD_TEXTS.substitute(names))
        self._cursor.execute(
            "CREATE OR REPLACE TEMP TABLE read_texts "
            "(text VARCHAR, value DOUBLE, moment TIMESTAMP, reason VARCHAR)"
        )
        kind = "moment" if column == "measured_at" else "value"
        for texts in self._pieces():
            found = [(text, *read(text)) for text in texts]
            self._cursor.register("arriving", pd.DataFrame(found, columns=["text", kind, "reason"]))
            self._cursor.execute("INSERT INTO read_texts BY NAME FROM arriving")
            self._cursor.unregister("arriving")
        self._cursor.execute(_FILL.substitute(names, kind=kind))
        return self._refusals.take(self._cursor, _REFUSED.substitute(names))

    def _pieces(self) -> Iterator[list[str]]:
        first = 0
        while rows := self._cursor.execute(
            "SELECT text FROM odd_texts LIMIT ? OFFSET ?", [_PIECE, first]
        ).fetchall():
            yield [text for (text,) in rows]
            first += _PIECE


def _text(column: str) -> str:
    return f"CAST({quoted(column)} AS VARCHAR)"
