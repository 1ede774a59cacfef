"""Amazon CloudWatch's console, "Download as .csv" of a graph: a column per metric, rows of its facts above.

The first column names the facts (Full label, Label, Statistic, Period and more, as they were shown) until the
first time; times are as the console showed them, without a zone.
"""

from collections.abc import Iterator

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.cloudwatch_labels import meaning, unfit_statistic
from inferplan.datasets.uploads.dates import with_date_order
from inferplan.datasets.uploads.gathering import Gatherer
from inferplan.datasets.uploads.metrics import Naming, plain
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, Series, Tally, UnreadableError
from inferplan.datasets.uploads.roles import is_time
from inferplan.datasets.uploads.tables import dialect, header, rows

name = "cloudwatch-csv"
title = "Amazon CloudWatch graph (CSV of the console)"
kind = "usage"

_LABELS = ("fulllabel", "label")
_NUMBERS = {"min", "max", "sum", "average", "minimum", "maximum", "period", "lastvalue", "last"}
_MOST_FACTS = 40


def sniff(head: str) -> bool:
    """Recognise the corner cell, in a table without a column of times."""
    cells = header(head)
    return len(cells) > 1 and plain(cells[0]) in _LABELS and not any(is_time(cell) for cell in cells)


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every column."""
    form = dialect(upload.head)
    clock = Clock(with_date_order(options, upload.head), tally)
    gatherer = Gatherer(tally)
    table = rows(upload, form, tally)
    columns: list[tuple[Naming, Series] | None] = []
    for line, row in _after_facts(table, columns, options, tally):
        tally.rows_read += 1
        try:
            us = clock.us(row[0])
            pairs = list(zip(columns, row[1:], strict=True))
        except ValueError as error:
            tally.refuse(line, str(error))
            continue
        for column, cell in pairs:
            if column:
                gatherer.take(cell, *column, us, line, decimal_comma=form.decimal_comma)
        if gatherer.full:
            yield from gatherer.flush()
    yield from gatherer.flush()


def _after_facts(
    table: Iterator[tuple[int, list[str]]],
    columns: list[tuple[Naming, Series] | None],
    options: ReadOptions,
    tally: Tally,
) -> Iterator[tuple[int, list[str]]]:
    """Fill ``columns`` from the rows of facts and yield the rows that follow."""
    facts: dict[str, list[str]] = {}
    for line, row in table:
        if not any(cell.strip() for cell in row):
            continue
        fact = plain(row[0])
        if not columns and len(facts) < _MOST_FACTS and not row[0].strip()[:1].isdigit():
            facts[fact] = row[1:]
            continue
        if not columns:
            columns += _columns(facts, options, tally)
        yield line, row


def _columns(
    facts: dict[str, list[str]], options: ReadOptions, tally: Tally
) -> list[tuple[Naming, Series] | None]:
    """Return what each column holds, by all that stands above it."""
    labels = facts.get("fulllabel") or facts.get("label") or []
    if not labels:
        msg = "No row above the times holds the labels of the columns: export the graph again."
        raise UnreadableError(msg)
    found: list[tuple[Naming, Series] | None] = []
    for n, label in enumerate(labels):
        said = [cells[n] for fact, cells in facts.items() if fact not in _NUMBERS and n < len(cells)]
        naming, place = meaning(" ".join(dict.fromkeys(said)), "", options)
        unfit = unfit_statistic(" ".join(said), tally)
        if unfit or naming is None:
            tally.ignored[f"{label}: {unfit}" if unfit else label] += 1
        found.append(None if unfit or naming is None else (naming, Series(naming.metric, place)))
    series = [one[1] for one in found if one]
    if len(set(series)) < len(series):
        msg = "Several columns are of one metric and one place: name the machines in the labels of the graph."
        raise UnreadableError(msg)
    return found
