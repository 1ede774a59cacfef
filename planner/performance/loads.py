"""A workload as a load, and the largest load that keeps a latency target."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inferplan.planner.performance.batching import Load
from inferplan.planner.performance.drafting import draft_step_share
from inferplan.planner.performance.estimating import Estimates, Served
from inferplan.planner.performance.work import Column
from inferplan.planner.workload import Slo, Workload

TRIED = 64
SMALLEST_RATE_SHARE = 1e-4

Evaluate = Callable[[Load], Estimates]


def load_of(served: Served, workload: Workload) -> Load:
    """Return ``workload`` as a load of one row."""
    drafts = workload.speculative
    context_tokens = workload.input_tokens + workload.output_tokens / 2
    concurrency = math.inf if workload.concurrency == "max" else workload.concurrency or math.nan
    values = (
        workload.input_tokens, workload.output_tokens, concurrency,
        workload.request_rate_per_s or math.nan, workload.prefix_cache_hit_rate,
        drafts.draft_tokens if drafts else 0, drafts.acceptance_rate if drafts else 0,
        draft_step_share(served, drafts, context_tokens), workload.length_variation,
    )  # fmt: skip
    return Load(*(np.array([value], dtype=np.float64) for value in values))


def keeps(found: Estimates, output_tokens: float, slo: Slo) -> NDArray[np.bool_]:
    """Return which rows keep each target with their expected latency."""
    whole_s = found.ttft_s + (output_tokens - 1) * found.tpot_s
    targets = ((found.ttft_s, slo.ttft_s), (found.tpot_s, slo.tpot_s), (whole_s, slo.e2e_s))
    kept = [reached <= target for reached, target in targets if target is not None]
    return np.logical_and.reduce(kept) if kept else np.ones(len(whole_s), dtype=bool)


def largest_concurrency(evaluate: Evaluate, load: Load, most: int, slo: Slo) -> int:
    """Return the most requests in flight, up to ``most``, that keep ``slo``; 0 if not even one does."""
    low, tried = 0, np.unique(np.geomspace(1, most, TRIED).round())
    while len(tried):
        kept = _kept(evaluate, load, slo, concurrency=tried)
        low = int(tried[kept - 1]) if kept else low
        if kept == len(tried):
            break
        high = int(tried[kept])
        tried = np.unique(np.linspace(low + 1, high - 1, TRIED).round()) if high - low > 1 else tried[:0]
    return low


def largest_rate_within(evaluate: Evaluate, load: Load, most_per_s: float, slo: Slo) -> float:
    """Return the most requests per second, up to ``most_per_s``, that keep ``slo``; 0 if hardly any do."""
    low, tried = 0.0, np.geomspace(SMALLEST_RATE_SHARE, 1, TRIED) * most_per_s
    for _ in range(2):
        kept = _kept(evaluate, load, slo, request_rate_per_s=tried, concurrency=np.full(TRIED, math.nan))
        if kept == len(tried):
            return float(tried[-1])
        low = float(tried[kept - 1]) if kept else low
        tried = np.linspace(low, tried[kept], TRIED + 1)[1:]
    return low


def _kept(evaluate: Evaluate, load: Load, slo: Slo, **asked: Column) -> int:
    """Return how many of the asked loads, from the smallest on, keep ``slo``."""
    rows = np.zeros(len(asked["concurrency"]), dtype=np.intp)
    kept = keeps(evaluate(replace(load.take(rows), **asked)), float(load.output_tokens[0]), slo)
    return len(kept) if kept.all() else int(np.argmin(kept))
