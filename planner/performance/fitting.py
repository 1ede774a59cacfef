"""Fit the constants to measurements: damped Gauss-Newton on logarithms, shrunk towards plain values.

The logarithm of every constant is a sum over features; a feature's share is drawn towards 0 so that what was
seen rarely stays near what was seen often. What counts is the relative error, which users read; beyond the
loss's scale it counts ever less, for some runs are wrong in ways that nobody published. The scale may shrink
in stages (graduated non-convexity: A. Blake and A. Zisserman, Visual Reconstruction, 1987), lest a whole
group of runs that the start is far from be taken for such errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inferplan.planner.performance.batching import Load, Steady, steady_state
from inferplan.planner.performance.constants import (
    CEILING,
    LARGEST_LOG,
    NAMES,
    SHARES,
    SMALLEST_LOG,
    Constants,
)
from inferplan.planner.performance.work import Column, Work

Matrix = NDArray[np.float64]

DERIVATIVE_STEP = 1e-4
NOISE = 0.15
LARGEST_LOG_RATIO = 2.0
LARGEST_MOVE = 0.5


@dataclass(frozen=True, eq=False)
class Measured:
    """Measurements, a row each; NaN where a figure was not measured."""

    work: Work
    load: Load
    features: Matrix
    tpot_s: Column
    ttft_s: Column
    output_tokens_per_s: Column
    weight: Column

    @property
    def targets(self) -> Matrix:
        """Logarithms of TPOT, TTFT and throughput, a column each."""
        return np.log(np.stack([self.tpot_s, self.ttft_s, self.output_tokens_per_s], axis=1))

    def rows(self, chosen: NDArray[np.intp]) -> "Measured":
        """Return the rows at ``chosen``."""
        return Measured(
            self.work.take(chosen), self.load.take(chosen), self.features[chosen], self.tpot_s[chosen],
            self.ttft_s[chosen], self.output_tokens_per_s[chosen], self.weight[chosen],
        )  # fmt: skip


def predicted(measured: Measured, coefficients: Matrix) -> Matrix:
    """Return the logarithms of TPOT, TTFT and throughput under ``coefficients`` (constants x features)."""
    return _evaluated(measured, measured.features @ coefficients.T)


def prefill_shares(measured: Measured, coefficients: Matrix) -> Column:
    """Return the share of time that goes into prompts, per row."""
    return _steady(measured, measured.features @ coefficients.T).prefill_share


def _evaluated(measured: Measured, logs: Matrix) -> Matrix:
    found = _steady(measured, logs)
    return np.log(np.stack([found.tpot_s, found.ttft_s, found.output_tokens_per_s], axis=1))


def _steady(measured: Measured, logs: Matrix) -> Steady:
    values = np.exp(np.clip(logs, SMALLEST_LOG, LARGEST_LOG))
    values[:, SHARES] = np.minimum(values[:, SHARES], CEILING)
    fitted = Constants(*(values[:, place] for place in range(len(NAMES))))
    return steady_state(measured.work, fitted, measured.load)


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is to be explained, what the coefficients are drawn to, and when an error counts less."""

    measured: Measured
    start: Matrix
    spread: Matrix
    metric_weights: Sequence[float]
    scale: float
    """Of the Cauchy loss: a relative error of so much has half the weight of a small one."""

    @property
    def free(self) -> NDArray[np.intp]:
        """Constants that may move."""
        return np.flatnonzero(self.spread.max(axis=1) > 0)


def fit_coefficients(
    measured: Measured,
    start: Matrix,
    spread: Matrix,
    *,
    metric_weights: Sequence[float] = (1.0, 0.35, 1.0),
    scales: Sequence[float] = (0.2,),
    rounds: int = 15,
) -> Matrix:
    """Return the coefficients (constants x features) that explain ``measured`` best.

    Parameters
    ----------
    start
        Where the search begins and what coefficients are drawn to.
    spread
        How far from ``start`` each coefficient may plausibly be (one standard deviation, natural logarithm);
        constants without any stay as they are.
    scales
        Of the loss, one after the other: a relative error of so much has half the weight of a small one.
    rounds
        Steps of the search at most, for each scale.
    """
    coefficients = start
    for scale in scales:
        problem = _Problem(measured, start, spread, metric_weights, scale)
        coefficients = _descended(problem, coefficients, rounds)
    return coefficients


def _descended(problem: _Problem, coefficients: Matrix, rounds: int) -> Matrix:
    """Return where steps of damped Gauss-Newton lead from ``coefficients``."""
    damping, best = 1e-2, _cost(problem, coefficients)
    for _ in range(rounds):
        gradient, curvature = _normal_equations(problem, coefficients)
        for _ in range(6):
            damped = curvature + damping * np.diag(np.diag(curvature))
            move = np.linalg.solve(damped, -gradient).reshape(len(problem.free), -1)
            tried = coefficients.copy()
            tried[problem.free] += np.clip(move, -LARGEST_MOVE, LARGEST_MOVE)
            cost = _cost(problem, tried)
            if cost < best:
                damping = max(damping / 4, 1e-5)
                break
            damping *= 5
        else:
            return coefficients
        done = best - cost < 1e-5 * best
        coefficients, best = tried, cost
        if done:
            break
    return coefficients


def _residuals(problem: _Problem, found: Matrix) -> tuple[Matrix, Matrix]:
    """Return relative errors and their weights, 0 where nothing was measured."""
    logs = found - problem.measured.targets
    known = np.isfinite(logs)
    residuals = np.expm1(np.clip(np.where(known, logs, 0.0), -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO))
    weights = problem.measured.weight[:, None] * np.asarray(problem.metric_weights)[None, :] / NOISE**2
    return residuals, np.where(known, weights, 0.0)


def _cost(problem: _Problem, coefficients: Matrix) -> float:
    residuals, weights = _residuals(problem, predicted(problem.measured, coefficients))
    loss = problem.scale**2 * np.log1p((residuals / problem.scale) ** 2)
    free = problem.spread > 0
    drawn = ((coefficients - problem.start)[free] / problem.spread[free]) ** 2
    return float((weights * loss).sum() + drawn.sum())


def _normal_equations(problem: _Problem, coefficients: Matrix) -> tuple[Column, Matrix]:
    """Return gradient and curvature of the cost in the coefficients of the constants that may move."""
    measured, free = problem.measured, problem.free
    logs = measured.features @ coefficients.T
    base = _evaluated(measured, logs)
    residuals, weights = _residuals(problem, base)
    weights = weights / (1 + (residuals / problem.scale) ** 2)
    slopes = np.empty((*base.shape, len(free)))
    for column, place in enumerate(free):
        moved = logs.copy()
        moved[:, place] += DERIVATIVE_STEP
        slope = (_evaluated(measured, moved) - base) / DERIVATIVE_STEP
        slopes[:, :, column] = np.where(np.isfinite(slope), slope * (1 + residuals), 0.0)
    precision = (1 / problem.spread[free] ** 2).reshape(-1)
    gradient = precision * (coefficients - problem.start)[free].reshape(-1)
    curvature = np.diag(precision)
    for metric in range(base.shape[1]):
        seen = weights[:, metric] > 0
        jacobian = slopes[seen, metric, :, None] * measured.features[seen, None, :]
        jacobian = jacobian.reshape(-1, gradient.size)
        scaled = jacobian * weights[seen, metric, None]
        gradient += scaled.T @ residuals[seen, metric]
        curvature += scaled.T @ jacobian
    return gradient, curvature
