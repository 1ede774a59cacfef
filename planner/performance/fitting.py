"""Fit the constants to measurements: damped Gauss-Newton on logarithms, shrunk towards plain values.

The logarithm of every constant is a sum over features; a feature's share is drawn towards 0 so that what was
seen rarely stays near what was seen often. Large residuals count by their size and not its square.
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
HUBER = 0.15
NOISE = 0.15
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
        How far from ``start`` each coefficient may plausibly be (one standard deviation, natural logarithm).
    """
    coefficients, damping = start.copy(), 1e-2
    best = _cost(measured, coefficients, start, spread, metric_weights)
    for _ in range(rounds):
        gradient, curvature = _normal_equations(measured, coefficients, start, spread, metric_weights)
        for _ in range(6):
            damped = curvature + damping * np.diag(np.diag(curvature))
            move = np.linalg.solve(damped, -gradient).reshape(start.shape)
            tried = coefficients + np.clip(move, -LARGEST_MOVE, LARGEST_MOVE)
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
    """Return residuals and their weights, 0 where nothing was measured."""
    residuals = found - measured.targets
    weights = measured.weight[:, None] * np.asarray(metric_weights)[None, :]
    known = np.isfinite(residuals)
    return np.where(known, residuals, 0.0), np.where(known, weights, 0.0)


def _cost(
    measured: Measured, coefficients: Matrix, start: Matrix, spread: Matrix, metric_weights: Sequence[float]
) -> float:
    residuals, weights = _residuals(measured, predicted(measured, coefficients), metric_weights)
    size = np.abs(residuals)
    huber = np.where(size <= HUBER, residuals**2, HUBER * (2 * size - HUBER))
    return float((weights * huber).sum() / NOISE**2 + (((coefficients - start) / spread) ** 2).sum())


def _normal_equations(
    measured: Measured, coefficients: Matrix, start: Matrix, spread: Matrix, metric_weights: Sequence[float]
) -> tuple[Column, Matrix]:
    logs = measured.features @ coefficients.T
    base = _evaluated(measured, logs)
    residuals, weights = _residuals(measured, base, metric_weights)
    weights = weights * np.minimum(1.0, HUBER / np.maximum(np.abs(residuals), 1e-12)) / NOISE**2
    slopes = np.empty((*base.shape, logs.shape[1]))
    for place in range(logs.shape[1]):
        moved = logs.copy()
        moved[:, place] += DERIVATIVE_STEP
        slope = (_evaluated(measured, moved) - base) / DERIVATIVE_STEP
        slopes[:, :, place] = np.where(np.isfinite(slope), slope, 0.0)
    constants, features = coefficients.shape
    gradient = np.zeros(constants * features)
    curvature = np.zeros((constants * features, constants * features))
    for metric in range(base.shape[1]):
        seen = weights[:, metric] > 0
        jacobian = (slopes[seen, metric, :, None] * measured.features[seen, None, :]).reshape(
            -1, gradient.size
        )
        scaled = jacobian * weights[seen, metric, None]
        gradient += scaled.T @ residuals[seen, metric]
        curvature += scaled.T @ jacobian
    precision = (1 / spread**2).reshape(-1)
    gradient += precision * (coefficients - start).reshape(-1)
    curvature[np.diag_indices_from(curvature)] += precision
    return gradient, curvature
