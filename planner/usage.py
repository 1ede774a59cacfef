"""Percentiles of what was used: exact, over time, and of sums taken at the same time.

A percentile of a sum is not the sum of percentiles: for a node, replica, model or team the members'
values are first added up in buckets of five minutes, then the percentile is taken. Shares (0-1) are averaged
over the members at the same time instead. A bucket in which a member has a gap is left out, never filled
with zero.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.uploads.metrics import METRICS, OF_REQUESTS, OF_THE_WEEK
from inferplan.planner.confidence import DAY_S, confidence
from inferplan.planner.usage_histograms import BINNED
from inferplan.planner.usage_queries import CHOSEN, ENDS, FACTS, HELD, KINDS, OVERLAPPING, SINGLE, WEIGHTED
from inferplan.planner.usage_sums import FILLED, GAPPY, PACES, PASSES, SPANS, WHOLE

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor, Warehouse

By = Literal["gpu", "node", "replica", "model", "team"]
GROUPINGS: tuple[By, ...] = ("gpu", "node", "replica", "model", "team")
BUCKET_S = 300
PIECE_SAMPLES = 12_500_000
"""Samples whose quantiles are held at once: an eighth of a gigabyte."""
HISTOGRAM_SAMPLES = 500
"""As many samples as a histogram weighs: some sixty rows, each held with what lies below it."""
_PER_SECOND = "_per_s"
_PEAKS = [
    name
    for name in METRICS
    if name.startswith(("fb_", "kv_", "requests_")) or name in ("ram_used_bytes", "ram_used_ratio")
]
"""Metrics of which a bucket's maximum counts, not its mean: what is held must fit at every moment."""


_NOT_OVER_TIME = [
    *(metric.name for metric in METRICS.values() if metric.counter), *OF_REQUESTS.values(), *OF_THE_WEEK,
]  # fmt: skip
"""Increases, single requests and counts of hours: not values that hold for a time."""
ACTIVITY = (
    "sm_active_ratio", "sm_occupancy_ratio", "tensor_active_ratio", "dram_active_ratio",
    "gr_engine_active_ratio", "gpu_util_ratio", "mem_copy_util_ratio",
)  # fmt: skip
"""Metrics of work, which loading a model is not."""


@dataclass(frozen=True)
class Window:
    """Which samples count."""

    lookback_days: float | None = None
    """Before the newest sample of the chosen imports; ``None``: all of them."""
    warm_up_s: float = 0.0
    """Left out of ``ACTIVITY`` at the start of a place that came up while others were already measured."""


EVERYTHING = Window()


def window_within(warehouse: "Warehouse", window: Window, import_ids: Sequence[int] | None = None) -> Window:
    """Return ``window`` without its lookback where every sample lies inside: then both count the same."""
    if window.lookback_days is None:
        return window
    imports = list(import_ids) if import_ids is not None else None
    [(begins, latest)] = warehouse.rows(ENDS, {"imports": imports})
    is_inside = begins is not None and begins >= latest - timedelta(days=window.lookback_days)
    return replace(window, lookback_days=None) if is_inside else window


