"""From published runs to constants: what is fitted, how freely, and how well it does on what was left out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inferplan.datasets.benchmarks import Spread
from inferplan.planner.performance.batching import Load
from inferplan.planner.performance.constants import NAMES, SHARES
from inferplan.planner.performance.features import ERAS, PYTHON_SCHEDULERS, features
from inferplan.planner.performance.fitting import Matrix, Measured, fit_coefficients, predicted
from inferplan.planner.performance.measurements import Run, source_of
from inferplan.planner.performance.work import stack

METRICS = ("tpot", "ttft", "throughput")
STEADY_WEIGHTS, FIRST_TOKEN_WEIGHTS = (1.0, 0.0, 1.0), (0.0, 1.0, 0.0)
"""First tokens wait in queues that are not described by a run's figures: they may not bend the rest."""
FIRST_TOKEN_CONSTANTS = ("first_token_s", "wave")
STEADY_SCALES, FIRST_TOKEN_SCALES = (1.0, 0.4, 0.15), (0.2,)
"""Of the loss. Wide ones first, under which a group far from the plain values still counts; chosen like
``FREEDOM``, and the errors told are of the same splits: a little too good."""
SOURCE_WEIGHTS: Mapping[str, float] = {"splitwise": 0.5}  # an engine of 2023
MODEL_BALANCE = 0.5
"""A model measured n times counts as n to this power, lest the often measured speak for all."""
FREEDOM = 0.4
"""Scale of all the spreads below: chosen by leaving models and GPUs out, as are the next three."""
ERA_FREEDOM = 4.0
"""Of what an engine's era adds, in times of other features: engines were rewritten."""
SCHEDULER_FREEDOM = 12.0
"""Of what the eras of vLLM's schedulers in Python add to times: those are the host's, and differ most."""
TYPE_FREEDOM = 0.5
"""Of what one type of GPU adds to its generation."""

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
    "first_token_s": (0.04, 0.6, 0.15),
    "wave": (0.3, 0.8, 0.3),
    "expert_rows": (200.0, 1.0, 0.1),
}


@dataclass(frozen=True, eq=False)
class Table:
    """Runs as columns, with the names of the features."""

    measured: Measured
    """Under the load that was in flight: near capacity, times say little about a rate."""
    asked: Measured
    """Under the load that was asked for."""
    features: tuple[str, ...]


def table(runs: Sequence[Run]) -> Table:
    """Return ``runs`` as columns."""
    deployments = {id(run.deployment): run.deployment for run in runs}
    found = {key: features(deployment) for key, deployment in deployments.items()}
    names = ("all", *sorted({name for one in found.values() for name in one} - {"all"}))
    designs = {key: [one.get(name, 0.0) for name in names] for key, one in found.items()}
    column = {
        name: np.array([getattr(run, name) for run in runs], dtype=np.float64)
        for name in (
            "concurrency", "request_rate_per_s", "in_flight", "tpot_s", "ttft_s", "output_tokens_per_s"
        )
    }  # fmt: skip
    load = Load(
        np.array([run.benchmark.input_tokens for run in runs], dtype=np.float64),
        np.array([run.benchmark.output_tokens for run in runs], dtype=np.float64),
        column["concurrency"], column["request_rate_per_s"], *np.zeros((5, len(runs))),
    )  # fmt: skip
    asked = Measured(
        stack([run.work for run in runs]), load, np.array([designs[id(run.deployment)] for run in runs]),
        column["tpot_s"], column["ttft_s"], column["output_tokens_per_s"], _weights(runs),
    )  # fmt: skip
    return Table(replace(asked, load=replace(load, concurrency=column["in_flight"])), asked, names)


def _weights(runs: Sequence[Run]) -> NDArray[np.float64]:
    models = np.array([run.benchmark.model or "" for run in runs])
    _, place, counts = np.unique(models, return_inverse=True, return_counts=True)
    often = counts[place] / len(runs) * len(counts)
    source = [SOURCE_WEIGHTS.get(source_of(run.benchmark), 1.0) for run in runs]
    return np.asarray(np.array(source) * often ** (-MODEL_BALANCE), dtype=np.float64)


