"""What was measured of each serving process and its GPUs, gathered for the rules."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inferplan.datasets import catalog
from inferplan.planner import usage
from inferplan.planner.request_latency import RequestLatency, request_latencies
from inferplan.planner.rightsizing.latency import MEASURED_BY, latencies
from inferplan.planner.rightsizing.statistic import Statistic, statistics_of
from inferplan.planner.rightsizing.unit import SHOWS_WORK, Unit

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse

_ENGINE_RANK = re.compile(r"#\d+$")
HOURS_PER_WEEK = 168
BLOCKS_PER_WEEK = 42
Week = NDArray[np.float64]
"""A value for each four hours of a week, from Monday 0:00 UTC."""


@dataclass(frozen=True)
class Measurements:
    """The chosen imports and the part of them that counts; rules ask for sums taken at the same time."""

    warehouse: "Warehouse"
    import_ids: Sequence[int] | None = None
    window: usage.Window = usage.EVERYTHING

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """Every unit of which anything was measured, in the order of their keys."""
        return tuple(unit for unit in _gather(self) if unit.statistics)

    def together(
        self, groups: Mapping[str, Sequence[Unit]], metrics: Sequence[str]
    ) -> dict[tuple[str, str], Statistic]:
        """Return the statistics of each group's members at the same time, by group and metric.

        Shares are the members' mean, everything else their sum. A metric that was not measured on all GPUs
        (or, by an engine, on all processes) of a group is left out.
        """
        entities = {entity: name for name, units in groups.items() for entity in _entities(units)}
        if not entities:
            return {}
        found = usage.of_groups(self.warehouse, entities, self.import_ids, metrics, self.window)
        sizes = {name: (len(units), sum(len(unit.gpus) for unit in units)) for name, units in groups.items()}
        return {
            (one.entity, one.metric): one
            for one, members in zip(statistics_of(found), found["members"].tolist(), strict=True)
            if members in sizes[one.entity]
        }

    def weeks(self, entities: Sequence[str], metrics: Sequence[str]) -> dict[tuple[str, str], Week]:
        """Return how high each metric is over the week; NaN where it was not measured.

        Mean plus 1.64 standard deviations, P95 of a normal distribution: to compare by, not to decide on.
        """
        asked = self.parameters | {"entities": list(entities), "metrics": list(metrics)}
        found = self.warehouse.query(_WEEKS, asked)
        weeks = np.full((len(entities), len(metrics), BLOCKS_PER_WEEK), np.nan)
        at = tuple(found[name].to_numpy() for name in ("place", "metric", "block"))
        weeks[at] = found["value"].to_numpy()
        return {
            (entity, metric): weeks[place, number]
            for place, entity in enumerate(entities)
            for number, metric in enumerate(metrics)
        }

    @cached_property
    def parameters(self) -> dict[str, object]:
        """Which samples count: ``imports`` and ``from_at`` (naive UTC), each ``None`` for all."""
        imports = list(self.import_ids) if self.import_ids is not None else None
        [(latest,)] = self.warehouse.rows(_LATEST, {"imports": imports})
        days = self.window.lookback_days
        from_at = None if days is None or latest is None else latest - timedelta(days=days)
        return {"imports": imports, "from_at": from_at}


def series_together(
    warehouse: "Warehouse", entities: Sequence[str], metric: str, points: int = 500
) -> pd.DataFrame:
    """Return the mean of a metric over several units at the same time, in the columns of ``usage.series``.

    Of buckets of five minutes in which all of them were measured; times their number it is their sum.
    """
    return warehouse.query(_TOGETHER, {"entities": list(entities), "metric": metric, "points": points})


def _entities(units: Iterable[Unit]) -> set[str]:
    return {
        entity for unit in units for entity in (*unit.gpus, *(one.entity for one in unit.statistics.values()))
    }


_COUNTED_ABOVE_ZERO = ("requests_waiting", "preemptions_per_s")
_LATEST = """
SELECT max(last_at) FROM usage_series
WHERE $imports IS NULL OR list_contains($imports::BIGINT[], import_id)
"""
_SHARES = """
WITH wanted AS (
    SELECT series_id, entity, metric, last_at FROM usage_series
    WHERE list_contains($metrics::VARCHAR[], metric)
        AND ($imports IS NULL OR list_contains($imports::BIGINT[], import_id))
),
counted AS (
    SELECT w.entity, w.metric, count(*) FILTER (s.value > 0) AS above, count(*) AS samples
    FROM usage_samples AS s JOIN wanted AS w USING (series_id)
    WHERE $from_at IS NULL OR s.measured_at >= $from_at GROUP BY ALL
    UNION ALL
    SELECT w.entity, w.metric, sum(h.samples) FILTER (h.high > 0), sum(h.samples)
    FROM usage_histograms AS h JOIN wanted AS w USING (series_id)
    WHERE $from_at IS NULL OR w.last_at >= $from_at GROUP BY ALL
)
SELECT entity, metric, coalesce(sum(above), 0) / sum(samples) FROM counted GROUP BY ALL
"""
_PLACES = """
SELECT s.entity, s.entity_kind, any_value(s.replica) AS replica, any_value(s.gpu_name) AS gpu_name,
    any_value(s.host) AS host, any_value(s.instance_id) AS instance_id,
    any_value(s.instance_type) AS instance_type, any_value(s.namespace) AS namespace,
    any_value(s.model) AS model, any_value(s.team) AS team, any_value(s.mig_profile) AS mig_profile,
    bool_or(i.is_sample) AS is_sample
