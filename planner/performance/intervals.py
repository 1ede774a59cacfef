"""How far the truth may be from the expected value: 80 % intervals from errors on what was left out."""

import itertools
from collections import Counter
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inferplan.datasets.benchmarks import calibration
from inferplan.planner.deployment import Deployment
from inferplan.planner.performance.work import Column

Nearness = Literal["known", "new"]
ANY = "*"


class Bounds(NamedTuple):
    """Factors of the expected value, a row each."""

    low: Column
    high: Column


class Evidence(NamedTuple):
    """Published runs behind an estimate, counted from near to far."""

    same_model_gpu_engine: int
    same_gpu_engine: int
    same_model_engine: int
    same_engine: int

    @property
    def nearness(self) -> Nearness:
        """Return "known" where model, GPU and engine were measured together."""
        return "known" if self.same_model_gpu_engine else "new"


def evidence(deployment: Deployment) -> Evidence:
    """Return how many published runs are about the same model, GPU and engine."""
    runs, engine, gpu = _published_runs(), deployment.engine, deployment.gpu.name
    model = deployment.architecture.name
    return Evidence(*(runs[engine, *rest] for rest in ((gpu, model), (gpu, ANY), (ANY, model), (ANY, ANY))))


@lru_cache(maxsize=1)
def _published_runs() -> Counter[tuple[str, str, str]]:
    """Return the runs of each engine, GPU and model, of ``ANY`` GPU and of ``ANY`` model."""
    found: Counter[tuple[str, str, str]] = Counter()
    for key, runs in calibration().evidence.items():
        engine, gpu, model = key.split("|")
        for place in itertools.product([engine], [gpu, ANY], [model, ANY]):
            found[place] += runs
    return found


def place(known: Column, prefill_share: Column) -> NDArray[np.intp]:
    """Return where each row stands in the tables of ``bounds``; ``known`` is 1 where it was measured."""
    bins = calibration().spreads["new"]["tpot"]
    edges = np.array([one.prefill_share_below for one in bins[:-1]])
    found = np.searchsorted(edges, prefill_share, side="right")
    return np.asarray(found + (known > 0) * len(bins), dtype=np.intp)


def bounds(metric: str, places: NDArray[np.intp]) -> Bounds:
    """Return the interval's ends of ``metric`` for rows at ``places``."""
    spreads = calibration().spreads
    bins = (*spreads["new"][metric], *spreads["known"][metric])
    low = np.exp(np.array([one.low for one in bins]))
    high = np.exp(np.array([one.high for one in bins]))
    return Bounds(low[places], high[places])
