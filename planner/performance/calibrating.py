"""From published runs to constants: what is fitted, how freely, and how well it does on what was left out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inferplan.datasets.benchmarks import Spread
from inferplan.planner.performance.batching import Load
from inferplan.planner.performance.constants import NAMES
from inferplan.planner.performance.features import features
from inferplan.planner.performance.fitting import Matrix, Measured, fit_coefficients, predicted
from inferplan.planner.performance.measurements import Run
from inferplan.planner.performance.work import stack

METRICS = ("tpot", "ttft", "throughput")
STEADY_WEIGHTS, FIRST_TOKEN_WEIGHTS = (1.0, 0.0, 1.0), (0.0, 1.0, 0.0)
"""First tokens wait in queues that are not described by a run's figures: they may not bend the rest."""
FIRST_TOKEN_CONSTANTS = ("first_token_s", "wave")
HELD = 1e-6
"""Freedom of a constant that the second fit leaves alone."""
SOURCE_WEIGHTS: Mapping[str, float] = {
    "ixexp": 0.3,  # called experimental by its own README
    "splitwise": 0.5,  # an engine of 2023
}
MODEL_BALANCE = 0.5
"""A model measured n times counts as n to this power, lest the often measured speak for all."""
FREEDOM = 0.4
"""Scale of all the spreads below: chosen by leaving models and GPUs out."""

# Plain value, spread of the logarithm of the value for all, and of what each feature may add.
PRIORS: Mapping[str, tuple[float, float, float]] = {
    "bandwidth_dense": (0.78, 0.08, 0.06),
    "bandwidth_experts": (0.6, 0.2, 0.1),
    "bandwidth_cache": (0.6, 0.2, 0.1),
    "arithmetic_dense": (0.5, 0.2, 0.1),
    "arithmetic_experts": (0.25, 0.3, 0.15),
    "prompt_dense": (0.5, 0.2, 0.12),
    "prompt_experts": (0.4, 0.3, 0.15),
    "prompt_attention": (0.35, 0.3, 0.1),
    "link": (0.5, 0.3, 0.2),
    "layer_s": (40e-6, 0.4, 0.2),
    "expert_layer_s": (15e-6, 0.5, 0.2),
    "collective_s": (12e-6, 0.4, 0.2),
    "step_s": (1e-3, 0.5, 0.2),
    "sequence_s": (8e-6, 0.7, 0.3),
    "interference": (1.0, 0.3, 0.2),
    "first_token_s": (0.04, 1.5, 0.8),
    "wave": (0.3, 2.0, 1.5),
    "expert_rows": (200.0, 1.0, 0.1),
}


@dataclass(frozen=True, eq=False)
class Table:
    """Runs as columns, with the names of the features."""

    measured: Measured
    features: tuple[str, ...]


def table(runs: Sequence[Run]) -> Table:
    """Return ``runs`` as columns."""
    deployments = {id(run.deployment): run.deployment for run in runs}
    found = {key: features(deployment) for key, deployment in deployments.items()}
    names = ("all", *sorted({name for one in found.values() for name in one} - {"all"}))
    designs = {key: [one.get(name, 0.0) for name in names] for key, one in found.items()}
    column = {
        name: np.array([getattr(run, name) for run in runs], dtype=np.float64)
        for name in ("concurrency", "request_rate_per_s", "tpot_s", "ttft_s", "output_tokens_per_s")
    }
    load = Load(
        np.array([run.benchmark.input_tokens for run in runs], dtype=np.float64),
        np.array([run.benchmark.output_tokens for run in runs], dtype=np.float64),
        column["concurrency"], column["request_rate_per_s"], *np.zeros((5, len(runs))),
    )  # fmt: skip
    measured = Measured(
        stack([run.work for run in runs]), load, np.array([designs[id(run.deployment)] for run in runs]),
        column["tpot_s"], column["ttft_s"], column["output_tokens_per_s"], _weights(runs),
    )  # fmt: skip
    return Table(measured, names)


