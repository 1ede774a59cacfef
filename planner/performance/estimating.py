"""From a deployment and a workload to an estimate; one or a column of millions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inferplan.datasets.benchmarks import calibration
from inferplan.datasets.errors import InferplanError
from inferplan.planner.deployment import Deployment
from inferplan.planner.interval import Interval
from inferplan.planner.memory import Fit, fit
from inferplan.planner.memory.settings import resolve
from inferplan.planner.performance.batching import Load, Steady, steady_state
from inferplan.planner.performance.constants import Constants, constants, stack_constants
from inferplan.planner.performance.intervals import Evidence, bounds, evidence, place
from inferplan.planner.performance.own_measurements import OwnEvidence, Traits, corrected
from inferplan.planner.performance.result import BoundBy, Estimate
from inferplan.planner.performance.work import Column, Work, stack, work
from inferplan.planner.workload import Workload

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
    own
        Own measurements that estimates near them are drawn to.
    """
    rows = np.asarray(index, dtype=np.intp)
    table, fitted = stack([one.work for one in served]), stack_constants([one.constants for one in served])
    load = [
        np.broadcast_to(np.asarray(values, dtype=np.float64), rows.shape)
        for values in (
            input_tokens, output_tokens, math.nan if concurrency is None else concurrency,
            math.nan if request_rate_per_s is None else request_rate_per_s,
            prefix_cache_hit_rate, draft_tokens, acceptance_rate,
        )
    ]  # fmt: skip
    known = np.array([float(one.evidence.nearness == "known") for one in served])
    parts = []
    for start in range(0, max(len(rows), 1), CHUNK):
        window = slice(start, start + CHUNK)
        chosen = rows[window]
        asked = Load(*(values[window] for values in load))
        found = steady_state(table.take(chosen), fitted.take(chosen), asked)
        parts.append(_columns(found, known[chosen]))
    found = Estimates(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Estimates)))
    if own is None:
        return found
    deployments = [one.deployment for one in served]
    return corrected(found, deployments, rows, load[0], load[1], np.isnan(load[2]), own)


def _columns(found: Steady, known: Column) -> Estimates:
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


def estimate(deployment: Deployment, workload: Workload, own: OwnEvidence | None = None) -> Estimate:
    """Return the steady-state performance of ``deployment`` under ``workload``.

    Parameters
    ----------
    own
        Own measurements that the estimate is drawn to.

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
                workload.request_rate_per_s or math.nan, workload.prefix_cache_hit_rate, *_drafts(workload),
            )
        )
    )  # fmt: skip
    found = steady_state(served.work, served.constants, load)
    columns = _columns(found, np.array([float(served.evidence.nearness == "known")]))
    if own is not None:
        columns = corrected(
            columns, [deployment], np.zeros(1, dtype=np.intp), load.input_tokens, load.output_tokens,
            np.isnan(load.concurrency), own,
        )  # fmt: skip
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
        basis=_basis(served, own),
    )


def _basis(served: Served, own: OwnEvidence | None) -> str:
    """Return what the estimate rests on and how near that is."""
    used, found, deployment = calibration(), served.evidence, served.deployment
    model, gpu, engine = deployment.architecture.name or "this model", deployment.gpu.name, deployment.engine
    near = (
        f"{found.same_model_gpu_engine} of {model} on {gpu} under {engine}" if found.same_model_gpu_engine
        else f"none of {model} on {gpu} under {engine}: {found.same_gpu_engine} of other models on that GPU,"
        f" {found.same_model_engine} of that model on other GPUs, {found.same_engine} under {engine} in all"
    )  # fmt: skip
    split = "run" if found.same_model_gpu_engine else "model"
    error = next((e.median for e in used.errors if e.metric == "tpot" and e.left_out == split), None)
    said = (
        ""
        if error is None
        else f"; with such a {split} left out, time per token is {error:.0%} off at the median"
    )
    fits = "" if served.fit.fits else f"; mind: at these settings {served.fit.reason}"
    return (
        f"bytes, operations and messages, calibrated on {used.runs:,} published runs (fitted"
        f" {used.fitted_on}), {near}{said}{_own_basis(served, own)}{fits}"
    )


def _own_basis(served: Served, own: OwnEvidence | None) -> str:
    runs, newest = (0, None) if own is None else own.near(Traits.of(served.deployment))
    return f"; drawn to {runs} own measurement{'s' * (runs != 1)} of {newest}" if runs else ""


def _drafts(workload: Workload) -> tuple[float, float]:
    drafts = workload.speculative
    return (float(drafts.draft_tokens), drafts.acceptance_rate) if drafts else (0.0, 0.0)


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
