"""The one query that touches raw samples beyond one machine: counts by label, metric and bucket of value.

Written once for DuckDB and turned into other dialects by SQLGlot. It holds only what every engine does alike:
IEEE multiplication, division and addition, floor, count, integer sums, minimum, maximum. So each engine gives
the same rows to the last bit; averages and percentiles are taken afterwards, from the histogram.
"""

from string import Template

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.fleets.sample_table import LABELS, Measured, SampleTable
from inferplan.datasets.uploads.metrics import METRICS, OF_THE_WEEK
from inferplan.datasets.uploads.reading import MISSING_FROM

BUCKETS_PER_UNIT = {"ratio": 100.0, "bytes": 2.0**-28, "W": 0.1}
"""Whole per cents, 256 MiB, 10 W; one bucket per unit for the rest, each around its whole number."""
COLUMNS = (
    *LABELS,
    "metric",
    "step_s",
    "bucket",
    "samples",
    "seconds",
    "low",
    "high",
    "first_at_s",
    "last_at_s",
)
"""What the query returns: ``low`` and ``high`` are the smallest and largest value in the bucket; a row
without a bucket counts the samples that had no time or no possible value."""
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_NO_SECONDS = {"bigquery", "hive", "mysql", "oracle", "sqlite", "doris", "starrocks"}
"""Dialects whose seconds between two timestamps SQLGlot does not write as we mean them."""


def reduction_sql(samples: SampleTable, dialect: str = "duckdb") -> str:
    """Return the query that reduces ``samples`` to a histogram, in SQLGlot's ``dialect``.

    Raises
    ------
    InferplanError
        If SQLGlot has no such dialect, or cannot count seconds in it.
    """
    import sqlglot
    from sqlglot.errors import ErrorLevel, SqlglotError

    if samples.time_unit == "timestamp" and dialect in _NO_SECONDS:
        msg = (
            f"Timestamps cannot be turned into seconds in {dialect} by this query. Give a column of seconds "
            "since 1970 (a view with one will do) and say time_unit = 's'."
        )
        raise InferplanError(msg)
    try:
        return sqlglot.transpile(
            _duckdb(samples),
            read="duckdb",
            write=dialect,
            identify=True,
            pretty=True,
            unsupported_level=ErrorLevel.IGNORE,
        )[0]
    except (SqlglotError, ValueError) as error:
        raise InferplanError(f"There is no query for the dialect {dialect!r}: {error}") from error


_VALUES = Template("""
SELECT $labels '$metric' AS metric, $at_s AS at_s,
    TRY_CAST($column AS DOUBLE) * CAST($factor AS DOUBLE) AS value,
    CAST($largest AS DOUBLE) AS largest, CAST($buckets_per_unit AS DOUBLE) AS buckets_per_unit
FROM $table WHERE $condition
""")
_HISTOGRAM = Template("""
WITH samples AS ($values),
good AS (
    SELECT *, at_s IS NOT NULL AND value >= CAST(0 AS DOUBLE) AND value <= largest AS is_good FROM samples
),
binned AS (
    SELECT $place, at_s, $seconds AS seconds, CASE WHEN is_good THEN ABS(value) END AS value,
        CASE WHEN is_good THEN
            CAST(FLOOR(value * buckets_per_unit + CAST(0.5 AS DOUBLE)) AS BIGINT) END AS bucket
    FROM good
)
$hours
SELECT $columns, CAST($step_s AS BIGINT) AS step_s, bucket, CAST(COUNT(*) AS BIGINT) AS samples,
    CAST(SUM(seconds) AS BIGINT) AS seconds, MIN(value) AS low, MAX(value) AS high,
    MIN(at_s) AS first_at_s, MAX(at_s) AS last_at_s
FROM binned GROUP BY $place, bucket
$week
""")
# An hour counts where half of it was measured; it is idle where the largest value in it is below 1 %, or
# below one request. 1970 began on a Thursday, 72 hours into the week.
_HOURS = Template(""",
peaks AS (
    SELECT $labels, metric, CAST(FLOOR(CAST(at_s AS DOUBLE) / CAST(3600 AS DOUBLE)) AS BIGINT) AS hour,
        MAX(value) AS peak
    FROM binned WHERE bucket IS NOT NULL AND metric IN ($shown_by)
    GROUP BY $labels, metric, CAST(FLOOR(CAST(at_s AS DOUBLE) / CAST(3600 AS DOUBLE)) AS BIGINT)
    HAVING SUM(seconds) >= 1800
),
named AS (SELECT $labels, CASE $names END AS metric, hour, peak FROM peaks),
hours AS (
    SELECT $labels, metric, hour, (hour + 72) % 168 AS bucket, MAX(peak) AS peak
    FROM named GROUP BY $labels, metric, hour
)""")
_WEEK = Template("""UNION ALL
SELECT $columns, CAST(3600 AS BIGINT) AS step_s, bucket, CAST(COUNT(*) AS BIGINT) AS samples,
    CAST(SUM(CASE WHEN peak < CAST(0.01 AS DOUBLE) THEN 3600 ELSE 0 END) AS BIGINT) AS seconds,
    MIN(peak) AS low, MAX(peak) AS high, MIN(hour) * 3600 AS first_at_s, MAX(hour) * 3600 + 3599 AS last_at_s
FROM hours GROUP BY $labels, metric, bucket""")


