"""Published measurements of serving speed, and the constants that were fitted to them."""

import csv
import functools
import gzip
import io
from datetime import date
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field

from inferplan.datasets.schema import Row

Positive = Annotated[float, Field(gt=0)]


class Benchmark(Row):
    """One published run; an absent figure was not published or is not known."""

    run: str
    engine: str | None = None
    engine_version: str | None = None
    published_model: str
    """As the source calls it."""
    model: str | None = None
    """Catalog id; absent where the catalog has no such model."""
    gpu: str
    gpus: Annotated[int, Field(ge=1)]
    tp: int | None = None
    pp: int | None = None
    ep: int | None = None
    attention_data_parallel: bool
    """Each GPU serves requests of its own and shares the experts."""
    weights_dtype: str | None = None
    kv_dtype: str | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    concurrency: float | Literal["max"] | None = None
    request_rate_per_s: float | None = None
    prompts: int | None = None
    """Requests of the whole run, where they were all sent at once."""
    speculative: Literal["none", "on", "unknown", "disagg"]
    """``disagg``: prefill and decode ran on GPUs of their own."""
    suspect: Literal["", "yes"] = ""
    computed: str = ""
    """Figure of this row that follows from its others by Little's law and was not published."""
    ttft_p50_ms: Positive | None = None
    ttft_mean_ms: Positive | None = None
    ttft_p99_ms: Positive | None = None
    tpot_p50_ms: Positive | None = None
    tpot_mean_ms: Positive | None = None
    tpot_p99_ms: Positive | None = None
    e2e_p50_ms: Positive | None = None
    output_tokens_per_s: float | None = None
    output_tokens_per_s_per_gpu: float | None = None
    total_tokens_per_s: float | None = None
    scenario: str
    measured_on: str | None = None
    source: Annotated[str, Field(min_length=1)]
    notes: str = ""


class Spread(Row):
    """An 80 % interval in natural logarithms of measured over expected, from data that was left out."""

    prefill_share_below: float
    """Applies to loads with a smaller share of time in prompts."""
    low: float
    high: float


class SplitErrors(Row):
    """Relative errors with one kind of thing left out, whole."""

    metric: Literal["tpot", "ttft", "throughput", "saturated_throughput"]
    left_out: str
    rows: int
    median: float
    p90: float
    coverage: float
    """Share of the rows inside of their 80 % interval."""


class Calibration(Row):
    """Constants of the performance model, fitted to ``Benchmark`` rows."""

    fitted_on: date
    measurements: int
    runs: int
    dropped: dict[str, int]
    """Rows that were not used, by reason."""
    constants: dict[str, dict[str, float]]
    """Natural logarithm of each constant as a sum over features; an absent feature counts 0."""
    spreads: dict[str, dict[str, tuple[Spread, ...]]]
    """By nearness ("known", "new") and metric; ordered by ``prefill_share_below``."""
    errors: tuple[SplitErrors, ...]
    evidence: dict[str, int]
    """Runs by "engine|gpu|model"."""


@functools.cache
def benchmarks() -> tuple[Benchmark, ...]:
    """Return every published run, in the order of the file."""
    packed = (files("inferplan.datasets") / "facts" / "benchmarks.csv.gz").read_bytes()
    text = gzip.decompress(packed).decode("utf-8")
    rows = csv.DictReader(io.StringIO(text))
    return tuple(
        Benchmark.model_validate({name: cell for name, cell in row.items() if cell != ""}) for row in rows
    )


@functools.cache
def calibration() -> Calibration:
    """Return the constants in use, with the data and the errors that they rest on."""
    text = (files("inferplan.datasets") / "facts" / "calibration.json").read_text(encoding="utf-8")
    return Calibration.model_validate_json(text)
