"""How long requests took: percentiles of requests, from logs exactly, from histograms between two bounds.

Histograms are merged by adding up their buckets, never by averaging percentiles: over time, over the
processes of a group, and over buckets that were cut in different ways. The request at a rank took longer than
the lower bound of its bucket and at most the upper one, so a percentile is told with both; between them it is
interpolated as PromQL's ``histogram_quantile`` does.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from inferplan.datasets.uploads.metrics import BUCKETS, OF_REQUESTS
from inferplan.planner.confidence import DAY_S
from inferplan.planner.usage import By

if TYPE_CHECKING:
    import numpy.typing as npt

    from inferplan.datasets.warehouse import Warehouse

    Values = npt.NDArray[np.float64]

Basis = Literal["request log", "histogram of requests", "histogram of tokens"]
SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
SOURCES: Mapping[str, tuple[str, Basis]] = {
    **{metric: (latency, "request log") for latency, metric in OF_REQUESTS.items()},
    "ttft_bucket": ("ttft_s", "histogram of requests"),
    "tpot_bucket": ("tpot_s", "histogram of requests"),
    "itl_bucket": ("tpot_s", "histogram of tokens"),
    "e2e_bucket": ("e2e_s", "histogram of requests"),
}
"""Metric -> the latency that it tells, and how."""
LOG_SHARE = 0.5
"""Of the requests in a histogram that a log must hold for its exact values to stand for all."""
_HOUR_S = 3600
_US = 1_000_000
_ROUNDING = 1e-6
_LEAST_WINDOW_S = 300


class Percentile(NamedTuple):
    """Seconds; without ``high`` a request at that rank may have taken any time beyond ``low``."""

    low: float
    value: float
    high: float | None

    @property
    def is_exact(self) -> bool:
        """Whether it was measured request by request."""
        return self.low == self.high

    def missed(self, target_s: float) -> bool | None:
        """Return whether it is beyond a target, ``None`` where the target lies within the bucket.

        >>> [Percentile(0.5, 0.8, 1.0).missed(target) for target in (0.5, 0.7, 1.0)]
        [True, None, False]
        """
        if self.low > target_s or (self.low == target_s and not self.is_exact):
            return True
        return False if self.high is not None and self.high <= target_s else None


@dataclass(frozen=True, slots=True)
class RequestLatency:
    """One latency of one group of processes over all of their requests."""

    group: str
    metric: str
    """``ttft_s``, ``tpot_s`` or ``e2e_s``."""
    basis: Basis
    observations: int
    """Requests, or tokens where tokens were timed."""
    first_at: datetime
    """Naive UTC, as the last."""
    last_at: datetime
    percentiles: Mapping[str, Percentile]
    """By name, ``p50`` to ``p99``."""

    @property
    def days(self) -> float:
        """Days from the first to the last observation."""
        return (self.last_at - self.first_at).total_seconds() / DAY_S


# Where the asked processes' observations are. An import is no part of a series' identity: what two of them
# tell of the same time counts once, the larger of the two.
_CHOSEN = """
WITH mapped AS (
    SELECT unnest($members::VARCHAR[]) AS entity, unnest($groups::VARCHAR[]) AS grp
),
chosen AS (
    SELECT s.series_id, s.metric, s.entity, s.variant, s.first_at, s.last_at, m.grp
    FROM usage_series AS s JOIN mapped AS m USING (entity)
    WHERE list_contains($metrics::VARCHAR[], s.metric)
        AND ($imports IS NULL OR list_contains($imports::BIGINT[], s.import_id))
        AND ($from_at IS NULL OR s.last_at >= $from_at)
)"""
_LOGGED = """,
answers AS (
    SELECT c.grp, c.metric, c.entity, s.measured_at, max(s.value) AS value
    FROM usage_samples AS s JOIN chosen AS c USING (series_id)
    WHERE $from_at IS NULL OR s.measured_at >= $from_at GROUP BY ALL
)
SELECT grp, metric,
    CASE WHEN $window_us IS NULL THEN 0 ELSE epoch_us(measured_at) // $window_us END AS time_window,
    count(*) AS n, min(measured_at) AS first_at, max(measured_at) AS last_at,
    quantile_cont(value, $shares::DOUBLE[]) AS q
