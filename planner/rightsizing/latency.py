"""Time to first token and time per token as the engines' counters tell them: means of five minutes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from inferplan.planner.confidence import DAY_S, confidence
from inferplan.planner.rightsizing.statistic import Statistic
from inferplan.planner.usage import BUCKET_S

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse

COUNTERS: Mapping[str, tuple[str, str]] = {
    "ttft_s": ("ttft_sum_s", "ttft_count"),
    "tpot_s": ("tpot_sum_s", "tpot_count"),
    "e2e_s": ("e2e_sum_s", "e2e_count"),
}
"""Latency -> the counters of which it is the quotient."""

MEASURED_BY = tuple(f"{counted}_per_s" for _, counted in COUNTERS.values())
"""Metrics without which there are no counters."""
_COUNTED: dict[str, object] = {
    "names": list(COUNTERS),
    "sums": [total for total, _ in COUNTERS.values()],
    "counts": [counted for _, counted in COUNTERS.values()],
    "bucket_s": BUCKET_S,
}
_MEANS = """
WITH named AS (
    SELECT unnest($names::VARCHAR[]) AS metric, unnest($sums::VARCHAR[]) AS total,
        unnest($counts::VARCHAR[]) AS counted
),
means AS (
    SELECT u.entity, n.metric, epoch_us(s.measured_at) // ($bucket_s * 1000000) AS bucket,
        sum(s.value) FILTER (u.metric = n.total)
            / nullif(sum(s.value) FILTER (u.metric = n.counted), 0) AS value
    FROM usage_samples AS s JOIN usage_series AS u USING (series_id)
        JOIN named AS n ON u.metric IN (n.total, n.counted)
    WHERE ($imports IS NULL OR list_contains($imports::BIGINT[], u.import_id))
        AND ($entity IS NULL OR u.entity = $entity) AND ($metric IS NULL OR n.metric = $metric)
        AND ($from_at IS NULL OR s.measured_at >= $from_at)
    GROUP BY ALL
)
"""
_STATISTICS = """
SELECT entity, metric, count(*) AS n, avg(value),
    quantile_cont(value, [0.5, 0.9, 0.95, 0.99, 0.999]), max(value),
    make_timestamp(min(bucket) * $bucket_s * 1000000), make_timestamp(max(bucket) * $bucket_s * 1000000)
FROM means WHERE value IS NOT NULL GROUP BY entity, metric
"""
_SERIES = """
SELECT make_timestamp(bucket * $bucket_s * 1000000) AS measured_at, value AS low, value AS mean,
    value AS high, 1 AS n
FROM means WHERE value IS NOT NULL ORDER BY 1
"""


def latencies(warehouse: "Warehouse", chosen: Mapping[str, object]) -> list[Statistic]:
    """Return the statistics of each process's mean latencies, over five-minute buckets with requests.

    A mean above a target shows that requests missed it; one below does not show that all kept it. Quotients
    of sums, so that exports which overlap change nothing. ``chosen`` is ``Measurements.parameters``.
    """
    found = []
    for entity, metric, n, mean, quantiles, largest, first_at, last_at in warehouse.rows(
        _MEANS + _STATISTICS, {**_COUNTED, **chosen, "entity": None, "metric": None}
    ):
        span_s = (last_at - first_at).total_seconds()
        coverage = n / (span_s / BUCKET_S + 1)
        p50, p90, p95, p99, p999 = quantiles
        found.append(
            Statistic(
                entity=entity, metric=metric, n=n, mean=mean, p50=p50, p90=p90, p95=p95, p99=p99, p999=p999,
                max=largest, first_at=first_at, last_at=last_at, days=span_s / DAY_S, coverage=coverage,
                confidence=confidence(n, coverage, first_at, last_at),
            )
        )  # fmt: skip
    return found


def latency_series(warehouse: "Warehouse", entity: str, metric: str) -> pd.DataFrame:
    """Return the means of one process over time, in the columns of ``usage.series``."""
    chosen = {"imports": None, "from_at": None, "entity": entity, "metric": metric}
    return warehouse.query(_MEANS + _SERIES, {**_COUNTED, **chosen})
