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
    _refuse_sums(upload, roles)
    if roles.tokens and not roles.is_request_log:
        tally.note(
            f"{' and '.join(roles.tokens)} beside other metrics: not used, since they may be of one "
            "request or counted so far. --map COLUMN=prompt_tokens (or generation_tokens) says that it is "
            "a counter."
        )
    if not roles.time:
        yield from _without_times(upload, names, roles, options, tally)
        return
    if roles.time_is_utc and options.time_zone is None:
        options = options.model_copy(update={"time_zone": "UTC"})
    options = with_date_order(options, upload.head)
    with opened(upload, names, tally) as opened_table:
        table, roles = with_spans(opened_table, roles)
        yield SampleTable(table, roles, options)


def _refuse_sums(upload: Upload, roles: Roles) -> None:
    """Raise ``UnreadableError`` for a table of which each row adds up several requests."""
    if roles.tokens and roles.sums_requests:
        msg = (
            f"{upload.file_name} adds up several requests in each row (column {roles.sums_requests}): when "
            "each came is lost. Export single requests, or the counters of the server; where a row is one "
            f"request, say --map {roles.sums_requests}=ignore."
        )
        raise UnreadableError(msg)


def _without_times(
    upload: Upload, names: list[str], roles: Roles, options: ReadOptions, tally: Tally
) -> Items:
    if not is_delimited(upload):
        msg = f"{upload.file_name} has no column of times, which only delimited text may lack."
        raise UnreadableError(msg)
    yield from samples_in_rounds(upload, names, roles, options, tally)