FROM usage_series AS s JOIN imports AS i USING (import_id)
WHERE ($imports IS NULL OR list_contains($imports::BIGINT[], s.import_id)) AND s.entity_kind <> 'node'
GROUP BY s.entity, s.entity_kind
"""
# Blocks of four hours; 1970 began on a Thursday, eighteen blocks into the week.
_WEEKS = """
WITH wanted AS (
    SELECT u.series_id, p.place, m.metric FROM usage_series AS u
        JOIN (SELECT unnest($entities::VARCHAR[]) AS entity, unnest(range(len($entities))) AS place) AS p
            ON p.entity = u.entity
        JOIN (SELECT unnest($metrics::VARCHAR[]) AS name, unnest(range(len($metrics))) AS metric) AS m
            ON m.name = u.metric
    WHERE $imports IS NULL OR list_contains($imports::BIGINT[], u.import_id)
)
SELECT w.place, w.metric, (epoch_us(s.measured_at) // 14400000000 + 18) % 42 AS block,
    avg(s.value) + 1.64 * stddev_pop(s.value) AS value
FROM usage_samples AS s JOIN wanted AS w USING (series_id)
WHERE $from_at IS NULL OR s.measured_at >= $from_at
GROUP BY ALL
"""
_TOGETHER = """
WITH chosen AS (
    SELECT series_id, coalesce(replica, entity) AS unit, step_s FROM usage_series
    WHERE metric = $metric AND list_contains($entities::VARCHAR[], coalesce(replica, entity))
),
bucketed AS (
    SELECT c.unit, epoch_us(s.measured_at) // 300000000 AS bucket, avg(s.value) AS value
    FROM usage_samples AS s JOIN chosen AS c USING (series_id) GROUP BY ALL
),
at_once AS (
    SELECT bucket, avg(value) AS value FROM bucketed GROUP BY bucket
    HAVING count(*) = (SELECT count(DISTINCT unit) FROM chosen)
),
width AS (SELECT (max(bucket) - min(bucket)) // $points + 1 AS buckets FROM at_once)
SELECT make_timestamp(bucket // w.buckets * w.buckets * 300000000) AS measured_at, min(value) AS low,
    avg(value) AS mean, max(value) AS high, count(*) AS n
FROM at_once CROSS JOIN width AS w GROUP BY 1 ORDER BY 1
"""
# An hour of the week is idle when nothing worked and no request was there in it, in at least 80 % of the
# weeks that were measured, three at least. An hour without samples is no idle hour.
_IDLE = """
WITH hourly AS (
    SELECT u.entity, date_trunc('hour', s.measured_at) AS hour, max(s.value) AS peak,
        count(*) * any_value(u.step_s) >= 1800 AS enough, u.metric
    FROM usage_samples AS s JOIN usage_series AS u USING (series_id)
    WHERE u.metric IN ('sm_active_ratio', 'gr_engine_active_ratio', 'requests_running', 'requests_waiting')
        AND u.last_at - u.first_at > INTERVAL 2 WEEKS
        AND ($imports IS NULL OR list_contains($imports::BIGINT[], u.import_id))
        AND ($from_at IS NULL OR s.measured_at >= $from_at)
    GROUP BY ALL
),
combined AS (
    SELECT entity, hour, max(peak) AS peak FROM hourly WHERE enough GROUP BY ALL
),
weekly AS (
    SELECT entity, (isodow(hour) - 1) * 24 + hour(hour) AS hour_of_week, count(*) AS weeks,
        avg(CASE WHEN peak < 0.01 THEN 1.0 ELSE 0.0 END) AS idle
    FROM combined GROUP BY ALL
)
SELECT entity, list(hour_of_week ORDER BY hour_of_week) FROM weekly
WHERE weeks >= 3 AND idle >= 0.8 GROUP BY entity
"""


def _gather(measured: Measurements) -> list[Unit]:
    warehouse, ids, window = measured.warehouse, measured.import_ids, measured.window
    found = usage.by_entity(warehouse, ids, window=window)
    metrics = set(found["metric"].unique())
    shares: dict[tuple[str, str], float] = {}
    if metrics.intersection(_COUNTED_ABOVE_ZERO):
        rows = warehouse.rows(_SHARES, {**measured.parameters, "metrics": list(_COUNTED_ABOVE_ZERO)})
        shares = {(entity, metric): share for entity, metric, share in rows}
    statistics: dict[str, dict[str, Statistic]] = {}
    for one in statistics_of(found, shares):
        statistics.setdefault(one.entity, {})[one.metric] = one
    if metrics.intersection(MEASURED_BY):
        for one in latencies(warehouse, measured.parameters):
            statistics.get(one.entity, {}).setdefault(one.metric, one)
    idle = {
        entity: frozenset(int(hour) for hour in hours)
        for entity, hours in warehouse.rows(_IDLE, measured.parameters)
    }
    members: dict[str, list[dict[str, Any]]] = {}
    for row in warehouse.rows(_PLACES, {"imports": measured.parameters["imports"]}):
        place = dict(zip(_PLACE, row, strict=True))
        members.setdefault(_unit_key(place), []).append(place)
    _join_by_pod_alone(members)
    keys = {place["entity"]: key for key, places in members.items() for place in places}
    timed: dict[str, dict[str, RequestLatency]] = {}
    for one in request_latencies(warehouse, keys, ids, measured.parameters["from_at"]):
        timed.setdefault(one.group, {})[one.metric] = one
    units = (_unit(key, members[key], statistics, idle) for key in sorted(members))
    return [replace(unit, latencies=timed.get(unit.key, {})) for unit in units]


_SAID = ("gpu_name", "host", "instance_id", "instance_type", "namespace", "model", "team", "mig_profile")
_PLACE = ("entity", "entity_kind", "replica", *_SAID, "is_sample")


def _unit_key(place: Mapping[str, str]) -> str:
    """Return the serving process that an entity belongs to, else the entity itself."""
    if place["entity_kind"] == "mig":
        return place["entity"]
    return _ENGINE_RANK.sub("", place["replica"] or place["entity"])


def _join_by_pod_alone(members: dict[str, list[dict[str, Any]]]) -> None:
    """Bring a pod that one export names without its namespace to the only one of that name."""
    full: dict[str, list[str]] = {}
    for key in members:
        namespace, slash, pod = key.partition("/")
        if slash and any(
            place["replica"] == key and place["namespace"] == namespace for place in members[key]
        ):
            full.setdefault(pod, []).append(key)
    for key in [key for key in members if len(full.get(key, ())) == 1]:
        members[full[key][0]] += members.pop(key)


def _unit(
    key: str,
    places: Sequence[Mapping[str, Any]],
    statistics: Mapping[str, Mapping[str, Statistic]],
    idle: Mapping[str, frozenset[int]],
) -> Unit:
    gpus = tuple(sorted(place["entity"] for place in places if place["entity_kind"] in ("gpu", "mig")))
    merged: dict[str, Statistic] = {}
    for place in places:
        for metric, one in statistics.get(place["entity"], {}).items():
            merged[metric] = merged[metric].with_hotter(one) if metric in merged else one
    said = {name: next((place[name] for place in places if place[name]), None) for name in _SAID}
    total = merged.get("fb_total_bytes")
    gpu_name = said["gpu_name"]
    gpu = catalog.gpu_by_driver_name(gpu_name, round(total.max) if total else None) if gpu_name else None
    measured = {place["entity"] for place in places} & statistics.keys() if gpus else set()
    hours = [idle.get(entity, frozenset()) for entity in measured if _shows_work(statistics[entity])]
    return Unit(
        key=key,
        is_process=any(place["replica"] for place in places) and places[0]["entity_kind"] != "mig",
        gpus=gpus,
        statistics=merged,
        gpu=gpu,
        is_sample=any(place["is_sample"] for place in places),
        idle_hours=tuple(sorted(frozenset.intersection(*hours))) if hours else (),
        **said,
    )


def _shows_work(metrics: Mapping[str, Statistic]) -> bool:
    return any(name in metrics for name in (*SHOWS_WORK, "requests_running"))
