"""What is learnt of each series once its samples are in the warehouse: span, step, gaps and order."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from string import Template
from typing import TYPE_CHECKING

from inferplan.datasets.uploads.metrics import BUCKETS, OF_REQUESTS
from inferplan.datasets.uploads.reading import Series

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor

US = 1_000_000
_PIECE = 20_000
RATE = "_per_s"
"""Ending of the metric that holds a counter's increase per second."""


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """Span, step and gaps of one series."""

    samples: int
    first_us: int
    last_us: int
    step_s: float | None
    """Usual seconds between samples: the median of the distances, or the commonest one where that is shorter
    and the others are multiples of it (half of the samples missing); ``None`` for fewer than two samples."""
    irregular: bool
    """Whether more than a tenth of the distances are no multiple of the step (10 % off)."""
    coverage: float | None
    """Samples there are as a share of those there would be without gaps."""


def counted(samples: int, first_us: int, last_us: int, step_s: int) -> SeriesFacts:
    """Return the facts of a series of which only counts and span are known."""
    expected = round((last_us - first_us) / US / step_s) + 1
    return SeriesFacts(samples, first_us, last_us, float(step_s), False, min(1.0, samples / expected))


@dataclass(frozen=True)
class Order:
    """How far the samples that arrived were from one value per time, in order of time."""

    repeated: int = 0
    """Samples dropped because their series has that time already."""
    went_back: int = 0
    """Series whose times were not in order."""


# The samples of a series follow each other in the table, in the order in which they arrived, so that each
# is compared with the row before it; a step is negative where time went back and 0 where it stood still.
# A step within 2 % of whole seconds is whole: exporters jitter by milliseconds.
_ARRIVED = Template("""
    SELECT series_id, epoch_us(measured_at) AS us, epoch_us(measured_at) - lag(epoch_us(measured_at)) OVER ()
        AS step_us, lag(series_id) OVER () AS series_before
    FROM (FROM $samples WHERE series_id >= $from_id AND series_id < $to_id)
""")
_MEASURE = Template("""
INSERT INTO series_facts
WITH arrived AS ($arrived),
steps AS (
    SELECT series_id, CASE WHEN series_before IS DISTINCT FROM series_id THEN NULL WHEN step_us <= 0
        THEN sign(step_us) ELSE greatest(step_us // 1000, 1) END AS step_ms, count(*) AS n,
        min(us) AS first_us, max(us) AS last_us
    FROM arrived GROUP BY ALL
),
whole AS (
    SELECT series_id, sum(n)::BIGINT AS samples, min(first_us) AS first_us, max(last_us) AS last_us,
        coalesce(bool_or(step_ms = 0), false) AS repeats, coalesce(bool_or(step_ms < 0), false) AS went_back
    FROM steps GROUP BY series_id
),
forward AS (
    SELECT series_id, step_ms, n, sum(n) OVER (PARTITION BY series_id ORDER BY step_ms) AS up_to,
        sum(n) OVER (PARTITION BY series_id) AS steps
    FROM steps WHERE step_ms > 0
),
medians AS (
    SELECT series_id, min(step_ms) / 1000 AS raw_s,
        CASE WHEN abs(raw_s - round(raw_s)) <= 0.02 * round(raw_s) THEN round(raw_s) ELSE raw_s END AS step_s
    FROM forward WHERE 2 * up_to >= steps GROUP BY series_id
),
rounded AS (
    SELECT series_id, CASE WHEN step_ms < 2000 THEN step_ms ELSE round(step_ms, -3) END AS step_ms,
        sum(n) AS n
    FROM forward GROUP BY ALL
),
commonest AS (
    SELECT series_id, first(step_ms ORDER BY n DESC, step_ms) / 1000 AS step_s
    FROM rounded GROUP BY series_id
),
candidates AS (
    SELECT series_id, step_s, 1 AS place FROM medians
    UNION ALL
    SELECT c.series_id, c.step_s, 0 FROM commonest AS c JOIN medians AS m USING (series_id)
    WHERE c.step_s < 0.75 * m.step_s
),
judged AS (
    SELECT series_id, place, step_s, coalesce(sum(n) FILTER (
        abs(step_ms / 1000 / step_s - greatest(1, round(step_ms / 1000 / step_s))) > 0.1
    ), 0) > 0.1 * sum(n) AS irregular
    FROM forward JOIN candidates USING (series_id) GROUP BY ALL
),
usual AS (
    SELECT series_id, first(step_s ORDER BY place) AS step_s, first(irregular ORDER BY place) AS irregular
    FROM judged WHERE place = 1 OR NOT irregular GROUP BY series_id
)
SELECT series_id, samples, first_us, last_us, step_s, coalesce(irregular, false), repeats, went_back,
    least(1.0, samples / (round((last_us - first_us) / 1e6 / step_s) + 1)) AS coverage
FROM whole LEFT JOIN usual USING (series_id)
""")
_FACTS = """
CREATE OR REPLACE TEMP TABLE series_facts (
    series_id BIGINT, samples BIGINT, first_us BIGINT, last_us BIGINT, step_s DOUBLE, irregular BOOLEAN,
    repeats BOOLEAN, went_back BOOLEAN, coverage DOUBLE)
"""
_UNTIDY = """
CREATE OR REPLACE TEMP TABLE untidy_series AS
SELECT series_id FROM series_facts WHERE repeats OR went_back
"""
_TIDY = """
CREATE OR REPLACE TEMP TABLE tidy_samples AS
SELECT series_id, measured_at, max(value) AS value FROM usage_samples
WHERE series_id >= ? AND series_id IN (FROM untidy_series) GROUP BY ALL ORDER BY series_id, measured_at
"""
_ORDER = """
SELECT (SELECT coalesce(sum(samples), 0) FROM series_facts SEMI JOIN untidy_series USING (series_id))
    - (SELECT count(*) FROM tidy_samples), (SELECT count(*) FROM series_facts WHERE went_back)
"""