FROM answers GROUP BY ALL ORDER BY ALL
"""
# Buckets are cumulative: what two neighbouring ones differ by within an hour lies between their bounds. Where
# the last bucket, the one without a bound, was not seen, nobody knows how many requests there were.
_COUNTED = """,
hourly AS (
    SELECT series_id, epoch_us(measured_at) // coalesce($window_us, $hour_us) AS time_window,
        sum(value) AS within
    FROM usage_samples SEMI JOIN chosen USING (series_id)
    WHERE $from_at IS NULL OR measured_at >= $from_at GROUP BY ALL
),
once AS (
    SELECT c.grp, c.metric, c.entity, TRY_CAST(split_part(c.variant, ',', 1) AS DOUBLE) AS high,
        regexp_replace(c.variant, '^[^,]*', '') AS kind, h.time_window, max(h.within) AS within
    FROM hourly AS h JOIN chosen AS c USING (series_id) GROUP BY ALL
),
bins AS (
    SELECT grp, metric, time_window, coalesce(lag(high) OVER bounds, 0) AS low, high,
        greatest(within - coalesce(lag(within) OVER bounds, 0), 0) AS n,
        max(high) OVER (PARTITION BY metric, entity, kind, time_window) AS last_bound
    FROM once WINDOW bounds AS (PARTITION BY metric, entity, kind, time_window ORDER BY high)
),
spans AS (SELECT grp, metric, min(first_at) AS first_at, max(last_at) AS last_at FROM chosen GROUP BY ALL)
SELECT grp, metric, CASE WHEN $window_us IS NULL THEN 0 ELSE time_window END AS time_window, low, high,
    sum(n) AS n, greatest(any_value(first_at), coalesce($from_at, any_value(first_at))) AS first_at,
    any_value(last_at) AS last_at
FROM bins JOIN spans USING (grp, metric) WHERE isinf(last_bound) AND n > 0 GROUP BY ALL ORDER BY ALL
"""


def request_latencies(
    warehouse: "Warehouse",
    groups: Mapping[str, str],
    import_ids: Sequence[int] | None = None,
    from_at: datetime | None = None,
) -> tuple[RequestLatency, ...]:
    """Return each latency of each group for which requests were logged or counted by bucket.

    Where both are there the log is taken, unless it holds less than ``LOG_SHARE`` of the requests; a
    histogram of requests goes before one of tokens.

    Parameters
    ----------
    groups
        Entity of a serving process -> group.
    from_at
        Naive UTC; earlier requests do not count.
    """
    found: dict[tuple[str, str], list[RequestLatency]] = {}
    for _, one in _windows(warehouse, groups, tuple(SOURCES), import_ids, from_at, None):
        found.setdefault((one.group, one.metric), []).append(one)
    return tuple(_chosen(found[key]) for key in sorted(found))


def processes(warehouse: "Warehouse", by: By) -> dict[str, str]:
    """Return the group of every entity whose requests were timed, for ``request_latencies``.

    By GPU or node it is the serving process: no request belongs to one GPU.
    """
    found = warehouse.rows(_PROCESSES, {"metrics": list(SOURCES), "grouping": by})
    return {entity: group for entity, group in found if group is not None}


def latency_over_time(
    warehouse: "Warehouse", entity: str, metric: str, basis: Basis, percentile: str, points: int = 200
) -> pd.DataFrame:
    """Return a percentile of a process's requests over time, in about ``points`` windows.

    Columns ``measured_at`` (naive UTC), ``low``, ``mean`` (the percentile), ``high``, ``n`` (requests); where
    the upper end is not known, ``high`` is ``low``. Each percentile is of the requests in its window alone.
    """
    sources = tuple(name for name, said in SOURCES.items() if said == (metric, basis))
    members = warehouse.rows(_MEMBERS, {"entity": entity, "metrics": list(sources)})
    rows = []
    if members:
        span_s = (max(row[2] for row in members) - min(row[1] for row in members)).total_seconds()
        window_s = max(_LEAST_WINDOW_S, math.ceil(span_s / points / _LEAST_WINDOW_S) * _LEAST_WINDOW_S)
        groups = {row[0]: entity for row in members}
        for window, one in _windows(warehouse, groups, sources, None, None, window_s):
            at = one.percentiles[percentile]
            rows.append((window * window_s, at.low, at.value, at.high or at.low, one.observations))
    found = pd.DataFrame(rows, columns=["measured_at", "low", "mean", "high", "n"])
    return found.assign(measured_at=pd.to_datetime(found["measured_at"], unit="s"))


_PROCESSES = """
SELECT entity, max(CASE $grouping WHEN 'model' THEN model WHEN 'team' THEN team
    ELSE regexp_replace(coalesce(replica, entity), '#\\d+$', '') END)
