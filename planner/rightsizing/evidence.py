"""What was measured of each serving process and its GPUs, gathered for the rules."""

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from inferplan.datasets import catalog
from inferplan.datasets.schema import Gpu
from inferplan.planner import usage
from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.finding import Evidence

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse

_REPLICA_SUFFIX = re.compile(r"(-[0-9a-f]{6,10}-[a-z0-9]{3,6}|-\d+)$")
_ENGINE_RANK = re.compile(r"#\d+$")


@dataclass(frozen=True)
class Statistic:
    """Percentiles of one metric of one entity."""

    entity: str
    metric: str
    n: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float
    first_at: datetime
    last_at: datetime
    days: float
    coverage: float | None
    confidence: Confidence
    share_above_zero: float | None = None

    def at(self, percentile: str) -> float:
        """Return the statistic called ``p50`` ... ``p999``, ``max`` or ``mean``."""
        return float(getattr(self, percentile))

    def share_above(self, limit: float) -> float:
        """Return an upper bound of the share of samples above ``limit``: 0, 0.001, 0.01, 0.05, 0.1 or 1."""
        for share, value in ((0.0, self.max), (0.001, self.p999), (0.01, self.p99), (0.05, self.p95)):
            if value <= limit:
                return share
        return 0.1 if self.p90 <= limit else 1.0

    def evidence(self, statistic: str, limit: float | None = None) -> Evidence:
        """Return one of the numbers as evidence."""
        value = self.share_above_zero if statistic == "share above 0" else self.at(statistic)
        return Evidence(
            metric=self.metric,
            statistic=statistic,
            value=float("nan") if value is None else value,
            unit="ratio" if statistic == "share above 0" else usage.unit_of(self.metric),
            limit=limit,
            samples=self.n,
            coverage=self.coverage,
            span_days=round(self.days, 3),
            entity=self.entity,
        )


@dataclass(frozen=True)
class Unit:
    """What advice is given on: a serving process with its GPUs, or a GPU of which no process is known."""

    key: str
    is_process: bool
    gpus: tuple[str, ...]
    statistics: Mapping[str, Statistic]
    """By metric; of several GPUs the one that is used the most."""
    gpu: Gpu | None
    gpu_name: str | None
    host: str | None
    instance_id: str | None
    instance_type: str | None
    namespace: str | None
    model: str | None
    team: str | None
    mig_profile: str | None
    is_sample: bool
    idle_hours: tuple[int, ...] = field(default=())
    """Hours of the week (0 = Monday 0:00 UTC) idle in at least 80 % of three or more weeks."""

    def get(self, *metrics: str) -> Statistic | None:
        """Return the first of ``metrics`` that was measured."""
        return next((self.statistics[name] for name in metrics if name in self.statistics), None)

    @property
    def workload(self) -> str:
        """Key of the replicas that are alike: the pod's name without its random end, and the kind of GPU."""
        base = _REPLICA_SUFFIX.sub("", self.key) if self.is_process else self.key
        return f"{base} on {len(self.gpus)} x {self.gpu_name}"

    @property
    def activity(self) -> Statistic | None:
        """SM activity, else graphics-engine activity; GPU_UTIL is no measure of work and never stands in."""
        return self.get("sm_active_ratio", "gr_engine_active_ratio")

    @property
    def confidence(self) -> Confidence:
        """Confidence in the measurements that decide: the least of activity and memory."""
        used = [one for one in (self.activity, self.get("fb_used_bytes", "fb_used_ratio")) if one]
        return min((one.confidence for one in used or self.statistics.values()), default=Confidence.NONE)

    @property
    def memory_total_bytes(self) -> float | None:
        """Memory of one GPU (or slice) as measured, else as the catalog has it."""
        total = self.get("fb_total_bytes")
        if total is not None:
            return total.max
        return float(self.gpu.memory_total_bytes) if self.gpu and not self.mig_profile else None

    @property
    def memory_peak_bytes(self) -> float | None:
        """Largest memory use ever seen on one of the GPUs."""
        used = self.get("fb_used_bytes")
        if used is not None:
            return used.max
        share = self.get("fb_used_ratio")
        total = self.memory_total_bytes
        return share.max * total if share and total else None


