"""Plain waste in measurements as they come: noise, jitter around the edges of buckets, scrapes that fail."""

from dataclasses import replace

import numpy as np
import pytest
from measured_fleet import START_S, advise, member, offer

from inferplan.datasets import catalog
from inferplan.datasets.uploads.landing import land_series, undo_import
from inferplan.datasets.uploads.reading import Labels, Series
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner import usage

STEPS = 28 * 288
NOISY = ("sm_active_ratio", "dram_active_ratio", "kv_cache_usage_ratio", "requests_running")
HOUR = np.arange(STEPS) // 12
OFFICE = np.where((HOUR % 24 >= 8) & (HOUR % 24 < 18) & (HOUR // 24 % 7 < 5), 1.0, 0.0)
H100 = {"gpu_name": "NVIDIA H100 80GB HBM3", "instance_type": "p5.4xlarge"}
FULL = {"sm": 0.55, "dram": 0.4, "kv": 0.5, "fb": 70.0}


@pytest.fixture(scope="module")
def empty():
    with Warehouse.open(MEMORY) as warehouse:
        yield warehouse


def real(name: str, replicas: int = 1, *, missing: float = 0.01, **given) -> list:
    """Replicas that are scraped each five minutes, a second sooner or later; some scrapes fail."""
    found = []
    for number in range(replicas):
        random = np.random.default_rng([number, *name.encode()])
        noise, jitter_us = np.exp(random.normal(-0.02, 0.2, STEPS)), random.normal(0, 1e6, STEPS).astype(int)
        there = random.random(STEPS) > missing
        clean = member(
            pod=f"{name}-7c9d5b7f6c-{'abcdefgh'[number]}aaaa", uuid=f"GPU-{name}-{number}",
            **{"host": f"{name}-{number}", "power": 60.0 if given.get("sm") == 0 else 200.0, **given},
        )  # fmt: skip
        for series, times, values in clean:
            shaky = np.minimum(values * noise, 1.0) if series.metric in NOISY else values
            found.append((series, (times + jitter_us)[there], shaky[there]))
    return found


def as_by_default(measured: list) -> list:
    """The same as dcgm-exporter tells it by its default file: SM activity is commented out there."""
    return [
        (replace(series, metric=series.metric.replace("sm_active", "gr_engine_active")), times, values)
        for series, times, values in measured
    ]


@pytest.mark.parametrize(
    ("service", "action"),
    [
        (real("idle", sm=0.0, dram=0.0, running=0.0), "terminate"),
        (real("idle", sm=0.0, dram=0.0, running=0.0, missing=0.018), "terminate"),
        (real("office", load=OFFICE, **FULL), "schedule"),
        (real("wide", 6, sm=0.25, dram=0.2, kv=0.2, fb=70.0), "reduce_replicas"),
        (real("wide", 6, sm=0.25, dram=0.2, kv=0.2, fb=70.0, missing=0.03), "reduce_replicas"),
        (as_by_default(real("wide", 6, sm=0.25, dram=0.2, kv=0.2, fb=70.0)), "reduce_replicas"),
        (as_by_default(real("idle", sm=0.0, dram=0.0, running=0.0)), "terminate"),
        (real("small", sm=0.05, dram=0.05, kv=0.2, fb=5.0, missing=0.03), "mig_slice"),
        (real("large", sm=0.1, dram=0.1, kv=0.2, fb=30.0, **H100, missing=0.03), "downsize_type"),
        (real("full", sm=0.95, dram=0.7, kv=0.97, waiting=1.0, fb=70.0, missing=0.3), "upsize"),
        (real("right", **FULL, **H100), "commitment"),
    ],
)  # fmt: skip
def test_it_is_found(empty: Warehouse, service: list, action: str) -> None:
    neighbour = real("other", **FULL | {"sm": 0.6}, host=service[0][0].labels.host)
    found = advise(empty, service, neighbour if action != "commitment" else [])
    assert action in {one.action for one in found if "other" not in one.entity}


def test_requests_are_spread_before_a_replica_is_added(empty: Warehouse) -> None:
    full, idle = {"sm": 0.95, "dram": 0.7, "kv": 0.97, "fb": 70.0}, {"sm": 0.1, "dram": 0.1, "kv": 0.1}

    def detail(*levels: dict) -> str:
        fleet = [
            member(pod=f"svc-7c9d5b7f6c-{number}aaaa", uuid=f"{number}", host=f"{number}", **level)
            for number, level in enumerate(levels)
        ]
        return next(one.detail for one in advise(empty, *fleet) if one.action == "upsize")

    assert "2 of its 3 other replicas are at most half as busy: spread requests" in detail(
        full, idle, full, idle
    )
    assert "Add a replica or larger GPUs" in detail(full, full)


def test_limits_are_of_the_gpu_or_slice_that_is_advised(empty: Warehouse) -> None:
    large = real("large", sm=0.1, dram=0.1, kv=0.2, fb=30.0, **H100, missing=0.005)
    found = {one.action: one for one in advise(empty, large, real("small", sm=0.05, dram=0.05, fb=5.0))}
    dram, sm, memory = found["downsize_type"].evidence
    assert (dram.limit, sm.limit) == (0.65, 0.8)  # production's targets
    l40s, h100 = catalog.gpu("L40S"), catalog.gpu("H100 SXM")
    bandwidths = h100.memory_bandwidth_bytes_per_s / l40s.memory_bandwidth_bytes_per_s
    assert dram.then == pytest.approx(dram.value * bandwidths)
    assert dram.value == pytest.approx(0.1 * np.exp(1.645 * 0.2 - 0.02), rel=0.02)
    assert f"bandwidth {dram.then:.0%} of 65%, SMs {sm.then:.0%} of 80%" in found["downsize_type"].detail
    assert memory.then is None
    dram, sm, _ = found["mig_slice"].evidence
    assert (dram.limit, sm.limit) == (0.7, 0.7)
    assert (dram.then, sm.then) == (pytest.approx(8 * dram.value), pytest.approx(7 * sm.value))


def test_two_half_empty_gpus_are_one(empty: Warehouse) -> None:
    small = {"sm": 0.2, "dram": 0.15, "kv": None, "running": None, "gpu_name": "NVIDIA A40"}
    cheapest = {"instance_type": "a40.large"}
    found = advise(empty, real("a", **small, **cheapest), real("b", **small, **cheapest),
                   offers=(offer("a40.large", "A40", 1, "0.50"),))  # fmt: skip
    assert found[0].action == "consolidate"


def test_one_gpu_of_a_service_was_replaced(empty: Warehouse) -> None:
    """After a week one of six replicas came up on another machine; three weeks later the six count on."""
    fleet = real("wide", 6, sm=0.25, dram=0.2, kv=0.2, fb=70.0)
    moved_at = (START_S + 7 * 86_400) * 1_000_000
    place = {"gpu_uuid": "GPU-new", "host": "new", "pod": "wide-7c9d5b7f6c-zaaaa"}

    def replaced(late_us: int) -> list:
        found = []
        for series, times, values in fleet:
            if series.labels.host != "wide-0":
                found.append((series, times, values))
                continue
            before, after = times <= moved_at, times > moved_at + late_us
            found.append((series, times[before], values[before]))
            new = replace(series, labels=replace(series.labels, **place))
            found.append((new, times[after], values[after]))
        return found

    (fewer,) = [one for one in advise(empty, replaced(0)) if one.action == "reduce_replicas"]
    assert fewer.title == "Run 4 replicas instead of 6"
    assert "prod/wide-7c9d5b7f6c-zaaaa" in fewer.entities
    assert "prod/wide-7c9d5b7f6c-aaaaa" not in fewer.entities
    a_day_later = advise(empty, replaced(86_400_000_000))
    assert {one.action for one in a_day_later} == {"keep"}
    assert any("autoscaler" in other.reason for one in a_day_later for other in one.rejected)


@pytest.mark.parametrize("phase_s", [0, 1, 75, 149, 150, 225, 299])
def test_a_second_sooner_or_later_changes_no_sum_at_the_same_time(empty: Warehouse, phase_s: int) -> None:
    """Each of three has one sample in five minutes: each moment has three, whatever lies at an edge."""
    random = np.random.default_rng(phase_s)
    series = [
        (
            Series("power_w", Labels(gpu_uuid=f"GPU-{number}", host="n")),
            (START_S + 600 + phase + np.arange(2000) * 300) * 1_000_000
            + random.integers(-20, 20, 2000) * 100_000,
            np.full(2000, 100.0) * (number + 1),
        )
        for number, phase in enumerate((phase_s, 40, 200))
    ]  # fmt: skip
    number = land_series(empty, "test", "test", "test", series)
    (found,) = usage.percentiles(empty, "node").to_dict("records")
    undo_import(empty, number)
    assert (found["members"], found["p50"], found["max"]) == (3, 600.0, 600.0)
    assert found["n"] >= 1999
