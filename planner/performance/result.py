"""The answer to "how fast?"."""

from dataclasses import dataclass
from typing import Literal

from inferplan.planner.interval import Interval

BoundBy = Literal["memory_bandwidth", "compute", "communication", "overhead", "kv_capacity"]


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
    bound_by: BoundBy
    saturated: bool
    basis: str
    """What the estimate rests on: calibrated on what, how near."""