FROM usage_series WHERE list_contains($metrics::VARCHAR[], metric) GROUP BY entity
"""
_MEMBERS = """
SELECT entity, min(first_at), max(last_at) FROM usage_series
WHERE regexp_replace(coalesce(replica, entity), '#\\d+$', '') = $entity
    AND list_contains($metrics::VARCHAR[], metric) GROUP BY entity
"""


def _windows(
    warehouse: "Warehouse",
    groups: Mapping[str, str],
    metrics: Sequence[str],
    import_ids: Sequence[int] | None,
    from_at: datetime | None,
    window_s: int | None,
) -> Iterator[tuple[int, RequestLatency]]:
    """Yield the number of each window of time with what was measured in it; 0 where all time is one."""
    asked: dict[str, object] = {
        "members": list(groups),
        "groups": list(groups.values()),
        "imports": None if import_ids is None else list(import_ids),
        "from_at": from_at,
        "window_us": None if window_s is None else window_s * _US,
    }
    logged = {"metrics": [name for name in metrics if name not in BUCKETS], "shares": list(SHARES.values())}
    for group, metric, window, n, first_at, last_at, quantiles in warehouse.rows(
        _CHOSEN + _LOGGED, asked | logged
    ):
        exact = dict(zip(SHARES, (Percentile(q, q, q) for q in quantiles), strict=True))
        yield window, RequestLatency(group, *SOURCES[metric], n, first_at, last_at, exact)
    counted = {"metrics": [name for name in metrics if name in BUCKETS], "hour_us": _HOUR_S * _US}
    rows = warehouse.rows(_CHOSEN + _COUNTED, asked | counted)
    for (group, metric, window), bins in groupby(rows, key=lambda row: row[:3]):
        lows, highs, counts, firsts, lasts = zip(*(row[3:] for row in bins), strict=True)
        found = _percentiles(*(np.array(column) for column in (lows, highs, counts)))
        yield window, RequestLatency(
            group, *SOURCES[metric], round(sum(counts)), firsts[0], lasts[0],
            dict(zip(SHARES, found, strict=True)),
        )  # fmt: skip


def _percentiles(low: "Values", high: "Values", n: "Values") -> Iterator[Percentile]:
    """Yield the percentiles of ``n`` requests in each bucket, the buckets in order of their lower bounds.

    The request at rank ceil(share x n) decides, as for ``histogram_quantile``. The k-th smallest of the
    requests is at least the k-th smallest of the lower bounds and at most that of the upper ones.
    """
    by_high = np.argsort(high, kind="stable")
    begun, ended = np.cumsum(n), np.cumsum(n[by_high])
    for share in SHARES.values():
        rank = math.ceil(share * ended[-1] - _ROUNDING)
        lower = float(low[np.searchsorted(begun, rank)])
        found = int(np.searchsorted(ended, rank))
        at = by_high[found]
        upper = float(high[at])
        width = 0.0 if math.isinf(upper) else upper - low[at]
        value = low[at] + width * (1 - (ended[found] - share * ended[-1]) / n[at])
        yield Percentile(lower, min(max(float(value), lower), upper), None if math.isinf(upper) else upper)


def _chosen(found: Sequence[RequestLatency]) -> RequestLatency:
    """Return the one of several sources of a latency that tells the most."""
    by_basis = {one.basis: one for one in found}
    log, counted = by_basis.get("request log"), by_basis.get("histogram of requests")
    if log and (counted is None or log.observations >= LOG_SHARE * counted.observations):
        return log
    return counted or log or found[0]