def _weights(runs: Sequence[Run]) -> NDArray[np.float64]:
    models = np.array([run.benchmark.model or "" for run in runs])
    _, place, counts = np.unique(models, return_inverse=True, return_counts=True)
    often = counts[place] / len(runs) * len(counts)
    source = [SOURCE_WEIGHTS.get(run.benchmark.run.rsplit("-", 1)[0], 1.0) for run in runs]
    return np.asarray(np.array(source) * often ** (-MODEL_BALANCE), dtype=np.float64)


def prior(names: Sequence[str]) -> tuple[Matrix, Matrix]:
    """Return the plain coefficients (constants x features) and how far each may move."""
    start = np.zeros((len(NAMES), len(names)))
    spread = np.zeros_like(start)
    for place, name in enumerate(NAMES):
        value, overall, each = PRIORS[name]
        start[place, 0] = math.log(value)
        spread[place] = each * FREEDOM
        spread[place, 0] = overall * FREEDOM
    return start, spread


def fitted(measured: Measured, names: Sequence[str]) -> Matrix:
    """Return the coefficients that explain ``measured``: steady state first, then first tokens alone."""
    start, spread = prior(names)
    steady = fit_coefficients(measured, start, spread, metric_weights=STEADY_WEIGHTS)
    free = np.isin(NAMES, FIRST_TOKEN_CONSTANTS)[:, None]
    return fit_coefficients(
        measured,
        np.where(free, start, steady),
        np.where(free, spread, HELD),
        metric_weights=FIRST_TOKEN_WEIGHTS,
    )


def left_out(data: Table, groups: Sequence[str], folds: int | None = None) -> Matrix:
    """Return logarithms of expected over measured, each from a fit without the row's whole group.

    Parameters
    ----------
    folds
        Leave this many sets of groups out one after the other instead of every group by itself.
    """
    known, place, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    fold_of = np.empty(len(known), dtype=np.intp)
    fold_of[order] = np.arange(len(known)) % (folds or len(known))
    found = np.full(data.measured.targets.shape, np.nan)
    fold = fold_of[place]
    for number in range(int(fold.max()) + 1):
        out = np.flatnonzero(fold == number)
        coefficients = fitted(data.measured.rows(np.flatnonzero(fold != number)), data.features)
        found[out] = predicted(data.measured.rows(out), coefficients)
    return found - data.measured.targets


SHARE_EDGES = (0.05, 0.2, 0.4, 0.7, 1.01)
"""Loads are told apart by the share of time in prompts: the more, the less certain."""
FEWEST_ROWS = 40


def spreads(errors: Matrix, shares: NDArray[np.float64]) -> dict[str, tuple[Spread, ...]]:
    """Return the 80 % interval of measured over expected by metric and share of time in prompts."""
    found: dict[str, tuple[Spread, ...]] = {}
    for place, metric in enumerate(METRICS):
        known = np.isfinite(errors[:, place])
        ratio = -errors[known, place]
        bins, lower = [], 0.0
        for edge in SHARE_EDGES:
            inside = ratio[(shares[known] >= lower) & (shares[known] < edge)]
            if len(inside) < FEWEST_ROWS:
                inside = ratio
            low, high = np.quantile(inside, [0.1, 0.9])
            bins.append(
                Spread(
                    prefill_share_below=edge,
                    low=round(float(min(low, -0.02)), 4),
                    high=round(float(max(high, 0.02)), 4),
                )
            )
            lower = edge
        found[metric] = tuple(bins)
    return found


def coverage(errors: NDArray[np.float64], shares: NDArray[np.float64], bins: Sequence[Spread]) -> float:
    """Return the share of rows whose measured value lies inside of the interval."""
    known = np.isfinite(errors)
    place = np.searchsorted([one.prefill_share_below for one in bins], shares[known], side="right")
    low = np.array([one.low for one in bins])[place]
    high = np.array([one.high for one in bins])[place]
    return float(np.mean((-errors[known] >= low) & (-errors[known] <= high)))
