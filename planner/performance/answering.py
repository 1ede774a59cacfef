"""From a deployment and a workload to the whole answer: figures, limits reached, and what to know of them."""

import math
from dataclasses import replace

import numpy as np

from inferplan.datasets.errors import InferplanError
from inferplan.planner.deployment import Deployment
from inferplan.planner.interval import Interval
from inferplan.planner.performance.batching import (
    Load,
    Steady,
    largest_rate_per_s,
    room,
    steady_state,
)
from inferplan.planner.performance.drafting import drafting
from inferplan.planner.performance.estimating import Estimates, Served, estimates, serve
from inferplan.planner.performance.loads import (
    largest_concurrency,
    largest_rate_within,
    load_of,
)
from inferplan.planner.performance.own_measurements import OwnEvidence
from inferplan.planner.performance.pools import in_pools
from inferplan.planner.performance.result import BoundBy, Estimate
from inferplan.planner.performance.wording import P99_UNKNOWN, basis, notes, saturated_reason
from inferplan.planner.performance.work import Column
from inferplan.planner.workload import Slo, Workload


def estimate(deployment: Deployment, workload: Workload, own: OwnEvidence | None = None) -> Estimate:
    """Return the steady-state performance of ``deployment`` under ``workload``.

    Parameters
    ----------
    own
        Own measurements that the estimate is drawn to.

    Raises
    ------
    InferplanError
        If the weights alone are larger than the GPU, a format is not known, or the pools of prefill and
        decode do not divide the GPUs.
    """
    if deployment.pools is None:
        return _estimate(deployment, workload, own)
    try:
        together: Estimate | InferplanError = _estimate(replace(deployment, pools=None), workload, own)
    except InferplanError as error:
        together = error
    return in_pools(deployment, deployment.pools, workload, together)


def _estimate(deployment: Deployment, workload: Workload, own: OwnEvidence | None) -> Estimate:
    served = serve(deployment)
    load = load_of(served, workload)

    def evaluate(asked: Load) -> Estimates:
        return estimates([served], np.zeros(len(asked.concurrency), dtype=np.intp), asked, own)

    most = math.floor(float(room(served.work, load).sequences[0])) * deployment.dp
    kept = most
    if workload.concurrency == "max" and workload.slo != Slo():
        kept = largest_concurrency(evaluate, load, most, workload.slo)
        load = replace(load, concurrency=np.array([math.inf if kept == most else max(1.0, kept)]))
    found = steady_state(served.work, served.constants, load)
    columns = evaluate(load)
    largest = float(largest_rate_per_s(served.work, served.constants, load)[0])
    if workload.slo != Slo():
        largest = largest_rate_within(evaluate, load, largest, workload.slo)
    ttft, tpot = columns.interval("ttft"), columns.interval("tpot")
    by_rate = workload.request_rate_per_s is not None
    answer = Estimate(
        ttft_s=ttft,
        tpot_s=tpot,
        output_tokens_per_s=columns.interval("output_tokens_per_s"),
        requests_per_s=float(columns.requests_per_s[0]),
        running_sequences=float(columns.running_sequences[0]),
        prefill_share=float(columns.prefill_share[0]),
        bound_by=_bound_by(served, load, found),
        saturated=bool(columns.saturated[0]),
        basis=basis(served, own),
        saturated_reason=saturated_reason(served, load) if columns.saturated[0] else "",
        largest_request_rate_per_s=largest,
        ttft_p99_s=_slow(ttft, found.ttft_s, found.ttft_p99_s) if by_rate else None,
        tpot_p99_s=_slow(tpot, found.tpot_s, found.tpot_p99_s) if by_rate else None,
        p99_reason="" if by_rate else P99_UNKNOWN,
        drafting=drafting(served, load, float(found.running[0])),
    )
    return replace(answer, notes=notes(served, workload, answer, (kept, most)))


def _slow(mean: Interval, expected_s: Column, slow_s: Column) -> Interval:
    """Return the 99th percentile with the mean's relative interval."""
    return mean.scaled(float(slow_s[0] / expected_s[0]))


def _bound_by(served: Served, load: Load, found: Steady) -> BoundBy:
    """Return what takes most of a token's time, or the limit at which requests wait."""
    limits = room(served.work, load)
    if found.saturated[0] and limits.pool[0] <= limits.sequences[0]:
        return "kv_capacity"
    if found.saturated[0] and limits.scheduler[0] <= limits.sequences[0]:
        return "scheduler"
    return found.largest_part()
