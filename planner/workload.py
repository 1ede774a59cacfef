"""The load that a deployment serves and the latency that it must keep."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from inferplan.datasets.schema import Row


class Speculative(Row):
    """Speculative decoding: a draft proposes, the model verifies."""

    draft_tokens: Annotated[int, Field(ge=1, le=64)]
    acceptance_rate: Annotated[float, Field(ge=0, le=1)]


class Slo(Row):
    """Latency targets; an absent one is not a target."""

    ttft_s: Annotated[float, Field(gt=0)] | None = None
    tpot_s: Annotated[float, Field(gt=0)] | None = None
    e2e_s: Annotated[float, Field(gt=0)] | None = None


class Workload(Row):
    """Requests of one shape, offered either at a concurrency or at a rate."""

    input_tokens: Annotated[int, Field(ge=1)]
    output_tokens: Annotated[int, Field(ge=1)]
    concurrency: Annotated[int, Field(ge=1)] | Literal["max"] | None = None
    request_rate_per_s: Annotated[float, Field(gt=0)] | None = None
    prefix_cache_hit_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    speculative: Speculative | None = None

    @model_validator(mode="after")
    def _one_load(self) -> "Workload":
        if (self.concurrency is None) == (self.request_rate_per_s is None):
            msg = "give either a concurrency (a number or 'max') or a request rate, not both and not neither"
            raise ValueError(msg)
        return self
