"""The calibration: which runs count, how constants are found, and that nothing vouches for itself."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from inferplan.datasets.benchmarks import benchmarks, calibration
from inferplan.planner.performance.calibrating import (
    METRICS,
    TAIL,
    Table,
    fitted,
    folds_of,
    held,
    prior,
    spreads,
    table,
)
from inferplan.planner.performance.constants import NAMES
from inferplan.planner.performance.fitting import fit_coefficients, predicted
from inferplan.planner.performance.measurements import Run, source_of, usable_runs


@pytest.fixture(scope="module")
def runs() -> Sequence[Run]:
    return usable_runs(benchmarks())[0]


@pytest.fixture(scope="module")
def data(runs: Sequence[Run]) -> Table:
    return table(runs)


def test_bursts_and_experiments_are_dropped_by_a_rule_that_is_counted(runs: Sequence[Run]) -> None:
    _, dropped = usable_runs(benchmarks())
    assert dropped["all prompts sent at once: a ramp and a tail, not a steady state"] == 736
    assert dropped["called experimental by its source"] == 819
    assert "ixexp" not in {source_of(run.benchmark) for run in runs}
    assert dict(dropped) == calibration().dropped


def test_requests_in_flight_follow_from_a_rate_by_littles_law(runs: Sequence[Run]) -> None:
    found = {run.benchmark.run: run for run in runs}
    calm = found["accel-r87"]  # 5 requests per second, first token after 41.15 ms, 345 tokens of 13.32 ms
    assert calm.in_flight == pytest.approx(5 * (0.04115 + 345 * 0.01332))
    swamped = found["accel-r90"]  # 50 per second: more than the 300 requests of the run cannot be in flight
    assert swamped.in_flight == 300
    assert found["accel-r45"].in_flight == 1


def test_a_fit_finds_the_constants_that_made_its_data(data: Table) -> None:
    rows = data.measured.rows(np.arange(0, len(data.measured.tpot_s), 12))
    rows = replace(rows, features=rows.features[:, :1])
    start, spread = prior(data.features[:1])
    true = start.copy()
    moved = {"layer_s": 0.5, "bandwidth_dense": -0.2, "prompt_dense": 0.3}
    for name, shift in moved.items():
        true[NAMES.index(name), 0] += shift
    tpot_s, ttft_s, tokens_per_s = np.exp(predicted(rows, true)).T
    made = replace(rows, tpot_s=tpot_s, ttft_s=ttft_s, output_tokens_per_s=tokens_per_s)
    learned = fit_coefficients(made, start, spread * 5)
    for name, shift in moved.items():
        place = NAMES.index(name)
        assert learned[place, 0] - start[place, 0] == pytest.approx(shift, abs=0.1)


def test_a_model_that_was_left_out_whole_is_told_within_bounds(runs: Sequence[Run], data: Table) -> None:
    """One fold of the cross-validation, computed anew: Llama 3.1 70B, 238 runs with a time per token."""
    groups = [run.benchmark.model == "meta-llama/Llama-3.1-70B-Instruct" for run in runs]
    out = np.flatnonzero(groups)
    others = np.flatnonzero(~np.array(groups))[::4]  # a quarter of them will do, and is quicker
    coefficients = fitted(data.measured.rows(others), data.features)
    errors = predicted(data.asked.rows(out), coefficients) - data.asked.targets[out]
    size = np.abs(np.expm1(errors[np.isfinite(errors[:, 0]), 0]))
    assert len(size) == 238
    assert np.median(size) < 0.2
    assert np.quantile(size, 0.9) < 0.4


def test_groups_are_left_out_whole() -> None:
    groups = ["a", "b", "a", "c", "b", "d", "a"]
    folds = folds_of(groups, 2)
    assert set(folds) == {0, 1}
    assert all(len({f for f, g in zip(folds, groups, strict=True) if g == name}) == 1 for name in "abcd")
    assert sorted(set(folds_of(groups))) == [0, 1, 2, 3]


def test_intervals_hold_as_often_as_they_say_and_no_row_vouches_for_itself() -> None:
    random = np.random.default_rng(7)
    errors = random.normal(0, 0.3, (4000, len(METRICS)))
    shares, folds = random.uniform(0, 1, 4000), random.integers(0, 8, 4000)
    inside = held(errors, shares, folds, (errors, shares, folds))
    assert np.nanmean(inside) == pytest.approx(1 - 2 * TAIL, abs=0.02)
    odd = np.where(folds == 3, 9.0, errors[:, 0])[:, None] * np.ones(len(METRICS))
    assert np.nanmean(held(odd, shares, folds, (odd, shares, folds))[folds == 3]) == 0
    bins = spreads(errors, shares)["tpot"]
    assert bins[0].low == pytest.approx(-0.402, abs=0.05)  # 9 % quantile of a normal: 1.341 x 0.3
