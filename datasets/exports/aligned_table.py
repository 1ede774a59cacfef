"""Tables for people, whose columns two spaces or more keep apart: ``column -t``, ``DataFrame.to_string``.

A cell that was left empty moves those behind it, so that a row of another width than the header is refused.
"""

import re
from itertools import islice

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.dates import with_date_order
from inferplan.datasets.uploads.metrics import named_in_table
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, Labels, ReadOptions, Tally, UnreadableError
from inferplan.datasets.uploads.roles import assign, is_time
from inferplan.datasets.uploads.rounds import Rounds, samples_of_rows
from inferplan.datasets.uploads.tables import has_header

name = "aligned-table"
title = "Table aligned by spaces"
kind = "usage"

_GAP = re.compile(r" {2,}")
_FIRST_LINES = 6
_OTHER_DELIMITERS = re.compile(r"[,;|{}<\t]")


def sniff(head: str) -> bool:
    """Recognise names of columns, a time or a metric among them, above rows of as many cells."""
    first = list(islice((line for line in head.lstrip("\ufeff").splitlines() if line.strip()), _FIRST_LINES))
    if len(first) < 2 or _OTHER_DELIMITERS.search(first[0]) or first[0].lstrip().startswith("#"):
        return False
    names, *rows = (_cells(line) for line in first)
    known = any(is_time(one) or named_in_table(one) for one in names)
    return len(names) > 1 and known and has_header(names) and len(rows[0]) == len(names)


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every row."""
    lines = ((line, _cells(text)) for line, text in upload.lines(tally) if text.strip())
    _, names = next(lines)
    roles = assign(names, options)
    if not roles.metrics or roles.tokens:
        msg = f"{upload.file_name} is a table aligned by spaces, not of metrics in columns: save it as CSV."
        raise UnreadableError(msg)
    tally.ignored.update(one for one in names if not roles.knows(one))
    clock = Clock(with_date_order(options, upload.head), tally)
    rounds = Rounds(options, "This table")
    if not roles.time:
        rounds.ask()

    def at(said: dict[str, str], labels: Labels) -> int:
        times = [said[column] for column in (roles.time, roles.clock) if column]
        return clock.us(" ".join(times)) if times else rounds.us(labels)

    yield from samples_of_rows(lines, names, roles, options, tally, at)


def _cells(line: str) -> list[str]:
    return _GAP.split(line.strip())
