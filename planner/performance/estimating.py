"""From a deployment and a workload to an estimate; one or a column of millions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inferplan.datasets.errors import InferplanError
from inferplan.planner.deployment import Deployment
from inferplan.planner.interval import Interval
from inferplan.planner.memory import Fit, fit
from inferplan.planner.performance.batching import Load, Steady, steady_state
from inferplan.planner.performance.constants import Constants, constants, stack_constants
from inferplan.planner.performance.result import BoundBy, Estimate
from inferplan.planner.performance.work import Column, Work, stack, work
from inferplan.planner.workload import Workload

CHUNK = 16_384  # rows whose columns stay in a processor's second-level cache
DEFAULT_MAX_SEQUENCES = 1024  # vllm v0.15 max_num_seqs on large GPUs
DEFAULT_BATCH_TOKENS = 8192  # vllm v0.15 max_num_batched_tokens

TTFT_SPREAD = (0.45, 2.2)  # 80 % interval as factors of the expected value
TPOT_SPREAD = (0.74, 1.59)
THROUGHPUT_SPREAD = (0.68, 1.33)


@dataclass(frozen=True, eq=False)
class Served:
    """A deployment made ready for estimates: built once, evaluated at any number of loads."""

    deployment: Deployment
    fit: Fit
    work: Work
    constants: Constants


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


def serve(deployment: Deployment, found: Fit | None = None) -> Served:
    """Return ``deployment`` reduced to numbers; ``found`` is its fit where that is already known.

    Raises
    ------
    InferplanError
        If the weights alone are larger than the GPU, or a format is not known.
    """
    found = found or fit(deployment)
    memory = found.memory
    if memory.weights_bytes >= memory.total_bytes:
        msg = f"cannot estimate what does not fit: {found.reason}"
        raise InferplanError(msg)
    pool = max(0, memory.kv_pool_bytes + memory.state_pool_bytes)
    sequences = deployment.max_num_seqs or DEFAULT_MAX_SEQUENCES
    tokens = deployment.max_num_batched_tokens or DEFAULT_BATCH_TOKENS
    return Served(deployment, found, work(deployment, pool, sequences, tokens), constants(deployment))


def estimate_many(
    served: Sequence[Served],
    index: ArrayLike,
    *,
    input_tokens: ArrayLike,
    output_tokens: ArrayLike,
    concurrency: ArrayLike | None = None,
    request_rate_per_s: ArrayLike | None = None,
    prefix_cache_hit_rate: ArrayLike = 0.0,
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
    """
    rows = np.asarray(index, dtype=np.intp)
    table, fitted = stack([one.work for one in served]), stack_constants([one.constants for one in served])
    load = [
        np.broadcast_to(np.asarray(values, dtype=np.float64), rows.shape)
        for values in (
            input_tokens, output_tokens, math.nan if concurrency is None else concurrency,
            math.nan if request_rate_per_s is None else request_rate_per_s, prefix_cache_hit_rate,
        )
    ]  # fmt: skip
    parts = []
    for start in range(0, max(len(rows), 1), CHUNK):
        window = slice(start, start + CHUNK)
        chosen = rows[window]
        asked = Load(*(values[window] for values in load))
        parts.append(_columns(steady_state(table.take(chosen), fitted.take(chosen), asked)))
    return Estimates(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _columns(found: Steady) -> tuple[NDArray[np.generic], ...]:
    return (
        found.ttft_s, found.tpot_s, found.output_tokens_per_s, found.requests_per_s, found.running,
        found.prefill_share, found.saturated.astype(np.bool_),
        found.ttft_s * TTFT_SPREAD[0], found.ttft_s * TTFT_SPREAD[1],
        found.tpot_s * TPOT_SPREAD[0], found.tpot_s * TPOT_SPREAD[1],
        found.output_tokens_per_s * THROUGHPUT_SPREAD[0], found.output_tokens_per_s * THROUGHPUT_SPREAD[1],
    )  # fmt: skip


def estimate(deployment: Deployment, workload: Workload) -> Estimate:
    """Return the steady-state performance of ``deployment`` under ``workload``.

    Raises
    ------
    InferplanError
        If the weights alone are larger than the GPU, or a format is not known.
    """
    served = serve(deployment)
    load = Load(
        *(
            np.array([value], dtype=np.float64)
            for value in (
                workload.input_tokens, workload.output_tokens, _concurrency(workload),
                workload.request_rate_per_s or math.nan, workload.prefix_cache_hit_rate,
            )
        )
    )  # fmt: skip
    found = steady_state(served.work, served.constants, load)
    columns = Estimates(*_columns(found))
    return Estimate(
        ttft_s=_interval(columns.ttft_low_s, columns.ttft_s, columns.ttft_high_s),
        tpot_s=_interval(columns.tpot_low_s, columns.tpot_s, columns.tpot_high_s),
        output_tokens_per_s=_interval(
            columns.output_tokens_per_s_low, columns.output_tokens_per_s, columns.output_tokens_per_s_high
        ),
        requests_per_s=float(columns.requests_per_s[0]),
        running_sequences=float(columns.running_sequences[0]),
        prefill_share=float(columns.prefill_share[0]),
        bound_by=_bound_by(found),
        saturated=bool(columns.saturated[0]),
        basis="roofline with constants per engine from published measurements of 2025-2026",
    )


def _concurrency(workload: Workload) -> float:
    if workload.concurrency == "max":
        return math.inf
    return math.nan if workload.concurrency is None else float(workload.concurrency)


def _interval(low: Column, expected: Column, high: Column) -> Interval:
    return Interval(float(low[0]), float(expected[0]), float(high[0]))


def _bound_by(found: Steady) -> BoundBy:
    """Return what takes most of a token's time; the pool, when requests wait for it."""
    if bool(found.saturated[0]):
        return "kv_capacity"
    prompts = float(found.tpot_s[0] - found.step.total_s[0])
    parts: dict[BoundBy, float] = {
        "memory_bandwidth": float(found.step.memory_s[0]),
        "compute": float(found.step.compute_s[0]) + prompts,
        "communication": float(found.step.communication_s[0]),
        "overhead": float(found.step.overhead_s[0]),
    }
    return max(parts, key=lambda part: parts[part])
