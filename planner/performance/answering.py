"""From a deployment and a workload to the whole answer: figures, limits reached, and what to know of them."""

import math
from dataclasses import replace

import numpy as np

from inferplan.datasets.errors import InferplanError
from inferplan.planner.deployment import Deployment
from inferplan.planner.performance.batching import (
    Load,
    Steady,
    largest_rate_per_s,
    room,
    steady_state,
)
from inferplan.planner.performance.drafting import drafting
from inferplan.planner.performance.estimating import (
    Estimates,
    Served,
    estimates,
    serve,
    slow_intervals,
    slowed,
    speed_at_full_load,
)
from inferplan.planner.performance.loads import (
    largest_concurrency,
    largest_rate_within,
    load_of,
)
from inferplan.planner.performance.own_measurements import OwnEvidence
from inferplan.planner.performance.pools import in_pools
from inferplan.planner.performance.result import BoundBy, Estimate
from inferplan.planner.performance.wording import P99_UNKNOWN, basis, notes, saturated_reason
from inferplan.planner.workload import Slo, Workload


def estimate(deployment: Deployment, workload: Workload, own: OwnEvidence | None = None) -> Estimate:
    """Return the steady-state performance of ``deployment`` under ``workload``.

    Parameters
    ----------
    own
        Own measurements that the estimate is drawn to; what it is without them is told beside it.

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

    kept = most = math.floor(float(room(served.work, load).sequences[0])) * deployment.dp
    largest = float(largest_rate_per_s(served.work, served.constants, load)[0])
    speed = np.ones(1)
    if own is not None:
        speed = speed_at_full_load([served], np.zeros(1, dtype=np.intp), load, own)
    largest *= float(speed[0])
    if workload.slo != Slo():
        largest = largest_rate_within(evaluate, load, largest, workload.slo)
        if workload.concurrency == "max":
            kept = largest_concurrency(evaluate, load, most, workload.slo)
    if kept < most:
        load = replace(load, concurrency=np.array([max(1.0, kept)]))
    found = steady_state(served.work, served.constants, slowed(load, speed), slowest=True)
    columns = evaluate(load)
    answer = _figures(served, load, found, columns)
    before = None if own is None else _estimate(deployment, workload, None)
    answer = replace(
        answer,
        largest_request_rate_per_s=largest,
        basis=basis(served, own),
        published_alone=before if before and answer.moved_from(before) else None,
    )
    return replace(answer, notes=notes(served, workload, answer, (kept, most)))


def _figures(served: Served, load: Load, found: Steady, columns: Estimates) -> Estimate:
    """Return the answer's figures; ``columns`` is ``found`` with its intervals."""
    ttft_p99, tpot_p99 = slow_intervals(found, columns)
    return Estimate(
        ttft_s=columns.interval("ttft"),
        tpot_s=columns.interval("tpot"),
        output_tokens_per_s=columns.interval("output_tokens_per_s"),
        requests_per_s=float(columns.requests_per_s[0]),
        running_sequences=float(columns.running_sequences[0]),
        prefill_share=float(columns.prefill_share[0]),
        bound_by=_bound_by(served, load, found),
        saturated=bool(columns.saturated[0]),
        basis="",
        saturated_reason=saturated_reason(served, load) if columns.saturated[0] else "",
        ttft_p99_s=ttft_p99,
        tpot_p99_s=tpot_p99,
        p99_reason="" if ttft_p99 else P99_UNKNOWN,
        drafting=drafting(served, load, float(found.running[0])),
    )


def _bound_by(served: Served, load: Load, found: Steady) -> BoundBy:
    """Return what takes most of a token's time, or the limit at which requests wait."""
    limits = room(served.work, load)
    if found.saturated[0] and limits.pool[0] <= limits.sequences[0]:
        return "kv_capacity"
    if found.saturated[0] and limits.scheduler[0] <= limits.sequences[0]:
        return "scheduler"
    return found.largest_part()
