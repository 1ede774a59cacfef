"""The load that a deployment serves and the latency that it must keep."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from inferplan.datasets.schema import Row


class Speculative(Row):
    """Speculative decoding: a draft proposes, the model verifies."""

    draft_tokens: Annotated[int, Field(ge=1, le=64)]
    acceptance_rate: Annotated[float, Field(ge=0, le=1)]
    draft_step_share: Annotated[float, Field(ge=0, le=10)] | None = None
    """Time of drafting one token over that of a step of the model; by default that of what drafts."""


class Slo(Row):
    """Latency targets; an absent one is not a target."""

    ttft_s: Annotated[float, Field(gt=0)] | None = None
    tpot_s: Annotated[float, Field(gt=0)] | None = None
    e2e_s: Annotated[float, Field(gt=0)] | None = None


class Workload(Row):
    """Requests of one shape, offered at a concurrency or at a rate; a request is one call of a task."""

    input_tokens: Annotated[int, Field(ge=1)]
    output_tokens: Annotated[int, Field(ge=1)]
    """All that are generated, reasoning included."""
    visible_output_tokens: Annotated[int, Field(ge=1)] | None = None
    """Of them, those after the reasoning; ``None``: all."""
    concurrency: Annotated[int, Field(ge=1)] | Literal["max"] | None = None
    request_rate_per_s: Annotated[float, Field(gt=0)] | None = None
    prefix_cache_hit_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    speculative: Speculative | None = None
    length_variation: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of the requests' lengths over their mean."""
    calls_per_task: Annotated[int, Field(ge=1)] = 1
    """Calls that follow each other, each with the context of the one before."""
    longest_input_tokens: Annotated[int, Field(ge=1)] | None = None
    """Of a task's last call; ``None``: all are alike."""
    tool_wait_s: Annotated[float, Field(ge=0)] = 0.0
    """Between two calls of a task."""
    slo: Slo = Slo()
    """Limits the concurrency "max" and the largest rate."""

    @model_validator(mode="after")
    def _one_load(self) -> "Workload":
        if (self.concurrency is None) == (self.request_rate_per_s is None):
            msg = "give either a concurrency (a number or 'max') or a request rate, not both and not neither"
            raise ValueError(msg)
        return self
