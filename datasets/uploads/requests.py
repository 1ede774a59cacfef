"""Request logs, one request per row: requests and tokens by place and minute, latencies one by one."""

from collections.abc import Iterator, Mapping, Sequence
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from inferplan.datasets.uploads.reading import Batch, Labels, SampleTable, Series, UnreadableError
from inferplan.datasets.uploads.refusals import Refusals

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor

MAX_MINUTES = 1000 * 1440
_MINUTE_US = 60_000_000
_BY_MINUTE = Template("""
SELECT rank, epoch_us(measured_at) // 60000000 AS minute, count(*) AS requests, $prompt AS prompt_tokens,
    $generated AS generation_tokens
FROM arrived_rows JOIN place_ranks USING (place) WHERE measured_at IS NOT NULL GROUP BY ALL ORDER BY ALL
""")
_NEGATIVE = Template("""
SELECT rowid - (SELECT min(rowid) FROM arrived_rows) AS row,
    format('{:g} tokens are impossible', $column) AS reason
FROM arrived_rows WHERE $column < 0
""")
# Requests of the same moment are kept apart by a microsecond each, in order of their values, so that a log
# which overlaps another gives the same times.
_LATENCIES = Template("""
INSERT INTO usage_samples
SELECT $first_id::BIGINT + rank,
    measured_at + to_microseconds(row_number() OVER (PARTITION BY rank, measured_at ORDER BY value) - 1)
        AS measured_at, value
FROM (
    SELECT rank, measured_at, $column * $factor AS value FROM arrived_rows JOIN place_ranks USING (place)
    WHERE measured_at IS NOT NULL AND $column * $factor BETWEEN 0 AND $ceiling
) ORDER BY rank, measured_at
""")


def land_latencies(cursor: "Cursor", first_id: int, words: Mapping[str, object]) -> None:
    """Write what each request took, under the numbers from ``first_id`` on by place.

    ``words`` are the column, the factor to seconds and the largest possible value.
    """
    cursor.execute(_LATENCIES.substitute(words, first_id=first_id))


def requests_by_minute(
    cursor: "Cursor", table: SampleTable, places: Sequence[Labels], refusals: Refusals
) -> Iterator[Batch]:
    """Yield the sums of every minute between the first and the last request, zeros included.

    Tokens below zero go to ``refusals`` and count as none.

    Raises
    ------
    UnreadableError
        If they lie more than ``MAX_MINUTES`` apart.
    """
    roles = table.roles
    columns = {
        name: f"coalesce(sum(v{n}) FILTER (WHERE v{n} >= 0), 0)" for n, name in enumerate(roles.tokens)
    }
    for n in range(len(roles.tokens)):
        refusals.take(cursor, _NEGATIVE.substitute(column=f"v{n}"))
    words = {
        "prompt": columns.get(roles.input_tokens or "", "0.0"),
        "generated": columns.get(roles.output_tokens or "", "0.0"),
    }
    fetched = cursor.execute(_BY_MINUTE.substitute(words)).fetchnumpy()
    found = {name: np.asarray(column) for name, column in fetched.items()}
    for rank, labels in enumerate(places):
        rows = found["rank"] == rank
        minutes = found["minute"][rows]
        if not len(minutes):
            continue
        span = int(minutes[-1] - minutes[0]) + 1
        if span > MAX_MINUTES:
            msg = (
                f"{table.table.upload.file_name}: its requests lie {span // 1440:,} days apart, more than "
                f"{MAX_MINUTES // 1440:,}. Look for a wrong time among the first or the last ones."
            )
            raise UnreadableError(msg)
        times = (int(minutes[0]) + 1 + np.arange(span)) * _MINUTE_US
        for metric in ("requests", "prompt_tokens", "generation_tokens"):
            values = np.zeros(span)
            values[minutes - minutes[0]] = found[metric][rows]
            yield Batch(Series(metric, labels), times, values, interval_s=60.0)
