"""One run of a load generator: what its file says, and what is stored of it."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from inferplan.datasets.schema import Row, Text

CHECKPOINT = "checkpoint"
"""Weights as the model's checkpoint stores them."""
MOST = 1e9
LONGEST = 200
Name = Annotated[str, Field(min_length=1, max_length=LONGEST)]
Size = Annotated[int, Field(ge=1, le=4096)]
Amount = Annotated[float, Field(gt=0, le=MOST)]
Tokens = Annotated[float, Field(ge=1, le=MOST)]


class Deployed(Row):
    """What was measured; ``None`` is "not said"."""

    model: Name | None = None
    """Catalog id."""
    gpu: Name | None = None
    """Catalog name."""
    engine: Name | None = None
    engine_version: Name | None = None
    tp: Size | None = None
    pp: Size | None = None
    dp: Size | None = None
    ep: Size | None = None
    weights_dtype: Name | None = None
    """A format's name, or ``checkpoint``."""
    kv_dtype: Name | None = None


class Load(Row):
    """What was asked of the deployment, and how it answered; latencies are medians, else means."""

    input_tokens: Tokens
    """Of a request, on average; output likewise."""
    output_tokens: Tokens
    concurrency: Amount | None = None
    """Requests in flight over the whole deployment."""
    request_rate_per_s: Amount | None = None
    at_once: bool = False
    """All requests were sent at the start: the first tokens then waited in a queue that never settles."""
    requests: Annotated[int, Field(ge=1)] | None = None
    """Completed ones."""
    ttft_s: Amount | None = None
    tpot_s: Amount | None = None
    output_tokens_per_s: Amount | None = None
    """Of the whole deployment."""
    measured_at: datetime | None = None
    """As the file says it: most tools write local time without a zone."""
    tool_version: Name | None = None

    @model_validator(mode="after")
    def _one_load_and_a_figure(self) -> Self:
        if (self.concurrency is None) == (self.request_rate_per_s is None):
            msg = "it states neither a concurrency nor a request rate, or both"
            raise ValueError(msg)
        if self.ttft_s is None and self.tpot_s is None and self.output_tokens_per_s is None:
            msg = "it states none of TTFT, TPOT and output tokens per second"
            raise ValueError(msg)
        return self


class Run(Row):
    """A run as its file describes it."""

    run_number: int
    """From 1, in the order of the file."""
    load: Load
    deployed: Deployed
    published_model: Name | None = None
    """As the file calls it, whether or not the catalog knows that name."""


class OwnMeasurement(Load):
    """A run whose deployment is known whole: what the warehouse keeps."""

    run_number: int
    model: Text
    gpu: Text
    engine: Text
    engine_version: Text | None = None
    tp: Size
    pp: Size = 1
    dp: Size = 1
    ep: Size = 1
    weights_dtype: Text
    kv_dtype: Text = "auto"
    published_model: Text | None = None
    file_name: Text
    tool: Text
    imported_at: datetime
    """Naive UTC."""
