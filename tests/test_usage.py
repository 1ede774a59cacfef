"""Percentiles against NumPy, over time, of sums, with gaps; confidence at its limits."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.uploads.landing import land_series
from inferplan.datasets.uploads.reading import Labels, Series
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner import usage
from inferplan.planner.confidence import Confidence, confidence, holds_weekend

START_S = round(datetime(2026, 10, 5, tzinfo=UTC).timestamp())


@pytest.fixture
def warehouse():
    with Warehouse.open(MEMORY) as opened:
        yield opened


def put(warehouse: Warehouse, *found, digest: str = "a") -> int:
    """Land (metric, labels, seconds after the start, values) tuples."""
    series = (
        (
            Series(metric, labels),
            (START_S + np.asarray(seconds, dtype=np.int64)) * 1_000_000,
            np.asarray(values, dtype=np.float64),
        )
        for metric, labels, seconds, values in found
    )
    return land_series(warehouse, "test", digest, "test", series)


def gpu(number: int, **more: str) -> Labels:
    return Labels(gpu_uuid=f"GPU-{number}", host=f"n{number // 2}", gpu_index=str(number % 2), **more)


def row(frame, entity: str, metric: str) -> dict:
    found = frame[(frame["entity"] == entity) & (frame["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0].to_dict()


QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}


def test_percentiles_of_a_gpu_are_numpys(warehouse: Warehouse) -> None:
    values = np.random.default_rng(1).gamma(2.0, 0.1, 5000).clip(0, 1)
    put(warehouse, ("sm_active_ratio", gpu(0), np.arange(5000) * 60, values))
    found = row(usage.percentiles(warehouse), "GPU-0", "sm_active_ratio")
    for name, share in QUANTILES.items():
        assert found[name] == pytest.approx(np.quantile(values, share), rel=1e-12)
    assert found["mean"] == pytest.approx(values.mean())
    assert (found["n"], found["step_s"], found["unit"], found["members"]) == (5000, 60.0, "ratio", 1)
    assert found["days"] == pytest.approx(4999 * 60 / 86400)


def test_a_gap_lowers_coverage_and_is_never_a_zero(warehouse: Warehouse) -> None:
    seconds = np.concatenate([np.arange(100), np.arange(150, 200)]) * 300
    put(warehouse, ("sm_active_ratio", gpu(0), seconds, np.full(150, 0.5)))
    found = row(usage.percentiles(warehouse), "GPU-0", "sm_active_ratio")
    assert found["coverage"] == 0.75
    assert found["p50"] == found["mean"] == 0.5
    assert found["days"] == pytest.approx(150 * 300 / 86400)


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.7])
def test_samples_missing_at_random_are_gaps_and_no_longer_step(warehouse: Warehouse, kept: float) -> None:
    seconds = np.arange(4000)[np.random.default_rng(5).random(4000) < kept] * 300
    put(warehouse, ("sm_active_ratio", gpu(0), seconds, np.zeros(len(seconds))))
    found = row(usage.percentiles(warehouse), "GPU-0", "sm_active_ratio")
    assert found["step_s"] == 300
    assert found["coverage"] == pytest.approx(kept, abs=0.03)


def test_irregular_samples_count_by_the_time_they_stand_for(warehouse: Warehouse) -> None:
    uneven = np.cumsum(np.random.default_rng(2).choice([30, 45, 70], 400))
    values = np.random.default_rng(3).random(400)
    put(warehouse, ("dram_active_ratio", gpu(0), uneven, values))
    found = row(usage.percentiles(warehouse), "GPU-0", "dram_active_ratio")
    weights = np.minimum(np.append(np.diff(uneven), 45), 90).astype(float)  # a sample: two steps at most
    assert found["mean"] == pytest.approx((weights * values).sum() / weights.sum())
    order = np.argsort(values)
    middle = np.cumsum(weights[order]) - weights[order] / 2
    place = (middle - middle[0]) / (middle[-1] - middle[0])
    for name in ("p50", "p90", "p95", "p99"):
        expected = np.interp(QUANTILES[name], place, values[order])
        assert found[name] == pytest.approx(expected, rel=1e-9), name


def test_a_percentile_of_a_sum_is_not_the_sum_of_percentiles(warehouse: Warehouse) -> None:
    seconds = np.arange(1000) * 300
    day = (np.arange(1000) % 2 == 0) * 10.0
    night = 10.0 - day
    pods = [Labels(pod=name, namespace="n", model="m", team="t") for name in ("a", "b")]
    put(warehouse, ("requests_running", pods[0], seconds, day), ("requests_running", pods[1], seconds, night))
    each = usage.percentiles(warehouse, by="replica")
    assert row(each, "n/a", "requests_running")["p95"] == 10.0
    for grouping, key in (("model", "m"), ("team", "t")):
        found = row(usage.percentiles(warehouse, by=grouping), key, "requests_running")
        assert (found["p50"], found["p95"], found["max"], found["members"]) == (10.0, 10.0, 10.0, 2)


def test_sums_leave_out_moments_in_which_a_member_is_missing(warehouse: Warehouse) -> None:
    full = np.arange(100) * 300
    holed = np.concatenate([np.arange(40), np.arange(60, 100)]) * 300
    put(
        warehouse,
        ("power_w", gpu(0), full, np.full(100, 300.0)),
        ("power_w", gpu(1), holed, np.full(80, 200.0)),
    )
    found = row(usage.percentiles(warehouse, by="node"), "n0", "power_w")
    assert (found["n"], found["p50"], found["max"], found["coverage"]) == (80, 500.0, 500.0, 0.8)


def test_shares_are_averaged_over_members_not_added(warehouse: Warehouse) -> None:
    seconds = np.arange(50) * 300
    put(
        warehouse,
        ("sm_active_ratio", gpu(0), seconds, np.full(50, 0.9)),
        ("sm_active_ratio", gpu(1), seconds, np.full(50, 0.3)),
    )
    assert row(usage.percentiles(warehouse, by="node"), "n0", "sm_active_ratio")["p95"] == pytest.approx(0.6)


@pytest.mark.parametrize("jitter_s", [0, 40])
def test_sums_of_members_with_gaps_late_starts_and_jitter_are_pandas(
    warehouse: Warehouse, jitter_s: int
) -> None:
    random = np.random.default_rng(11)
    frames = []
    for number in range(4):
        seconds = np.arange(number * 9, 200) * 300 + 150
        seconds[::10] += random.integers(-jitter_s, jitter_s + 1, len(seconds[::10]))
        seconds = seconds[random.random(len(seconds)) > 0.05]
        values = random.random(len(seconds)) * 300
        put(warehouse, ("power_w", gpu(number, model="m"), seconds, values), digest=str(number))
        frames.append(pd.Series(values, seconds // 300, name=number))
    together = pd.concat(frames, axis=1).sort_index()
    is_gap = together.isna() & together.ffill().notna() & together.bfill().notna()
    whole = together[~is_gap.any(axis=1)].sum(axis=1)
    found = row(usage.percentiles(warehouse, by="model"), "m", "power_w")
    assert (found["n"], found["members"]) == (len(whole), 4)
    assert found["p90"] == pytest.approx(whole.quantile(0.9), rel=1e-12)


def test_two_overlapping_exports_count_a_moment_once(warehouse: Warehouse) -> None:
    put(warehouse, ("sm_active_ratio", gpu(0), np.arange(100) * 300, np.full(100, 0.2)))
    second = put(
        warehouse, ("sm_active_ratio", gpu(0), np.arange(50, 150) * 300, np.full(100, 0.4)), digest="b"
    )
    found = row(usage.percentiles(warehouse), "GPU-0", "sm_active_ratio")
    assert (found["n"], found["coverage"], found["members"]) == (150, 1.0, 1)
    assert found["mean"] == pytest.approx((50 * 0.2 + 100 * 0.4) / 150)
    alone = row(usage.percentiles(warehouse, import_ids=[second]), "GPU-0", "sm_active_ratio")
    assert (alone["n"], alone["mean"]) == (100, pytest.approx(0.4))


def test_one_export_after_another_counts_as_one_and_a_window_cuts_it(warehouse: Warehouse) -> None:
    values = np.random.default_rng(7).random(600)
    for number, digest in ((0, "a"), (300, "b")):
        part = np.arange(number, number + 300)
        put(warehouse, ("sm_active_ratio", gpu(0), part * 300, values[part]), digest=digest)
    for window, counted in ((usage.EVERYTHING, values), (usage.Window(lookback_days=1), values[-289:])):
        found = row(usage.by_entity(warehouse, window=window), "GPU-0", "sm_active_ratio")
        assert (found["n"], found["coverage"], found["max"]) == (len(counted), 1.0, counted.max())
        assert found["p99"] == pytest.approx(np.quantile(counted, 0.99), rel=1e-12)


def test_a_window_that_holds_everything_is_no_window(warehouse: Warehouse) -> None:
    put(warehouse, ("sm_active_ratio", gpu(0), np.arange(289) * 300, np.arange(289) / 289))
    day, less = usage.Window(1, 1800), usage.Window(0.99, 1800)
    assert usage.window_within(warehouse, day) == usage.Window(None, 1800)
    assert usage.window_within(warehouse, less) == less
    assert usage.by_entity(warehouse, window=day).equals(usage.by_entity(warehouse))
    assert usage.by_entity(warehouse, window=less)["n"].tolist() == [286]


def test_model_and_team_reach_the_gpus_through_the_pod(warehouse: Warehouse) -> None:
    seconds = np.arange(10) * 300
    pod = {"pod": "p", "namespace": "n"}
    put(
        warehouse,
        ("sm_active_ratio", gpu(0, **pod), seconds, np.full(10, 0.5)),
        ("requests_running", Labels(model="m", team="t", **pod), seconds, np.full(10, 3.0)),
        ("sm_active_ratio", gpu(2), seconds, np.full(10, 0.5)),
        ("requests_running", Labels(pod="elsewhere", namespace="n"), seconds, np.full(10, 3.0)),
    )
    assert row(usage.percentiles(warehouse, by="model"), "m", "sm_active_ratio")["p50"] == 0.5
    assert usage.unjoined(warehouse) == usage.Unjoined(("GPU-2",), ("n/elsewhere",))


def test_a_chart_keeps_peaks_and_gaps(warehouse: Warehouse) -> None:
    seconds = np.concatenate([np.arange(400), np.arange(600, 1000)]) * 300
    values = np.full(800, 0.1)
    values[123] = 0.9
    put(warehouse, ("sm_active_ratio", gpu(0), seconds, values))
    found = usage.series(warehouse, "GPU-0", "sm_active_ratio", points=100)
    assert len(found) <= 101
    assert found["high"].max() == 0.9
    assert found["n"].sum() == 800
    assert found["measured_at"].diff().max() >= timedelta(seconds=190 * 300)


def test_no_data_and_an_unknown_grouping(warehouse: Warehouse) -> None:
    for grouping in usage.GROUPINGS:
        assert usage.percentiles(warehouse, by=grouping).empty
    with pytest.raises(UnknownNameError, match="replica"):
        usage.percentiles(warehouse, by="replicas")


MONDAY = datetime(2026, 10, 5)


@pytest.mark.parametrize(
    ("days", "coverage", "samples", "expected"),
    [
        (14, 0.9, 4032, Confidence.HIGH),
        (14, 0.89, 4032, Confidence.MEDIUM),
        (7, 0.8, 2016, Confidence.MEDIUM),
        (7, 0.79, 2016, Confidence.LOW),
        (1.25, 0.5, 100, Confidence.LOW),
        (1.25, 0.5, 99, Confidence.NONE),
        (1.2, 1.0, 345, Confidence.NONE),
        (14, None, 1, Confidence.NONE),
    ],
)
def test_confidence_limits(days: float, coverage: float | None, samples: int, expected: Confidence) -> None:
    assert confidence(samples, coverage, MONDAY, MONDAY + timedelta(days=days)) == expected


def test_a_weekend_must_lie_inside_whole() -> None:
    assert holds_weekend(MONDAY, MONDAY + timedelta(days=7))
    assert not holds_weekend(MONDAY, MONDAY + timedelta(days=6))
    saturday_noon = datetime(2026, 10, 10, 12)
    assert not holds_weekend(saturday_noon, saturday_noon + timedelta(days=5))


def test_a_fleet_taken_in_pieces_gives_the_same(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(4).random((12, 50))
    put(warehouse, *(("sm_active_ratio", gpu(n), np.arange(50) * 300, values[n]) for n in range(12)))
    whole = usage.percentiles(warehouse)
    monkeypatch.setattr(usage, "PIECE_SAMPLES", 130)
    pieces = usage.percentiles(warehouse)
    assert len(pieces) == 12
    assert whole.equals(pieces)


def test_a_gap_counts_as_the_most_ever_seen_where_a_sum_must_not_be_too_low(warehouse: Warehouse) -> None:
    random = np.random.default_rng(4)
    values, there = random.random((3, 2000)), random.random((3, 2000)) > 0.1
    there[:, [0, -1]] = True
    seconds = np.arange(2000) * 300
    put(warehouse, *(
        ("sm_active_ratio", gpu(number), seconds[there[number]], values[number][there[number]])
        for number in range(3)
    ))  # fmt: skip
    most = np.array([values[number][there[number]].max() for number in range(3)])[:, None]
    bound = np.where(there, values, most).mean(axis=0)[there.any(axis=0)]
    found = usage.of_groups(warehouse, {f"GPU-{number}": "all" for number in range(3)}, filled=True).iloc[0]
    assert found["n"] == len(bound)
    assert found[["p50", "p95", "p99"]].tolist() == pytest.approx(np.quantile(bound, [0.5, 0.95, 0.99]))
    assert found["p95"] >= np.quantile(values.mean(axis=0), 0.95)
