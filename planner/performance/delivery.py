"""What a user gets of the calls that an engine serves: reasoning kept apart, calls in a row as one task."""

from dataclasses import dataclass

from inferplan.planner.interval import Interval
from inferplan.planner.performance.result import Estimate
from inferplan.planner.workload import Workload


@dataclass(frozen=True)
class Task:
    """A chain of calls; intervals are 80 %."""

    calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    """Reasoning included."""
    duration_s: Interval
    """All calls and the waits for tools between them."""
    tasks_per_s: float
    tasks_in_flight: float
    """Those that wait for a tool included."""


@dataclass(frozen=True)
class Delivered:
    """An estimate as the user meets it."""

    first_visible_token_s: Interval
    visible_output_tokens_per_s: Interval
    """Of the whole deployment."""
    task: Task


def delivered(found: Estimate, workload: Workload) -> Delivered:
    """Return what the user of ``workload`` gets from a deployment with the estimate ``found``."""
    visible = workload.visible_output_tokens or workload.output_tokens
    reasoning = workload.output_tokens - visible
    calls, waits = workload.calls_per_task, workload.calls_per_task - 1
    rest = workload.output_tokens - 1
    duration = Interval(
        *(
            calls * (first + rest * each) + waits * workload.tool_wait_s
            for first, each in zip(found.ttft_s, found.tpot_s, strict=True)
        )
    )
    per_s = found.requests_per_s / calls
    inputs = calls * workload.input_tokens
    return Delivered(
        Interval(*(f + reasoning * each for f, each in zip(found.ttft_s, found.tpot_s, strict=True))),
        found.output_tokens_per_s.scaled(visible / workload.output_tokens),
        Task(
            calls, inputs, round(inputs * workload.prefix_cache_hit_rate), calls * workload.output_tokens,
            duration, per_s, per_s * duration.expected,
        ),
    )  # fmt: skip