def prior(names: Sequence[str]) -> tuple[Matrix, Matrix]:
    """Return the plain coefficients (constants x features) and how far each may move."""
    start = np.zeros((len(NAMES), len(names)))
    spread = np.zeros_like(start)
    for place, name in enumerate(NAMES):
        value, overall, each = PRIORS[name]
        start[place, 0] = math.log(value)
        spread[place] = [each * FREEDOM * _freedom(place, feature) for feature in names]
        spread[place, 0] = overall * FREEDOM
    return start, spread


def _freedom(constant: int, feature: str) -> float:
    if feature in PYTHON_SCHEDULERS and constant not in SHARES:
        return SCHEDULER_FREEDOM
    if feature in ERAS:
        return ERA_FREEDOM
    return TYPE_FREEDOM if feature.startswith("type ") else 1.0


def fitted(measured: Measured, names: Sequence[str]) -> Matrix:
    """Return the coefficients that explain ``measured``: steady state first, then first tokens alone."""
    start, spread = prior(names)
    steady = fit_coefficients(measured, start, spread, metric_weights=STEADY_WEIGHTS, scales=STEADY_SCALES)
    free = np.isin(NAMES, FIRST_TOKEN_CONSTANTS)[:, None]
    return fit_coefficients(
        measured,
        np.where(free, start, steady),
        np.where(free, spread, 0.0),
        metric_weights=FIRST_TOKEN_WEIGHTS,
        scales=FIRST_TOKEN_SCALES,
    )


def folds_of(groups: Sequence[str], folds: int | None = None) -> NDArray[np.intp]:
    """Return the set that each row is left out with: one per group, or ``folds`` sets of whole groups."""
    known, place, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    fold_of = np.empty(len(known), dtype=np.intp)
    fold_of[order] = np.arange(len(known)) % (folds or len(known))
    return np.asarray(fold_of[place], dtype=np.intp)


def left_out(data: Table, groups: Sequence[str], folds: int | None = None) -> Matrix:
    """Return logarithms of expected over measured, each from a fit without the row's whole group.

    Parameters
    ----------
    folds
        Leave this many sets of groups out one after the other instead of every group by itself.
    """
    fold = folds_of(groups, folds)
    found = np.full(data.asked.targets.shape, np.nan)
    for number in range(int(fold.max()) + 1):
        out = np.flatnonzero(fold == number)
        coefficients = fitted(data.measured.rows(np.flatnonzero(fold != number)), data.features)
        found[out] = predicted(data.asked.rows(out), coefficients)
    return found - data.asked.targets


SHARE_EDGES = (0.05, 0.2, 0.4, 0.7, 1.01)
"""Loads are told apart by the share of time in prompts: the more, the less certain."""
FEWEST_ROWS = 40
TAIL = 0.09
"""What an interval leaves out at each end: a little less than a tenth, since the groups seen are few."""


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
            low, high = np.quantile(inside, [TAIL, 1 - TAIL])
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


def held(
    errors: Matrix,
    shares: NDArray[np.float64],
    folds: NDArray[np.intp],
    others: tuple[Matrix, NDArray[np.float64], NDArray[np.intp]],
) -> Matrix:
    """Return 1 where a measured value lies in its interval, 0 where not, NaN where nothing was measured.

    The interval of a row rests on those rows of ``others`` (errors, shares, folds) that are in another fold:
    a row has no say in its own.
    """
    found = np.full(errors.shape, np.nan)
    for number in np.unique(folds):
        elsewhere = others[2] != number
        bins = spreads(others[0][elsewhere], others[1][elsewhere])
        rows = np.flatnonzero(folds == number)
        for place, metric in enumerate(METRICS):
            edges = [one.prefill_share_below for one in bins[metric]]
            at = np.searchsorted(edges[:-1], shares[rows], side="right")
            low, high = (np.array([getattr(one, end) for one in bins[metric]])[at] for end in ("low", "high"))
            ratio = -errors[rows, place]
            inside = ((ratio >= low) & (ratio <= high)).astype(float)
            found[rows, place] = np.where(np.isfinite(ratio), inside, np.nan)
    return found
