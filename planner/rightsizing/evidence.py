"""What was measured of each serving process and its GPUs, gathered for the rules."""

import gc
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inferplan.datasets import catalog
from inferplan.planner import usage
from inferplan.planner.request_latency import RequestLatency, request_latencies
from inferplan.planner.rightsizing.doubts import doubt
from inferplan.planner.rightsizing.evidence_queries import IDLE, PLACES, SHARES, STEP, TOGETHER, WEEKS
from inferplan.planner.rightsizing.latency import MEASURED_BY, latencies
from inferplan.planner.rightsizing.statistic import Statistic, statistics_of, sum_at_most
from inferplan.planner.rightsizing.unit import SHOWS_WORK, Unit
from inferplan.planner.usage_histograms import IDLE_COUNTED
from inferplan.planner.usage_queries import ENDS

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse

_ENGINE_RANK = re.compile(r"#\d+$")
HOURS_PER_WEEK = 168
BLOCKS_PER_WEEK = 42
Week = NDArray[np.float64]
"""A value for each four hours of a week, from Monday 0:00 UTC."""


@contextmanager
def without_collection() -> Iterator[None]:
    """Spare the search for garbage while objects are made that all stay: a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True)
class Measurements:
    """The chosen imports and the part of them that counts; rules ask for sums taken at the same time."""

    warehouse: "Warehouse"
    import_ids: Sequence[int] | None = None
    window: usage.Window = usage.EVERYTHING
    _sums: dict[tuple[str, frozenset[str]], Statistic | None] = field(
        default_factory=dict, init=False, repr=False
    )
    _known_weeks: dict[tuple[str, str], Week] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """Every unit of which anything was measured, in the order of their keys."""
        with without_collection():
            return tuple(unit for unit in _gather(self) if unit.statistics)

    def together(
        self, groups: Mapping[str, Sequence[Unit]], metrics: Sequence[str]
    ) -> dict[tuple[str, str], Statistic]:
        """Return the statistics of each group's members at the same time, by group and metric.

        Of each member the GPU (or engine) counts on which the metric is highest. Shares are the members'
        mean, everything else their sum. A metric that was not measured on all members of a group is left out.
        Where one has a gap, the most ever seen of it counts; where only counts of values came, what they add
        up to at most. What was asked before is remembered.
        """
        found: dict[tuple[str, str], Statistic] = {}
        for metric in metrics:
            places = {name: _hottest(units, metric) for name, units in groups.items()}
            whole = {name: there for name, there in places.items() if len(there) == len(groups[name])}
            new = {name: there for name, there in whole.items() if (metric, there) not in self._sums}
            if new:
                sums = self._together(new, metric)
                self._sums.update(
                    {
                        (metric, there): sums.get(name) or sum_at_most(name, _of(groups[name], metric))
                        for name, there in new.items()
                    }
                )
            found |= {
                (name, metric): one
                for name, there in whole.items()
                if (one := self._sums[metric, there]) is not None
            }
        return found

    def _together(self, groups: Mapping[str, frozenset[str]], metric: str) -> dict[str, Statistic]:
        entities = {entity: name for name, there in groups.items() for entity in there}
        found = usage.of_groups(
            self.warehouse, entities, self.import_ids, (metric,), self.window, filled=True
        )
        return {
            one.entity: one
            for one, members in zip(statistics_of(found), found["members"].tolist(), strict=True)
            if members >= len(groups[one.entity])
        }

    def weeks(self, entities: Sequence[str], metrics: Sequence[str]) -> dict[tuple[str, str], Week]:
        """Return how high each metric is over the week; NaN where it was not measured.

        Mean plus 1.64 standard deviations, P95 of a normal distribution: to compare by, not to decide on.
        What was asked before is remembered.
        """
        known = self._known_weeks
        new = [one for one in entities if any((one, metric) not in known for metric in metrics)]
        if new:
            known.update(self._weeks(new, metrics))
        return {key: known[key] for key in product(entities, metrics)}

    def _weeks(self, entities: Sequence[str], metrics: Sequence[str]) -> dict[tuple[str, str], Week]:
        of = {"imports": self._imports, "metrics": list(metrics)}
        [(step_us,)] = self.warehouse.rows(STEP, of)
        found = self.warehouse.query(
            WEEKS, of | {"from_at": self.from_at, "entities": list(entities), "step_us": step_us}
        )
        weeks = np.full((len(entities) * len(metrics), BLOCKS_PER_WEEK), np.nan)
        weeks.flat[found["place"].to_numpy()] = found["value"].to_numpy()
        return dict(zip(product(entities, metrics), weeks, strict=True))

    @cached_property
    def parameters(self) -> dict[str, object]:
        """Which samples count: ``imports`` and ``from_at``, each ``None`` for all."""
        return {"imports": self._imports, "from_at": self.from_at}

    @property
    def _imports(self) -> list[int] | None:
        return list(self.import_ids) if self.import_ids is not None else None

    @cached_property
    def latest(self) -> datetime | None:
        """The newest sample (naive UTC); ``None`` where there is none."""
        found: datetime | None = self.warehouse.rows(ENDS, {"imports": self._imports})[0][1]
        return found

    @cached_property
    def from_at(self) -> datetime | None:
        """When what counts begins (naive UTC); ``None``: all counts."""
        days = self.window.lookback_days
        return None if days is None or self.latest is None else self.latest - timedelta(days=days)


def series_together(
    warehouse: "Warehouse", entities: Sequence[str], metric: str, points: int = 500
) -> pd.DataFrame:
    """Return the mean of a metric over several units at the same time, in the columns of ``usage.series``.

    Of buckets of five minutes in which all of them were measured; times their number it is their sum.
    """
    return warehouse.query(TOGETHER, {"entities": list(entities), "metric": metric, "points": points})


def _of(units: Iterable[Unit], metric: str) -> list[Statistic]:
    return [one for unit in units if (one := unit.get(metric)) is not None]


def _hottest(units: Iterable[Unit], metric: str) -> frozenset[str]:
    return frozenset(one.entity for one in _of(units, metric))


_COUNTED_ABOVE_ZERO = ("requests_waiting", "preemptions_per_s")


def _gather(measured: Measurements) -> list[Unit]:
    warehouse, ids, window = measured.warehouse, measured.import_ids, measured.window
    found = usage.by_entity(warehouse, ids, window=window)
    metrics = set(found["metric"].unique())
    shares: dict[tuple[str, str], float] = {}
    if metrics.intersection(_COUNTED_ABOVE_ZERO):
        rows = warehouse.rows(SHARES, {**measured.parameters, "metrics": list(_COUNTED_ABOVE_ZERO)})
        shares = {(entity, metric): share for entity, metric, share in rows}
    statistics: dict[str, dict[str, Statistic]] = {}
    for one in statistics_of(found, shares):
        statistics.setdefault(one.entity, {})[one.metric] = one
    if metrics.intersection(MEASURED_BY):
        for one in latencies(warehouse, measured.parameters):
            statistics.get(one.entity, {}).setdefault(one.metric, one)
    idle: dict[str, frozenset[int]] = {}
    for sql in (IDLE, IDLE_COUNTED):
        for entity, hours in warehouse.rows(sql, measured.parameters):
            idle[entity] = idle.get(entity, frozenset(hours)) & frozenset(hours)
    members: dict[str, list[dict[str, Any]]] = {}
    for row in warehouse.rows(PLACES, {"imports": measured.parameters["imports"], "latest": measured.latest}):
        place = dict(zip(_PLACE, row, strict=True))
        members.setdefault(_unit_key(place), []).append(place)
    _join_by_pod_alone(members)
    keys = {place["entity"]: key for key, places in members.items() for place in places}
    timed: dict[str, dict[str, RequestLatency]] = {}
    for latency in request_latencies(warehouse, keys, ids, measured.from_at):
        timed.setdefault(latency.group, {})[latency.metric] = latency
    gpus = Counter(_machine(place) for places in members.values() for place in places if _is_gpu(place))
    alone = {machine for machine, count in gpus.items() if machine and count == 1}
    return [
        _unit(key, places, statistics, idle, timed.get(key, {}), measured.latest, alone)
        for key, places in sorted(members.items())
    ]


def _machine(place: Mapping[str, str | None]) -> str | None:
    return place["host"] or place["instance_id"]


def _is_gpu(place: Mapping[str, str]) -> bool:
    return place["entity_kind"] in ("gpu", "mig")


_SAID = ("gpu_name", "host", "instance_id", "instance_type", "namespace", "model", "team", "mig_profile")
_PLACE = ("entity", "entity_kind", "replica", *_SAID, "is_sample", "processes")


def _unit_key(place: Mapping[str, str]) -> str:
    """Return the serving process that an entity belongs to, else the entity itself."""
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
    latencies: Mapping[str, RequestLatency],
    latest: datetime | None,
    alone: Set[str],
) -> Unit:
    on_gpus = [place for place in places if _is_gpu(place)]
    gpus = tuple(sorted(place["entity"] for place in on_gpus))
    merged: dict[str, Statistic] = {}
    for place in places:
        for metric, one in statistics.get(place["entity"], {}).items():
            merged[metric] = merged[metric].with_hotter(one) if metric in merged else one
    said: dict[str, Any] = {
        name: next((place[name] for place in places if place[name]), None) for name in _SAID
    }
    total = merged.get("fb_total_bytes")
    gpu_name = said["gpu_name"]
    gpu = catalog.gpu_by_driver_name(gpu_name, round(total.max) if total else None) if gpu_name else None
    measured = {place["entity"] for place in places} & statistics.keys() if gpus else set()
    hours = [idle.get(entity, frozenset()) for entity in measured if _shows_work(statistics[entity])]
    return Unit(
        key=key,
        is_process=any(place["replica"] for place in places),
        gpus=gpus,
        statistics=merged,
        gpu=gpu,
        is_sample=any(place["is_sample"] for place in places),
        idle_hours=tuple(sorted(frozenset.intersection(*hours))) if hours else (),
        latencies=latencies,
        is_alone=all(_machine(place) in alone for place in places),
        doubt=doubt(
            {entity: statistics.get(entity, {}) for entity in gpus},
            [place["gpu_name"] for place in on_gpus if place["gpu_name"]],
            max((place["processes"] for place in on_gpus), default=0),
            [statistics.get(place["entity"], {}) for place in places if place not in on_gpus],
            latest,
        ),
        **said,
    )


def _shows_work(metrics: Mapping[str, Statistic]) -> bool:
    return any(name in metrics for name in (*SHOWS_WORK, "requests_running"))
