"""Percentiles of requests from histograms and logs, against the requests themselves."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measured_fleet import START_S, member

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import ReadOptions, import_file, undo_import
from inferplan.datasets.uploads.landing import land_series
from inferplan.datasets.uploads.reading import Series
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.request_latency import (
    Percentile,
    RequestLatency,
    latency_over_time,
    processes,
    request_latencies,
)
from inferplan.planner.rightsizing.latency import latencies

NAME = "vllm:time_to_first_token_seconds_bucket"
BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
MINUTES = 600


@pytest.fixture(scope="module")
def shared() -> Iterator[Warehouse]:
    with Warehouse.open(MEMORY) as warehouse:
        yield warehouse


@pytest.fixture
def empty(shared: Warehouse) -> Iterator[Warehouse]:
    yield shared
    for (number,) in shared.rows("SELECT import_id FROM imports"):
        undo_import(shared, number)


def requests(seed: int) -> np.ndarray:
    """Seconds of each request, and in which of the minutes it came."""
    random = np.random.default_rng(seed)
    count = 5000
    slow = np.where(np.arange(count) > count * 0.8, 4.0, 1.0)  # the last two hours are four times as slow
    minutes = np.sort(random.integers(1, MINUTES, count))
    return np.stack([random.lognormal(-1.5, 0.8, count) * slow, minutes])


def exported(
    timed: np.ndarray,
    pod: str = "a",
    *,
    bounds: tuple[float, ...] = BOUNDS,
    restart: int | None = None,
    minutes: range = range(MINUTES),
    **labels: str,
) -> list[dict]:
    """What ``query_range`` says of the histogram of ``timed``; at minute ``restart`` it restarts."""
    seconds, came = timed
    series = []
    for bound in (*bounds, np.inf):
        points = []
        for minute in minutes:
            since = restart if restart is not None and minute >= restart else 0
            within = (seconds <= bound) & (came <= minute) & (came >= since)
            points.append([START_S + minute * 60, str(int(within.sum()))])
        le = "+Inf" if bound == np.inf else str(bound)
        metric = {"__name__": NAME, "le": le, "namespace": "prod", "pod": pod, "model_name": "m", **labels}
        series.append({"metric": metric, "values": points})
    return series


def land(warehouse: Warehouse, folder: Path, series: list[dict], name: str = "answer.json") -> None:
    path = folder / name
    answer = {"status": "success", "data": {"resultType": "matrix", "result": series}}
    path.write_text(json.dumps(answer), encoding="utf-8")
    import_file(warehouse, path)


def only(warehouse: Warehouse, by: str = "replica") -> RequestLatency:
    [found] = request_latencies(warehouse, processes(warehouse, by))
    return found


def bucket(seconds: np.ndarray, share: float) -> tuple[float, float | None]:
    """The bounds of the bucket that holds the request at rank ceil(share x n)."""
    value = np.sort(seconds)[int(np.ceil(share * len(seconds))) - 1]
    edges = (0.0, *BOUNDS)
    high = next((bound for bound in BOUNDS if value <= bound), None)
    return max(edge for edge in edges if edge < value), high


SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@pytest.mark.parametrize("restart", [None, 300])
def test_the_bounds_are_those_of_all_requests_together(
    empty: Warehouse, tmp_path: Path, restart: int | None
) -> None:
    """Two processes, one of which restarts: the buckets are added up, over time and over processes."""
    first, second = requests(1), requests(2)
    land(empty, tmp_path, [*exported(first, restart=restart), *exported(second, "b")])
    both = np.concatenate([first[0], second[0]])
    found = only(empty, "model")
    assert (found.group, found.metric, found.basis) == ("m", "ttft_s", "histogram of requests")
    assert found.observations == len(both)
    for name, share in SHARES.items():
        at = found.percentiles[name]
        assert (at.low, at.high) == bucket(both, share), name
        assert at.low <= at.value <= (at.high or at.low)
    each = {one.group: one.observations for one in request_latencies(empty, processes(empty, "replica"))}
    assert each == {"prod/a": 5000, "prod/b": 5000}


def test_it_interpolates_as_prometheus_does(empty: Warehouse, tmp_path: Path) -> None:
    """histogram_quantile(0.95) of 50, 90, 99 and 100 requests: 0.5 + (1 - 0.5) x (95 - 90) / (99 - 90)."""
    seconds = np.array([0.04] * 50 + [0.3] * 40 + [0.9] * 9 + [30.0])
    land(empty, tmp_path, exported(np.stack([seconds, np.full(100, 5.0)]), bounds=(0.1, 0.5, 1.0)))
    found = only(empty).percentiles
    assert found["p95"] == Percentile(0.5, pytest.approx(0.5 + 0.5 * 5 / 9), 1.0)
    assert found["p50"].high == 0.1
    assert found["p99"].high == 1.0


def test_beyond_the_last_bound_nothing_is_claimed(empty: Warehouse, tmp_path: Path) -> None:
    seconds = np.array([0.04] * 80 + [30.0] * 20)
    land(empty, tmp_path, exported(np.stack([seconds, np.full(100, 5.0)])))
    assert only(empty).percentiles["p95"] == Percentile(5.0, 5.0, None)


def test_exports_that_overlap_count_once(empty: Warehouse, tmp_path: Path) -> None:
    timed = requests(3)
    land(empty, tmp_path, exported(timed, minutes=range(400)), "first.json")
    land(empty, tmp_path, exported(timed, minutes=range(180, MINUTES)), "second.json")
    assert only(empty).observations == 5000


def test_histograms_of_one_process_that_differ_in_a_label_are_added_up(
    empty: Warehouse, tmp_path: Path
) -> None:
    """SGLang tells requests that stream from others by a label of its own."""
    first, second = requests(4), requests(5)
    land(empty, tmp_path, [*exported(first, is_streaming="true"), *exported(second, is_streaming="false")])
    assert only(empty).observations == 10_000
    name = "sglang:time_to_first_token_seconds"
    sums = [
        {
            "metric": {
                "__name__": f"{name}_{part}",
                "pod": "b",
                "is_streaming": kind,
            },
            "values": [[START_S + minute * 60, str(minute * each)] for minute in range(3)],
        }
        for kind, seconds in (("true", 60), ("false", 120))
        for part, each in (("sum", seconds), ("count", 30))
    ]
    land(empty, tmp_path, sums, "sums.json")
    [mean] = latencies(empty, {"imports": None, "from_at": None})
    assert mean.mean == (60 + 120) / (30 + 30)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.floats(0.001, 20), min_size=1, max_size=60),
    st.lists(st.floats(0.001, 20), min_size=1, max_size=60),
    st.sets(st.sampled_from([0.1, 0.5, 1.0, 2.0, 5.0]), min_size=1),
    st.sets(st.sampled_from([0.2, 0.5, 1.5, 4.0, 10.0]), min_size=1),
)
def test_buckets_cut_in_two_ways_still_hold_the_percentile(
    shared: Warehouse, first: list[float], second: list[float], cuts: set[float], others: set[float]
) -> None:
    series = []
    for pod, seconds, bounds in (("a", first, cuts), ("b", second, others)):
        for bound in (*sorted(bounds), np.inf):
            within = float(sum(value <= bound for value in seconds))
            labels = member(pod=pod)[0][0].labels
            times = np.array([START_S * 1_000_000])
            series.append((Series("ttft_bucket", labels, str(bound)), times, np.array([within])))
    number = land_series(shared, "test", "test", "test", series)
    found = only(shared, "model")
    undo_import(shared, number)
    ordered = sorted(first + second)
    for name, share in SHARES.items():
        at = found.percentiles[name]
        true = ordered[int(np.ceil(share * len(ordered) - 1e-9)) - 1]
        assert at.low < true
        assert at.high is None or true <= at.high


def test_what_has_no_last_bucket_or_no_bound_tells_nothing(empty: Warehouse, tmp_path: Path) -> None:
    series = exported(requests(1))
    land(empty, tmp_path, series[:-1])
    assert request_latencies(empty, processes(empty, "replica")) == ()
    without = [{**one, "metric": {**one["metric"], "le": "much"}} for one in series[:1]]
    path = tmp_path / "odd.json"
    gauge = {"metric": {"__name__": "vllm:num_requests_running", "pod": "a"}, "values": [[START_S, "1"]]}
    answer = {"status": "success", "data": {"resultType": "matrix", "result": [*without, gauge]}}
    path.write_text(json.dumps(answer), encoding="utf-8")
    report = import_file(empty, path).parsed
    assert report.rows_refused == MINUTES
    assert "without the bound" in report.problems[0].reason


def test_one_scrape_tells_of_all_requests_since_the_process_started(empty: Warehouse, tmp_path: Path) -> None:
    base = "vllm:time_to_first_token_seconds"
    place = 'engine="0",model_name="m"'
    lines = [f"# TYPE {base} histogram"]
    lines += [
        f'{base}_bucket{{{place},le="{le}"}} {n}' for le, n in (("0.1", 50), ("1.0", 96), ("+Inf", 100))
    ]
    path = tmp_path / "metrics.prom"
    path.write_text("\n".join([*lines, f"{base}_created{{{place}}} {START_S}.5"]) + "\n", encoding="utf-8")
    import_file(empty, path, ReadOptions(start="2026-10-06T00:00:00Z"))
    found = only(empty)
    assert found.observations == 100
    assert (found.percentiles["p95"].low, found.percentiles["p95"].high) == (0.1, 1.0)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")  # nobody knows since when
    with pytest.raises(InferplanError, match="first reading starts the count"):
        import_file(empty, path, ReadOptions(start="2026-10-07T00:00:00Z"))


def test_a_log_gives_exact_percentiles(empty: Warehouse, tmp_path: Path) -> None:
    """Requests of the same second are requests of their own, and an export that overlaps repeats none."""
    seconds, minutes = requests(6)
    lines = [
        f"2026-10-05T{minute // 60:02d}:{minute % 60:02d}:00Z,m,100,20,{value * 1000!r},{value + 3!r} s"
        for value, minute in zip(seconds.tolist(), minutes.astype(int).tolist(), strict=True)
    ]
    head = "timestamp,model,input_tokens,output_tokens,ttft_ms,request_latency_s"
    for name, part in (("all.csv", lines), ("half.csv", lines[2500:])):
        path = tmp_path / name
        path.write_text("\n".join([head, *part]) + "\n", encoding="utf-8")
        import_file(empty, path)
    found = {one.metric: one for one in request_latencies(empty, processes(empty, "model"))}
    assert found["ttft_s"].basis == "request log"
    assert found["ttft_s"].observations <= 5000 + len(set(minutes[2500:]))  # the second of a cut first minute
    wanted = np.percentile(seconds, [50, 90, 95, 99])
    for at, value in zip(found["ttft_s"].percentiles.values(), wanted, strict=True):
        assert at.is_exact
        assert at.value == pytest.approx(value, rel=2e-3)
    assert found["e2e_s"].percentiles["p95"].value == pytest.approx(wanted[2] + 3, rel=2e-3)


def test_a_log_that_does_not_say_its_unit_is_not_guessed(empty: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        "time,input_tokens,output_tokens,latency\n2026-10-05T00:00:00Z,10,5,800\n", encoding="utf-8"
    )
    report = import_file(empty, path).parsed
    assert any(note.startswith("latency has no unit") for note in report.notes)
    assert dict(report.metrics) == {"generation_tokens": 1, "prompt_tokens": 1, "requests": 1}


def test_each_window_has_its_own_percentile(empty: Warehouse, tmp_path: Path) -> None:
    timed = requests(7)
    land(empty, tmp_path, exported(timed))
    found = latency_over_time(empty, "prod/a", "ttft_s", "histogram of requests", "p95", points=10)
    assert found["n"].sum() == 5000
    for row in found.itertuples():
        start = (row.measured_at.timestamp() - START_S) / 60
        here = timed[0][(timed[1] >= start) & (timed[1] < start + 60)]
        assert (row.low, row.high) == bucket(here, 0.95)
    assert found["high"].max() > found["high"].min()