def gather(warehouse: "Warehouse", import_ids: Sequence[int] | None = None) -> tuple[Unit, ...]:
    """Return every unit of the chosen imports, in the order of their keys."""
    found = usage.by_entity(warehouse, import_ids)
    ids = list(import_ids) if import_ids is not None else None
    shares = {(entity, metric): share for entity, metric, share in warehouse.rows(_SHARES, {"imports": ids})}
    facts = warehouse.query(_PLACES, {"imports": ids}).astype(object)
    facts = facts.where(facts.notna(), None)
    idle = _idle_hours(warehouse, ids)
    statistics: dict[str, dict[str, Statistic]] = {}
    for row in found.to_dict("records"):
        one = statistic_of(row, shares.get((row["entity"], row["metric"])))
        statistics.setdefault(one.entity, {})[one.metric] = one
    members: dict[str, list[dict[str, str]]] = {}
    for record in facts.to_dict("records"):
        place = {str(name): value for name, value in record.items()}
        members.setdefault(_unit_key(place), []).append(place)
    _join_by_pod_alone(members)
    return tuple(_unit(key, members[key], statistics, idle) for key in sorted(members))


_SHARES = """
SELECT u.entity, u.metric, avg(CASE WHEN s.value > 0 THEN 1.0 ELSE 0.0 END)
FROM usage_samples AS s JOIN usage_series AS u USING (series_id)
WHERE u.metric IN ('requests_waiting', 'preemptions_per_s', 'generation_tokens_per_s', 'requests_per_s')
    AND ($imports IS NULL OR list_contains($imports::BIGINT[], u.import_id))
GROUP BY ALL
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
# An hour of the week is idle when nothing worked and no request was there in it, in at least 80 % of the
# weeks that were measured, three at least. An hour without samples is no idle hour.
_IDLE = """
WITH hourly AS (
    SELECT u.entity, date_trunc('hour', s.measured_at) AS hour, max(s.value) AS peak,
        count(*) * any_value(u.step_s) >= 1800 AS enough, u.metric
    FROM usage_samples AS s JOIN usage_series AS u USING (series_id)
    WHERE u.metric IN ('sm_active_ratio', 'gr_engine_active_ratio', 'requests_running', 'requests_waiting')
        AND ($imports IS NULL OR list_contains($imports::BIGINT[], u.import_id))
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


def _idle_hours(warehouse: "Warehouse", import_ids: list[int] | None) -> dict[str, frozenset[int]]:
    found = warehouse.rows(_IDLE, {"imports": import_ids})
    return {entity: frozenset(int(hour) for hour in hours) for entity, hours in found}


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
    places: Sequence[Mapping[str, str]],
    statistics: Mapping[str, Mapping[str, Statistic]],
    idle: Mapping[str, frozenset[int]],
) -> Unit:
    gpus = tuple(sorted(place["entity"] for place in places if place["entity_kind"] in ("gpu", "mig")))
    merged: dict[str, Statistic] = {}
    for place in places:
        for metric, one in statistics.get(place["entity"], {}).items():
            merged[metric] = _hottest(merged[metric], one) if metric in merged else one
    said = {name: _first(place[name] for place in places) for name in _SAID}
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
        is_sample=any(bool(place["is_sample"]) for place in places),
        idle_hours=tuple(sorted(frozenset.intersection(*hours))) if hours else (),
        **said,
    )


def _shows_work(metrics: Mapping[str, Statistic]) -> bool:
    return bool(metrics.keys() & {"sm_active_ratio", "gr_engine_active_ratio", "requests_running"})


_SAID = ("gpu_name", "host", "instance_id", "instance_type", "namespace", "model", "team", "mig_profile")


def _hottest(one: Statistic, other: Statistic) -> Statistic:
    """Return the larger of each percentile and the lesser trust: what holds for every GPU of a unit."""
    base, rest = (one, other) if one.p95 >= other.p95 else (other, one)
    return replace(
        base,
        n=min(base.n, rest.n),
        days=min(base.days, rest.days),
        coverage=None
        if None in (base.coverage, rest.coverage)
        else min(base.coverage or 0, rest.coverage or 0),
        confidence=min(base.confidence, rest.confidence),
        **{name: max(getattr(base, name), getattr(rest, name)) for name in _PERCENTILES},
    )


_PERCENTILES = ("mean", "p50", "p90", "p95", "p99", "p999", "max")


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)


def statistic_of(row: Mapping[Hashable, Any], share_above_zero: float | None) -> Statistic:
    """Return a row of ``usage.percentiles`` as a ``Statistic``."""
    fields = {name: row[name] for name in Statistic.__dataclass_fields__ if name in row}
    fields |= {name: row[name].to_pydatetime() for name in ("first_at", "last_at")}
    fields["coverage"] = None if pd.isna(row["coverage"]) else row["coverage"]
    fields["confidence"] = Confidence[row["confidence"]]
    return Statistic(**fields, share_above_zero=share_above_zero)