def measure(
    cursor: "Cursor", first_id: int, series: Mapping[Series, int]
) -> tuple[dict[Series, SeriesFacts], Order]:
    """Put samples from ``first_id`` on in order, one per time (the larger value), and learn what they are.

    ``series`` gives their numbers; one without any sample is left out.
    """
    cursor.execute(_FACTS)
    cursor.execute(_measuring("usage_samples", series.values()))
    cursor.execute(_UNTIDY)
    order = Order()
    if cursor.execute("SELECT 1 FROM untidy_series LIMIT 1").fetchall():
        cursor.execute(_TIDY, [first_id])
        order = Order(*cursor.execute(_ORDER).fetchall()[0])
        cursor.execute(
            "DELETE FROM usage_samples WHERE series_id >= ? AND series_id IN (FROM untidy_series)", [first_id]
        )
        cursor.execute("INSERT INTO usage_samples FROM tidy_samples")
        cursor.execute("DELETE FROM series_facts WHERE repeats OR went_back")
        cursor.execute(_measuring("tidy_samples", series.values()))
        cursor.execute("DROP TABLE tidy_samples")
    cursor.execute(
        "SELECT series_id, samples, first_us, last_us, step_s, irregular, coverage FROM series_facts"
    )
    by_number = {number: one for one, number in series.items()}
    facts: dict[Series, SeriesFacts] = {}
    while rows := cursor.fetchmany(_PIECE):
        facts |= {by_number[number]: SeriesFacts(*rest) for number, *rest in rows}
    return facts, order


def _measuring(samples: str, numbers: Collection[int]) -> str:
    """Return the query over the table ``samples``, in two halves: one thread looks at neighbouring rows."""
    first, end = min(numbers, default=0), max(numbers, default=0) + 1
    edges = (first, (first + end) // 2, end)
    halves = (_ARRIVED.substitute(samples=samples, from_id=a, to_id=b) for a, b in pairwise(edges))
    return _MEASURE.substitute(arrived="UNION ALL".join(halves))


_REPLICA_METRICS = {
    "kv_cache_usage_ratio", "requests_running", "requests_waiting", "requests", "preemptions",
    "prompt_tokens", "generation_tokens", "prefix_cache_queries", "prefix_cache_hits", "ttft_sum_s",
    "ttft_count", "tpot_sum_s", "tpot_count", "e2e_sum_s", "e2e_count", "queue_sum_s", "queue_count",
    "idle_request_hours", *BUCKETS, *OF_REQUESTS, *OF_REQUESTS.values(),
}  # fmt: skip
_NODE_METRICS = {"cpu_util_ratio", "cpu_used_cores", "ram_used_bytes", "ram_used_ratio"}


def entity_of(series: Series, file_name: str) -> tuple[str, str]:
    """Return the kind and the key of what a series is of: a GPU, a MIG slice, a replica or a node.

    A file that names no machine is a place of its own, so that two such files never run together.
    """
    labels = series.labels
    if series.metric in _NODE_METRICS:
        return "node", labels.host or labels.instance_id or labels.pod or file_name
    if series.metric.removesuffix(RATE) in _REPLICA_METRICS:
        return "replica", replica_of(series) or labels.model or labels.host or file_name
    slice_text = f"/{labels.mig_id or labels.mig_profile}" if labels.mig_id or labels.mig_profile else ""
    kind = "mig" if slice_text else "gpu"
    if labels.gpu_uuid:
        return kind, labels.gpu_uuid + slice_text
    place = labels.host or labels.instance_id or labels.endpoint
    if labels.gpu_index is not None:
        return kind, f"{place or labels.pod or file_name}/{labels.gpu_index}{slice_text}"
    return kind, (place or labels.pod or file_name) + slice_text


def replica_of(series: Series) -> str | None:
    """Return the key of the serving process, ``None`` where nothing names one.

    The endpoint that was scraped names an engine's own metrics only: for a GPU it is the exporter's.
    """
    labels = series.labels
    if labels.pod:
        process = f"{labels.namespace}/{labels.pod}" if labels.namespace else labels.pod
    elif labels.endpoint and series.metric.removesuffix(RATE) in _REPLICA_METRICS:
        process = labels.endpoint
    else:
        return None
    return process if labels.engine in (None, "0") else f"{process}#{labels.engine}"
