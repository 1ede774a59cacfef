"""From deployments and loads to estimates, a column of millions in one call."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inferplan.datasets.errors import InferplanError
from inferplan.planner.deployment import Deployment
from inferplan.planner.interval import Interval
from inferplan.planner.memory import Fit, fit
from inferplan.planner.memory.settings import resolve
from inferplan.planner.performance.batching import Load, Steady, steady_state
from inferplan.planner.performance.constants import Constants, constants, stack_constants
from inferplan.planner.performance.intervals import Evidence, bounds, evidence, place
from inferplan.planner.performance.own_measurements import OwnEvidence, corrected
from inferplan.planner.performance.work import Column, Work, stack, work

CHUNK = 8_192  # rows whose columns stay in a processor's caches

LEAST_POOL_SHARE = 0.03
"""Of the memory: a deployment that is only just too large is estimated as if its engine were given more."""

# sglang server_args.py v0.5: max_running_requests follows the pool, 4096 at most; llama.cpp's slots are taken
# to be as many as the load asks for.
UNLIMITED_SEQUENCES = {"sglang": 4096, "llama.cpp": 256}


@dataclass(frozen=True, eq=False)
class Served:
    """A deployment made ready for estimates: built once, evaluated at any number of loads."""

    deployment: Deployment
    fit: Fit
    work: Work
    constants: Constants
    evidence: Evidence


@dataclass(frozen=True, eq=False)
class Estimates:
    """Columns of estimates, a row per asked load; figures are those of the whole deployment."""

    ttft_s: Column
    tpot_s: Column
    output_tokens_per_s: Column
    requests_per_s: Column
    running_sequences: Column
    prefill_share: Column
    saturated: NDArray[np.bool_]
    ttft_low_s: Column
    ttft_high_s: Column
    tpot_low_s: Column
    tpot_high_s: Column
    output_tokens_per_s_low: Column
    output_tokens_per_s_high: Column

    def interval(self, metric: Literal["ttft", "tpot", "output_tokens_per_s"], row: int = 0) -> Interval:
        """Return ``metric`` (seconds, or tokens per second) of one row with its 80 % interval."""
        names = (
            (f"{metric}_low", metric, f"{metric}_high") if metric == "output_tokens_per_s"
            else (f"{metric}_low_s", f"{metric}_s", f"{metric}_high_s")
        )  # fmt: skip
        return Interval(*(float(getattr(self, name)[row]) for name in names))


def serve(deployment: Deployment, found: Fit | None = None) -> Served:
    """Return ``deployment`` reduced to numbers; ``found`` is its fit where that is already known.

    Raises
    ------
    InferplanError
        If the weights alone are larger than the GPU, or a format is not known.
    """
    found = found or fit(deployment)
    return Served(deployment, found, work_of(deployment, found), constants(deployment), evidence(deployment))


def work_of(deployment: Deployment, found: Fit) -> Work:
    """Return what ``deployment`` with the memory ``found`` has to do; raises as ``serve`` does."""
    memory = found.memory
    if memory.weights_bytes >= memory.total_bytes:
        msg = f"cannot estimate what does not fit: {found.reason}"
        raise InferplanError(msg)
    pool = max(LEAST_POOL_SHARE * memory.total_bytes, memory.kv_pool_bytes + memory.state_pool_bytes)
    limits = resolve(deployment)
    sequences = deployment.max_num_seqs or UNLIMITED_SEQUENCES.get(deployment.engine, limits.sequences)
    return work(deployment, pool, sequences, limits.batch_tokens)


def estimate_many(
    served: Sequence[Served],
    index: ArrayLike,
    *,
    input_tokens: ArrayLike,
    output_tokens: ArrayLike,
    concurrency: ArrayLike | None = None,
    request_rate_per_s: ArrayLike | None = None,
    prefix_cache_hit_rate: ArrayLike = 0.0,
    draft_tokens: ArrayLike = 0.0,
    acceptance_rate: ArrayLike = 0.0,
    draft_step_share: ArrayLike = math.nan,
    length_variation: ArrayLike = 0.0,
    own: OwnEvidence | None = None,
) -> Estimates:
    """Return the estimates of many loads in one call.

    Parameters
    ----------
    served
        Deployments from ``serve``.
    index
        Which of ``served`` each row is about.
    input_tokens, output_tokens, prefix_cache_hit_rate
        Per row, or one for all (tokens; share of the prompt's tokens).
    concurrency
        Requests in flight over all replicas per row; ``inf`` is as many as run at once, NaN means a rate.
    request_rate_per_s
        Requests per second offered to the whole deployment, for rows without a concurrency.
    draft_tokens, acceptance_rate
        Speculative decoding: tokens proposed per step and the chance that one is right.
    draft_step_share
        Time of drafting one token over that of a step; NaN is that of one layer and a head.
    length_variation
        Standard deviation of the requests' lengths over their mean: lengthens queues under a rate.
    own
        Own measurements that estimates near them are drawn to.
    """
    rows = np.asarray(index, dtype=np.intp)
    load = Load(
        *(
            np.broadcast_to(np.asarray(values, dtype=np.float64), rows.shape)
            for values in (
                input_tokens, output_tokens, math.nan if concurrency is None else concurrency,
                math.nan if request_rate_per_s is None else request_rate_per_s,
                prefix_cache_hit_rate, draft_tokens, acceptance_rate, draft_step_share, length_variation,
            )
        )
    )  # fmt: skip
    return estimates(served, rows, load, own)


def estimates(
    served: Sequence[Served], rows: NDArray[np.intp], load: Load, own: OwnEvidence | None = None
) -> Estimates:
    """Return the estimate of each row of ``load`` on the one of ``served`` that ``rows`` names.

    A deployment that own measurements make s times faster at full load feels a rate as the expected one feels
    a rate s times lower: its queues are as long, in shorter times.
    """
    if own is None:
        return _expected(served, rows, load)
    speed = speed_at_full_load(served, rows, load, own)
    found = _expected(served, rows, slowed(load, speed))
    deployments = [one.deployment for one in served]
    at_a_rate = np.where(np.isnan(load.concurrency), speed, math.nan)
    return corrected(found, deployments, rows, load.input_tokens, load.output_tokens, at_a_rate, own)


def speed_at_full_load(
    served: Sequence[Served], rows: NDArray[np.intp], load: Load, own: OwnEvidence
) -> Column:
    """Return how many times more requests each row serves at full load than is expected without ``own``."""
    full = replace(load, concurrency=np.full_like(load.concurrency, math.inf))
    expected, unknown = _expected(served, rows, full), np.full(len(rows), math.nan)
    deployments = [one.deployment for one in served]
    drawn = corrected(expected, deployments, rows, load.input_tokens, load.output_tokens, unknown, own)
    return drawn.requests_per_s / expected.requests_per_s


def slowed(load: Load, speed: Column) -> Load:
    """Return ``load`` with its rates as a deployment ``speed`` times faster than expected feels them."""
    return replace(load, request_rate_per_s=load.request_rate_per_s / speed)


def _expected(served: Sequence[Served], rows: NDArray[np.intp], load: Load) -> Estimates:
    table, fitted = stack([one.work for one in served]), stack_constants([one.constants for one in served])
    known = np.array([float(one.evidence.nearness == "known") for one in served])
    parts = []
    for start in range(0, max(len(rows), 1), CHUNK):
        window = slice(start, start + CHUNK)
        chosen = rows[window]
        found = steady_state(table.take(chosen), fitted.take(chosen), load.rows(window))
        parts.append(columns(found, known[chosen]))
    return Estimates(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Estimates)))


def columns(found: Steady, known: Column) -> Estimates:
    """Return ``found`` with its intervals; ``known`` is 1 where model, GPU and engine were measured."""
    share = found.prefill_share
    places = place(known, share)
    ttft, tpot, throughput = (bounds(metric, places) for metric in ("ttft", "tpot", "throughput"))
    return Estimates(
        found.ttft_s, found.tpot_s, found.output_tokens_per_s, found.requests_per_s, found.running,
        share, found.saturated,
        found.ttft_s * ttft.low, found.ttft_s * ttft.high,
        found.tpot_s * tpot.low, found.tpot_s * tpot.high,
        found.output_tokens_per_s * throughput.low, found.output_tokens_per_s * throughput.high,
    )  # fmt: skip


def slow_intervals(found: Steady, columns: Estimates) -> tuple[Interval | None, Interval | None]:
    """Return the first row's 99th percentiles of TTFT and TPOT; ``None`` where they are not known.

    Their intervals are as wide as those of the means in ``columns``.
    """
    if np.isnan(found.ttft_p99_s[0]):
        return None, None
    return (
        columns.interval("ttft").scaled(float(found.ttft_p99_s[0] / found.ttft_s[0])),
        columns.interval("tpot").scaled(float(found.tpot_p99_s[0] / found.tpot_s[0])),
    )