def _duckdb(samples: SampleTable) -> str:
    labels = ", ".join(label for label in LABELS if label in samples.labels)
    place = f"{labels}, metric"
    absent = {label: f"CAST(NULL AS TEXT) AS {label}" for label in LABELS if label not in samples.labels}
    columns = ", ".join(absent.get(name, name) for name in (*LABELS, "metric"))
    hours = _hours(samples, labels)
    return _HISTOGRAM.substitute(
        values="\nUNION ALL\n".join(_values(samples, one) for one in samples.metrics),
        place=place,
        seconds=_seconds(samples, place),
        columns=columns,
        step_s=samples.step_s,
        hours=hours,
        week=_WEEK.substitute(columns=columns, labels=labels) if hours else "",
    )


def _hours(samples: SampleTable, labels: str) -> str:
    """Return the steps that find the idle hours; nothing where they are not asked for or cannot be shown."""
    measured = {one.canonical for one in samples.metrics}
    names = {metric: name for name, shown in OF_THE_WEEK.items() for metric in shown if metric in measured}
    if not samples.idle_hours or not names:
        return ""
    return _HOURS.substitute(
        labels=labels,
        shown_by=", ".join(f"'{metric}'" for metric in names),
        names=" ".join(f"WHEN metric = '{metric}' THEN '{name}'" for metric, name in names.items()),
    )


def _values(samples: SampleTable, one: Measured) -> str:
    """Return the rows of one metric: labels, time in seconds, and the value in our unit."""
    metric = METRICS[one.canonical]
    said = (
        f"CAST({_quoted(samples.labels[label])} AS TEXT) AS {label},"
        for label in LABELS
        if label in samples.labels
    )
    return _VALUES.substitute(
        labels=" ".join(said),
        metric=metric.name,
        at_s=_time(samples),
        column=_quoted(one.column or samples.value_column or ""),
        factor=repr(one.to_our_unit),
        largest=repr(min(metric.largest, MISSING_FROM)),
        buckets_per_unit=repr(BUCKETS_PER_UNIT.get(metric.unit, 1.0)),
        table=".".join(map(_quoted, samples.table.split("."))),
        condition=_condition(samples, one),
    )


def _condition(samples: SampleTable, one: Measured) -> str:
    if samples.metric_column is None or one.name is None:
        return "TRUE"
    return f"{_quoted(samples.metric_column)} = '" + one.name.replace("'", "''") + "'"


def _time(samples: SampleTable) -> str:
    column = _quoted(samples.measured_at)
    if samples.time_unit == "timestamp":
        second = f"DATE_TRUNC('second', TRY_CAST({column} AS TIMESTAMP))"
        return f"DATE_DIFF('second', CAST('1970-01-01 00:00:00' AS TIMESTAMP), {second})"
    return f"CAST(FLOOR(TRY_CAST({column} AS DOUBLE) / {_PER_SECOND[samples.time_unit]}) AS BIGINT)"


def _seconds(samples: SampleTable, place: str) -> str:
    """Return the whole seconds that a sample stands for."""
    if not samples.irregular:
        return f"CAST({samples.step_s} AS BIGINT)"
    following = f"LEAD(at_s) OVER (PARTITION BY {place} ORDER BY at_s, value)"
    return f"LEAST(COALESCE({following} - at_s, {samples.step_s}), {2 * samples.step_s})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
