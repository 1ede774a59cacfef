"""Published runs as deployments and loads of ours, and why some cannot be used."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from inferplan.datasets import catalog
from inferplan.datasets.benchmarks import Benchmark
from inferplan.datasets.errors import InferplanError
from inferplan.planner.architecture import Architecture, parse
from inferplan.planner.deployment import Deployment, EngineName
from inferplan.planner.memory import fit
from inferplan.planner.performance.estimating import work_of
from inferplan.planner.performance.queueing import RUN_REQUESTS
from inferplan.planner.performance.work import Work

ENGINES: Mapping[str, EngineName] = {
    "vLLM": "vllm", "vLLM (2023, Splitwise)": "vllm", "vLLM-ROCm": "vllm", "1Cat-vLLM": "vllm",
    "TensorRT-LLM": "tensorrt-llm", "NIM (TensorRT-LLM)": "tensorrt-llm",
    "SGLang": "sglang", "llama.cpp": "llama.cpp",
}  # fmt: skip
_FORMATS = {"fp8-w8a16": "fp8", "int8-w8a16": "gptq-int8", "UINT4": "awq-int4"}
_CACHES = {"f16/f16": "fp16"}
_SPECULATIVE = {
    "on": "speculative decoding on",
    "unknown": "speculative decoding unknown",
    "disagg": "disaggregated prefill and decode",
}


EXPERIMENTAL = ("ixexp",)
"""Sources that call themselves experimental: README of InferenceX, folder experimental."""


class UnusableRunError(InferplanError):
    """A run that lacks something the model needs, or that is not trusted."""


@dataclass(frozen=True, eq=False)
class Run:
    """A usable run: where it ran, what load it had and what was measured."""

    benchmark: Benchmark
    deployment: Deployment
    work: Work
    concurrency: float
    """NaN where a rate was offered."""
    request_rate_per_s: float
    tpot_s: float
    ttft_s: float
    """NaN where as many requests ran as fit: that is a queue, not a steady state."""
    output_tokens_per_s: float
    """NaN where it was computed and not published."""

    @property
    def saturated(self) -> bool:
        """Whether more requests stood ready than could run, throughout."""
        return math.isinf(self.concurrency)

    @property
    def in_flight(self) -> float:
        """Requests in flight as measured, by Little's law where a rate was offered; NaN if not known."""
        if not math.isnan(self.concurrency):
            return self.concurrency
        held_s = self.ttft_s + (self.benchmark.output_tokens or 0) * self.tpot_s
        return float(np.clip(self.request_rate_per_s * held_s, 1.0, RUN_REQUESTS))


def usable_runs(benchmarks: Iterable[Benchmark]) -> tuple[list[Run], Counter[str]]:
    """Return the runs that can be used, and how many measured figures were dropped for which reason."""
    runs: list[Run] = []
    dropped: Counter[str] = Counter()
    made: dict[tuple[object, ...], tuple[Deployment, Work]] = {}
    for benchmark in benchmarks:
        try:
            runs.append(_run(benchmark, made))
        except InferplanError as error:
            dropped[str(error)] += _figures(benchmark)
    return runs, dropped


def deployment_of(benchmark: Benchmark) -> Deployment:
    """Return the deployment of a published run; raises ``UnusableRunError`` where it is not known."""
    if benchmark.engine is None or benchmark.engine not in ENGINES:
        raise UnusableRunError(f"engine {benchmark.engine or 'not stated'}")
    if benchmark.model is None:
        raise UnusableRunError(f"model not in the catalog: {benchmark.published_model}")
    if benchmark.weights_dtype is None:
        raise UnusableRunError("weights format not stated")
    try:
        gpu = catalog.gpu(benchmark.gpu)
    except InferplanError:
        raise UnusableRunError(f"GPU not in the catalog: {benchmark.gpu}") from None
    tp, pp, dp, ep = _layout(benchmark)
    return Deployment(
        architecture=_architecture(benchmark.model),
        gpu=gpu,
        engine=ENGINES[benchmark.engine],
        engine_version=benchmark.engine_version,
        tp=tp,
        pp=pp,
        dp=dp,
        ep=ep,
        weights_dtype=_FORMATS.get(benchmark.weights_dtype, benchmark.weights_dtype),
        kv_dtype=_CACHES.get(benchmark.kv_dtype or "", benchmark.kv_dtype or "auto"),
    )


