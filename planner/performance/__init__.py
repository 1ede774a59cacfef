"""How fast a deployment serves a workload: TTFT, TPOT and tokens per second."""

from dataclasses import dataclass
from typing import Literal

from inferplan.planner.deployment import Deployment
from inferplan.planner.interval import Interval
from inferplan.planner.workload import Workload


@dataclass(frozen=True)
class Estimate:
    """Steady-state performance of the whole deployment; intervals are 80 %."""

    ttft_s: Interval
    tpot_s: Interval
    output_tokens_per_s: Interval
    requests_per_s: float
    running_sequences: float
    """Sequences decoding at once over all replicas."""
    prefill_share: float
    """Share of the GPUs' busy time that goes into prompts (0-1): splits the cost of input from output."""
    bound_by: Literal["memory_bandwidth", "compute", "communication", "overhead", "kv_capacity"]
    saturated: bool
    basis: str
    """What the estimate rests on: calibrated on what, how near."""


def estimate(deployment: Deployment, workload: Workload) -> Estimate:
    """Return the steady-state performance of ``deployment`` under ``workload``."""
    raise NotImplementedError(deployment, workload)
