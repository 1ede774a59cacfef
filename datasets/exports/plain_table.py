"""Any other table with times: CSV, JSON lines or Parquet, wide (a metric per column) or long (metric, value).

Columns are recognised by name; what is not recognised is asked for as ``columns``. Besides ``time``, the
labels and the metrics a column can be ``metric_name`` with ``value`` (long tables), or ``input_tokens`` and
``output_tokens`` of one request per row (request logs), which are added up by minute; what a request took
(``ttft_ms``, ``e2e_s``, ...) is kept one by one.
"""

import re

from inferplan.datasets.uploads.dates import with_date_order
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, SampleTable, Tally, UnreadableError
from inferplan.datasets.uploads.roles import Roles, assign
from inferplan.datasets.uploads.rounds import samples_in_rounds
from inferplan.datasets.uploads.scanning import column_names, first_cells, is_delimited, opened
from inferplan.datasets.uploads.spans import with_spans
from inferplan.datasets.uploads.tables import header

name = "table"
title = "Any table with times: CSV, JSON, Parquet"
kind = "table"


def sniff(head: str) -> bool:
    """Take Parquet, JSON lines, and delimited text of several columns of which one looks like a time."""
    if head.startswith("PAR1,"):
        return True
    first = head.lstrip("\ufeff \t\r\n")
    if first.startswith("{"):
        return first.splitlines()[0].rstrip().endswith("}")
    return len(header(head)) > 1 or bool(re.match(r"\[\s*\{", first))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the table, with the meaning of its columns."""
    names = column_names(upload)
    roles = assign(names, options, first_cells(upload))
    for column in roles.without_unit:
        tally.note(f"{column} has no unit and is left out: say --map {column}=e2e_ms, ttft_s or the like.")
    tally.ignored.update(name for name in names if not roles.knows(name))
    if not roles.time:
        yield from _without_times(upload, names, roles, options, tally)
        return
    if roles.time_is_utc and options.time_zone is None:
        options = options.model_copy(update={"time_zone": "UTC"})
    options = with_date_order(options, upload.head)
    with opened(upload, names, tally) as opened_table:
        table, roles = with_spans(opened_table, roles)
        yield SampleTable(table, roles, options)


def _without_times(
    upload: Upload, names: list[str], roles: Roles, options: ReadOptions, tally: Tally
) -> Items:
    if not is_delimited(upload):
        msg = f"{upload.file_name} has no column of times, which only delimited text may lack."
        raise UnreadableError(msg)
    yield from samples_in_rounds(upload, names, roles, options, tally)