@lru_cache(maxsize=256)
def _architecture(model: str) -> Architecture:
    return parse(catalog.model_config(model), name=model)


def _layout(benchmark: Benchmark) -> tuple[int, int, int, int]:
    """Return tp, pp, dp and ep; GPUs beyond tp x pp are taken for replicas."""
    pp = benchmark.pp or 1
    if benchmark.attention_data_parallel:
        return 1, pp, benchmark.gpus, benchmark.gpus
    if benchmark.tp is None:
        raise UnusableRunError("parallel layout not stated")
    replicas, left = divmod(benchmark.gpus, benchmark.tp * pp)
    if left or not replicas:
        raise UnusableRunError("parallel layout does not match the number of GPUs")
    return benchmark.tp, pp, replicas, max(1, benchmark.ep or 1)


def source_of(benchmark: Benchmark) -> str:
    """Return the short name of where the run was published."""
    return benchmark.run.rsplit("-", 1)[0]


def _run(benchmark: Benchmark, made: dict[tuple[object, ...], tuple[Deployment, Work]]) -> Run:
    if benchmark.speculative != "none":
        raise UnusableRunError(_SPECULATIVE[benchmark.speculative])
    if benchmark.suspect:
        raise UnusableRunError("marked as suspect: faster than the memory allows")
    if source_of(benchmark) in EXPERIMENTAL:
        raise UnusableRunError("called experimental by its source")
    if benchmark.concurrency == "max" and benchmark.prompts is not None and "at t=0" in benchmark.notes:
        raise UnusableRunError("all prompts sent at once: a ramp and a tail, not a steady state")
    if not benchmark.input_tokens or not benchmark.output_tokens:
        raise UnusableRunError("token counts not stated, or no token generated")
    concurrency, rate = _load(benchmark)
    deployment = deployment_of(benchmark)
    key = (benchmark.model, benchmark.gpu, *list(vars(deployment).values())[2:])
    if key not in made:
        made[key] = (deployment, work_of(deployment, fit(deployment)))
    total = (
        benchmark.output_tokens_per_s or (benchmark.output_tokens_per_s_per_gpu or math.nan) * benchmark.gpus
    )
    ttft_ms = math.nan if math.isinf(concurrency) else _middle(benchmark, "ttft")
    return Run(
        benchmark, *made[key], concurrency, rate, _middle(benchmark, "tpot") / 1000, ttft_ms / 1000,
        math.nan if benchmark.computed else total,
    )  # fmt: skip


def _load(benchmark: Benchmark) -> tuple[float, float]:
    """Return concurrency and rate, one of them NaN."""
    if benchmark.concurrency == "max":
        return math.inf, math.nan
    if benchmark.concurrency is not None:
        return float(benchmark.concurrency), math.nan
    rate = benchmark.request_rate_per_s
    if rate is None:
        raise UnusableRunError("load not stated")
    return (math.inf, math.nan) if math.isinf(rate) else (math.nan, rate)


def _middle(benchmark: Benchmark, metric: str) -> float:
    """Return the median in milliseconds, else the mean, else NaN."""
    for statistic in ("p50", "mean"):
        value = getattr(benchmark, f"{metric}_{statistic}_ms")
        if value is not None:
            return float(value)
    return math.nan


def _figures(benchmark: Benchmark) -> int:
    values = benchmark.model_dump()
    return sum(
        value is not None for name, value in values.items() if name.endswith("_ms") or "tokens_per_s" in name
    )