def percentiles(
    warehouse: "Warehouse",
    by: By = "gpu",
    import_ids: Sequence[int] | None = None,
    metrics: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return P50, P90, P95, P99 and maximum of every metric, by GPU, node, replica, model or team.

    Parameters
    ----------
    import_ids
        Imports to look at, all of them by default.
    metrics
        Canonical metrics to look at, all of them by default.

    Returns
    -------
    pandas.DataFrame
        One row per ``entity`` and ``metric``: ``unit``, ``n``, ``mean``, ``p50``, ``p90``, ``p95``, ``p99``,
        ``p999``, ``max``, ``first_at``, ``last_at`` (naive UTC), ``span_s``, ``step_s``, ``days``,
        ``coverage`` (0-1),
        ``confidence`` (a name), ``members``, and the labels ``entity_kind``, ``gpu_name``,
        ``gpu_index``, ``host``, ``replica``, ``model``, ``team``; ``binned`` where only counts of values
        came. Quantiles are interpolated linearly between ranks, as by ``quantile_cont``.
    """
    if by not in GROUPINGS:
        raise UnknownNameError("grouping", by, GROUPINGS)
    parameters = _parameters(by, import_ids, metrics)
    if by == "gpu":
        return _finished(_one_by_one(warehouse, parameters))
    return _finished(_added_up(warehouse, parameters))


def by_entity(
    warehouse: "Warehouse",
    import_ids: Sequence[int] | None = None,
    metrics: Sequence[str] | None = None,
    window: Window = EVERYTHING,
) -> pd.DataFrame:
    """Return ``percentiles`` of each GPU, slice, process and node alone."""
    return _finished(_one_by_one(warehouse, _parameters("entity", import_ids, metrics, window)))


def of_groups(
    warehouse: "Warehouse",
    groups: Mapping[str, str],
    import_ids: Sequence[int] | None = None,
    metrics: Sequence[str] | None = None,
    window: Window = EVERYTHING,
    *,
    filled: bool = False,
) -> pd.DataFrame:
    """Return ``percentiles`` of sums taken at the same time over groups: entity -> group.

    Where a member has a gap the moment is left out; with ``filled`` the most ever seen of it counts there.
    """
    parameters = _parameters("mapped", import_ids, metrics, window)
    parameters |= {"members": list(groups), "groups": list(groups.values())}
    return _finished(_added_up(warehouse, parameters, FILLED if filled else GAPPY))


def _parameters(
    grouping: str,
    import_ids: Sequence[int] | None,
    metrics: Sequence[str] | None,
    window: Window = EVERYTHING,
) -> dict[str, object]:
    return {
        "lookback_s": None if window.lookback_days is None else window.lookback_days * DAY_S,
        "warm_up_s": window.warm_up_s,
        "activity": list(ACTIVITY) if window.warm_up_s else [],
        "grouping": grouping,
        "imports": list(import_ids) if import_ids is not None else None,
        "metrics": list(metrics) if metrics is not None else None,
        "increases": _NOT_OVER_TIME,
        "members": [],
        "groups": [],
    }


_SUMMING: dict[str, object] = {
    "peaks": _PEAKS,
    "ratios": [metric.name for metric in METRICS.values() if metric.unit == "ratio"],
}


def _one_by_one(warehouse: "Warehouse", parameters: Mapping[str, object]) -> pd.DataFrame:
    with warehouse.transaction() as cursor:
        pieces = _choose(cursor, parameters, PIECE_SAMPLES)
        repeats, irregular, binned = cursor.execute(KINDS).fetchall()[0]
        parts = [cursor.execute(SINGLE, {"piece": piece}).df() for piece in range(pieces)]
        if binned:
            parts += [cursor.execute(BINNED, {"piece": piece}).df() for piece in range(pieces)]
        asked = ((OVERLAPPING, repeats), (WEIGHTED, irregular))
        parts += [cursor.execute(sql).df() for sql, is_there in asked if is_there]
        _forget(cursor, "facts", "chosen")
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _added_up(warehouse: "Warehouse", parameters: Mapping[str, object], gappy: str = GAPPY) -> pd.DataFrame:
    with warehouse.transaction() as cursor:
        _choose(cursor, parameters, PIECE_SAMPLES // 2)
        cursor.execute(SPANS, {"bucket_s": BUCKET_S})
        cursor.execute(PACES, _SUMMING)
        passes = cursor.execute(PASSES).fetchall() or [(0, True)]
        parts = [cursor.execute(WHOLE if whole else gappy, {"piece": piece}).df() for piece, whole in passes]
        _forget(cursor, "paces", "spans", "facts", "chosen")
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _choose(cursor: "Cursor", parameters: Mapping[str, object], piece_samples: int) -> int:
    """Choose the series and put them into groups; return in how many pieces the groups lie."""
    [(begins, latest)] = cursor.execute(ENDS, {"imports": parameters["imports"]}).fetchall()
    cursor.execute(CHOSEN, {**parameters, "begins": begins, "latest": latest})
    [(samples,)] = cursor.execute(HELD, {"histogram": HISTOGRAM_SAMPLES}).fetchall()
    pieces = math.ceil(samples / piece_samples) or 1
    cursor.execute(FACTS, {"pieces": pieces})
    return pieces


def _forget(cursor: "Cursor", *tables: str) -> None:
    for table in tables:
        cursor.execute(f"DROP TABLE {table}")


_QUANTILES = ("p50", "p90", "p95", "p99", "p999")
_COLUMNS = [
    "entity", "metric", "unit", "n", "mean", "p50", "p90", "p95", "p99", "p999", "max", "first_at", "last_at",
    "span_s", "step_s", "days", "coverage", "confidence", "members", "entity_kind", "gpu_name", "gpu_index",
    "host", "replica", "model", "team", "binned",
]  # fmt: skip


def _finished(found: pd.DataFrame) -> pd.DataFrame:
    """Name the quantiles and put coverage, days and confidence beside them."""
    found = found.rename(columns={"grp": "entity"})
    found[list(_QUANTILES)] = np.array(found["q"].tolist(), dtype=float).reshape(-1, len(_QUANTILES))
    found["span_s"] = (found["last_at"] - found["first_at"]).dt.total_seconds()
    expected = (found["span_s"] / found["step_s"]).round() + 1
    found["coverage"] = (found["n"] / expected).clip(upper=1.0)
    found["days"] = found["span_s"].clip(upper=found["n"] * found["step_s"]) / DAY_S
    found["confidence"] = [
        confidence(n, None if pd.isna(coverage) else coverage, first, last).name
        for n, coverage, first, last in zip(
            found["n"],
            found["coverage"],
            found["first_at"].dt.to_pydatetime(),
            found["last_at"].dt.to_pydatetime(),
            strict=True,
        )
    ]
    found["unit"] = found["metric"].map(unit_of)
    return found[_COLUMNS].sort_values(["entity", "metric"], ignore_index=True)


def unit_of(metric: str) -> str:
    """Return the unit of a metric, ``tokens/s`` for the rate of a counter of tokens.

    >>> unit_of("generation_tokens_per_s")
    'tokens/s'
    """
    if metric.endswith(_PER_SECOND) and metric not in METRICS:
        return f"{METRICS[metric.removesuffix(_PER_SECOND)].unit}/s"
    return METRICS[metric].unit


@dataclass(frozen=True)
class Unjoined:
    """Telemetry that stands alone: shown, never dropped."""

    gpus_without_process: tuple[str, ...]
    """GPUs that no pod or process is named for."""
    processes_without_gpu: tuple[str, ...]
    """Serving processes of which no GPU is known."""


def unjoined(warehouse: "Warehouse") -> Unjoined:
    """Return which GPUs and which serving processes could not be brought together by pod."""
    alone = warehouse.rows(
        "SELECT DISTINCT entity FROM usage_series WHERE entity_kind IN ('gpu', 'mig') "
        "GROUP BY entity HAVING count(replica) = 0 ORDER BY 1"
    )
    homeless = warehouse.rows(
        "SELECT DISTINCT entity FROM usage_series WHERE entity_kind = 'replica' "
        "AND coalesce(replica, entity) NOT IN (SELECT replica FROM usage_series "
        "WHERE entity_kind <> 'replica' AND replica IS NOT NULL) "
        "ORDER BY 1"
    )
    return Unjoined(tuple(row[0] for row in alone), tuple(row[0] for row in homeless))


_POINTS = """
WITH chosen AS (
    SELECT series_id, first_at, last_at, step_s FROM usage_series
    WHERE metric = $metric AND (entity = $entity OR replica = $entity)
),
width AS (
    SELECT ceil(epoch(max(last_at) - min(first_at)) / $points / coalesce(max(step_s), 1) + 0.01)
        * coalesce(max(step_s), 1) AS seconds FROM chosen
)
SELECT make_timestamp(CAST(floor(epoch(s.measured_at) / w.seconds) * w.seconds * 1000000 AS BIGINT))
    AS measured_at, min(s.value) AS low, avg(s.value) AS mean, max(s.value) AS high, count(*) AS n
FROM usage_samples AS s JOIN chosen USING (series_id) CROSS JOIN width AS w GROUP BY 1 ORDER BY 1
"""


def series(warehouse: "Warehouse", entity: str, metric: str, points: int = 500) -> pd.DataFrame:
    """Return a metric of one GPU or replica over time, thinned to about ``points`` rows for a chart.

    Columns ``measured_at`` (naive UTC), ``low``, ``mean``, ``high``, ``n``: a peak survives the thinning in
    ``high``. Times without samples have no row.
    """
    return warehouse.query(_POINTS, {"entity": entity, "metric": metric, "points": points})
