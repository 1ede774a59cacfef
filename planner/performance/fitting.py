"""Fit the constants to measurements: damped Gauss-Newton on logarithms, shrunk towards plain values.

The logarithm of every constant is a sum over features; a feature's share is drawn towards 0 so that what was
seen rarely stays near what was seen often. What counts is the relative error, which users read; beyond
``SCALE`` it counts ever less, for some runs are wrong in ways that nobody published.
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
SCALE = 0.2
"""Of the Cauchy loss: a relative error of so much has half the weight of a small one."""
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


def fit_coefficients(
    measured: Measured,
    start: Matrix,
    spread: Matrix,
    *,
    metric_weights: Sequence[float] = (1.0, 0.35, 1.0),
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
    """
    coefficients, damping = start.copy(), 1e-2
    free = np.flatnonzero(spread.max(axis=1) > 0)
    best = _cost(measured, coefficients, start, spread, metric_weights)
    for _ in range(rounds):
        gradient, curvature = _normal_equations(measured, coefficients, start, spread, metric_weights, free)
        for _ in range(6):
            damped = curvature + damping * np.diag(np.diag(curvature))
            move = np.linalg.solve(damped, -gradient).reshape(len(free), -1)
            tried = coefficients.copy()
            tried[free] += np.clip(move, -LARGEST_MOVE, LARGEST_MOVE)
            cost = _cost(measured, tried, start, spread, metric_weights)
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


def _residuals(measured: Measured, found: Matrix, metric_weights: Sequence[float]) -> tuple[Matrix, Matrix]:
    """Return relative errors and their weights, 0 where nothing was measured."""
    logs = found - measured.targets
    known = np.isfinite(logs)
    residuals = np.expm1(np.clip(np.where(known, logs, 0.0), -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO))
    weights = measured.weight[:, None] * np.asarray(metric_weights)[None, :] / NOISE**2
    return residuals, np.where(known, weights, 0.0)


def _cost(
    measured: Measured, coefficients: Matrix, start: Matrix, spread: Matrix, metric_weights: Sequence[float]
) -> float:
    residuals, weights = _residuals(measured, predicted(measured, coefficients), metric_weights)
    loss = SCALE**2 * np.log1p((residuals / SCALE) ** 2)
    free = spread > 0
    drawn = ((coefficients - start)[free] / spread[free]) ** 2
    return float((weights * loss).sum() + drawn.sum())


def _normal_equations(
    measured: Measured,
    coefficients: Matrix,
    start: Matrix,
    spread: Matrix,
    metric_weights: Sequence[float],
    free: NDArray[np.intp],
) -> tuple[Column, Matrix]:
    """Return gradient and curvature of the cost in the coefficients of the constants ``free``."""
    logs = measured.features @ coefficients.T
    base = _evaluated(measured, logs)
    residuals, weights = _residuals(measured, base, metric_weights)
    weights = weights / (1 + (residuals / SCALE) ** 2)
    slopes = np.empty((*base.shape, len(free)))
    for column, place in enumerate(free):
        moved = logs.copy()
        moved[:, place] += DERIVATIVE_STEP
        slope = (_evaluated(measured, moved) - base) / DERIVATIVE_STEP
        slopes[:, :, column] = np.where(np.isfinite(slope), slope * (1 + residuals), 0.0)
    precision = (1 / spread[free] ** 2).reshape(-1)
    gradient, curvature = precision * (coefficients - start)[free].reshape(-1), np.diag(precision)
    for metric in range(base.shape[1]):
        seen = weights[:, metric] > 0
        jacobian = slopes[seen, metric, :, None] * measured.features[seen, None, :]
        jacobian = jacobian.reshape(-1, gradient.size)
        scaled = jacobian * weights[seen, metric, None]
        gradient += scaled.T @ residuals[seen, metric]
        curvature += scaled.T @ jacobian
    return gradient, curvature
