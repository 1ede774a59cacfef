"""Prefill and decode on GPUs of their own: how they split best, and which of the two binds."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from inferplan.datasets.errors import InferplanError
from inferplan.planner.deployment import Deployment, Pools
from inferplan.planner.performance.batching import Load, Steady
from inferplan.planner.performance.estimating import Estimates, columns, slow_intervals
from inferplan.planner.performance.loads import largest_concurrency, largest_rate_within
from inferplan.planner.performance.pool_stages import Split, Stages, stages
from inferplan.planner.performance.result import BoundBy, Disaggregated, Estimate, Stage
from inferplan.planner.performance.wording import P99_UNKNOWN, basis
from inferplan.planner.workload import Slo, Workload

MOST_SPLITS = 64
"""Splits that are tried for the best one; of more, evenly spread ones."""
UNCALIBRATED = (
    "Runs with prefill and decode apart are not in the calibration: pools are put together from what was"
    " measured on whole replicas. Against 98 published runs of pools at up to 4 requests per GPU, the time"
    " per token was about 7% off at the median, the first token about 40%."
)


def in_pools(
    deployment: Deployment, pools: Pools, workload: Workload, together: Estimate | InferplanError
) -> Estimate:
    """Return the estimate of ``deployment`` whose GPUs are split into ``pools``.

    Parameters
    ----------
    together
        The same GPUs without the split, or why that is not possible.

    Raises
    ------
    InferplanError
        If the GPUs do not divide into whole replicas of both, or a replica does not hold the model.
    """
    splits = _splits(deployment, pools)
    parts = stages(deployment, pools, workload)
    best = _best(parts, splits, workload.slo)
    asked = {split.prefill * pools.prefill_tp * deployment.pp: split for split in splits}
    split = best if pools.prefill_gpus is None else asked.get(pools.prefill_gpus)
    if split is None:
        msg = (
            f"{pools.prefill_gpus} of {deployment.gpu_count} GPUs cannot read prompts in replicas of"
            f" {pools.prefill_tp * deployment.pp} while the rest decodes in replicas of"
            f" {pools.decode_tp * deployment.pp}: take best or one of"
            f" {', '.join(map(str, sorted(asked)[:MOST_SPLITS]))}."
        )
        raise InferplanError(msg)
    return _answer(parts, split, best, workload, together)


def _splits(deployment: Deployment, pools: Pools) -> list[Split]:
    total = deployment.gpu_count
    prefill, decode = pools.prefill_tp * deployment.pp, pools.decode_tp * deployment.pp
    found = [
        Split(gpus // prefill, (total - gpus) // decode)
        for gpus in range(prefill, total, prefill)
        if (total - gpus) % decode == 0
    ]
    if not found:
        msg = (
            f"A deployment of {total} x {deployment.gpu.name} does not divide into prefill replicas of"
            f" {prefill} and decode replicas of {decode}: change dp, prefill_tp or decode_tp."
        )
        raise InferplanError(msg)
    return found


def _best(parts: Stages, splits: list[Split], slo: Slo) -> Split:
    """Return the split that serves the most requests per second within ``slo``; of equals the first."""
    tried = splits
    if slo != Slo() and len(splits) > MOST_SPLITS:
        tried = [splits[place] for place in np.linspace(0, len(splits) - 1, MOST_SPLITS).astype(int)]
    return max(tried, key=lambda split: _largest_rate(parts, split, slo))


def _largest_rate(parts: Stages, split: Split, slo: Slo) -> float:
    most = parts.capacity(split)
    if slo == Slo():
        return most
    return largest_rate_within(lambda asked: _intervals(parts.steady(split, asked)), parts.load, most, slo)


def _intervals(found: Steady) -> Estimates:
    """Return ``found`` with the intervals of what was never measured together."""
    return columns(found, np.zeros_like(found.ttft_s))


def _load(parts: Stages, split: Split, workload: Workload) -> Load:
    """Return the load with "max" as what runs at once without waiting, within the latency target."""
    if workload.concurrency != "max":
        return parts.load
    most = parts.in_flight(split)
    if workload.slo != Slo():
        kept = largest_concurrency(
            lambda asked: _intervals(parts.steady(split, asked)), parts.load, most, workload.slo
        )
        most = max(1, kept)
    return replace(parts.load, concurrency=np.array([float(most)]))


def _answer(
    parts: Stages, split: Split, best: Split, workload: Workload, together: Estimate | InferplanError
) -> Estimate:
    found = parts.steady(split, _load(parts, split, workload))
    figures = _intervals(found)
    ttft_p99, tpot_p99 = slow_intervals(found, figures)
    pools = _pools(parts, split, best, float(found.requests_per_s[0]), together)
    return Estimate(
        ttft_s=figures.interval("ttft"),
        tpot_s=figures.interval("tpot"),
        output_tokens_per_s=figures.interval("output_tokens_per_s"),
        requests_per_s=float(found.requests_per_s[0]),
        running_sequences=float(found.running[0]),
        prefill_share=float(found.prefill_share[0]),
        bound_by=_bound_by(pools.bound_by, found),
        saturated=bool(found.saturated[0]),
        basis=basis(parts.decoding, None),
        saturated_reason=f"the {pools.bound_by.replace('_', ' ')} stage is full"
        if found.saturated[0]
        else "",
        largest_request_rate_per_s=_largest_rate(parts, split, workload.slo),
        ttft_p99_s=ttft_p99,
        tpot_p99_s=tpot_p99,
        p99_reason="" if ttft_p99 else P99_UNKNOWN,
        disaggregated=pools,
        notes=tuple(_notes(workload, together)),
    )


def _pools(
    parts: Stages, split: Split, best: Split, rate_per_s: float, together: Estimate | InferplanError
) -> Disaggregated:
    busy = {stage: min(1.0, rate_per_s / most) for stage, most in parts.capacities(split).items()}
    prefill_gpus = parts.prefilling.deployment.gpu_count
    return Disaggregated(
        prefill_gpus=split.prefill * prefill_gpus,
        prefill_replicas=split.prefill,
        decode_gpus=split.decode * parts.decoding.deployment.gpu_count,
        decode_replicas=split.decode,
        kv_transfer_bytes=parts.transfer_bytes,
        kv_transfer_s=parts.transfer_s,
        kv_link=parts.link,
        bound_by=max(busy, key=lambda stage: busy[stage]),
        busy=tuple(busy.items()),
        best_prefill_gpus=best.prefill * prefill_gpus,
        aggregated=together if isinstance(together, Estimate) else None,
    )


def _notes(workload: Workload, together: Estimate | InferplanError) -> Iterator[str]:
    yield UNCALIBRATED
    if workload.speculative is not None:
        yield "Drafts are left out: these figures are those of pools that decode without them."
    if isinstance(together, InferplanError):
        yield f"The same GPUs without pools are not estimated: {together}"


def _bound_by(binding: Stage, found: Steady) -> BoundBy:
    if binding == "prefill":
        return "compute"
    return "communication" if binding == "kv_transfer" else found.largest_part()
