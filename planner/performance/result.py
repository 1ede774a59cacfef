"""The answer to "how fast?"."""

from dataclasses import dataclass
from typing import Literal

from inferplan.planner.interval import Interval

BoundBy = Literal["memory_bandwidth", "compute", "communication", "overhead", "kv_capacity", "scheduler"]
Stage = Literal["prefill", "kv_transfer", "decode"]

UNMOVED = 0.001
"""Relative differences up to here are not told."""


@dataclass(frozen=True)
class Drafting:
    """What speculative decoding does at this load."""

    tokens_per_step: float
    step_share: float
    """Time of drafting one token over that of a step of the model."""
    speedup: float
    """Time per token without drafts over that with them: below 1 it hurts."""
    break_even_sequences: int | None
    """Sequences per replica up to which it helps, 0 if never; ``None``: as many as can run."""


@dataclass(frozen=True)
class Disaggregated:
    """Prefill and decode on GPUs of their own, and the same GPUs without that."""

    prefill_gpus: int
    prefill_replicas: int
    decode_gpus: int
    decode_replicas: int
    kv_transfer_bytes: int
    """Of one request's cache, over all GPUs that send it."""
    kv_transfer_s: float
    kv_link: str
    """What carries it, with its rate per GPU and where that is from."""
    bound_by: Stage
    busy: tuple[tuple[Stage, float], ...]
    """Share of each stage's capacity that is used (0-1)."""
    best_prefill_gpus: int
    """The split of these GPUs that serves the most requests per second within the latency target."""
    aggregated: "Estimate | None"
    """The same GPUs when each reads prompts and decodes; ``None`` where a note says why."""


@dataclass(frozen=True)
class Estimate:
    """Steady-state performance of the whole deployment; intervals are 80 %."""

    ttft_s: Interval
    """The mean; under a concurrency the median that benchmarks publish."""
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
    saturated_reason: str = ""
    """Which limit is reached; empty where none is."""
    largest_request_rate_per_s: float | None = None
    """Beyond it a queue grows for ever, or the latency target is missed."""
    ttft_p99_s: Interval | None = None
    tpot_p99_s: Interval | None = None
    p99_reason: str = ""
    """Why the 99th percentiles are not known."""
    drafting: Drafting | None = None
    disaggregated: Disaggregated | None = None
    published_alone: "Estimate | None" = None
    """The same from published runs alone; ``None`` where own measurements do not move it."""
    notes: tuple[str, ...] = ()
    """What the reader should know of this answer, as sentences."""

    def moved_from(self, other: "Estimate") -> bool:
        """Whether a latency or the throughput differs from that of ``other`` by more than rounding."""
        names = ("ttft_s", "tpot_s", "output_tokens_per_s")
        pairs = ((getattr(self, name).expected, getattr(other, name).expected) for name in names)
        return any(abs(ours / theirs - 1) > UNMOVED for ours, theirs in pairs)
