"""The published runs that are most like a deployment and its load."""

import functools
import math
from dataclasses import dataclass

from inferplan.datasets import catalog
from inferplan.datasets.benchmarks import Benchmark, benchmarks
from inferplan.datasets.errors import InferplanError
from inferplan.planner.deployment import Deployment
from inferplan.planner.performance.features import generation
from inferplan.planner.performance.measurements import ENGINES
from inferplan.planner.workload import Workload

# What a difference costs, in doublings of a quantity: another model is as far as eight times the load.
OTHER_MODEL, OTHER_ENGINE, OTHER_GENERATION, OTHER_GPU, OTHER_FORMAT, OTHER_LAYOUT = (
    3.0,
    2.0,
    2.0,
    1.0,
    1.0,
    1.0,
)
SATURATED = 1024.0
"""Requests in flight that "max" is taken for when loads are compared."""


@dataclass(frozen=True)
class NearMeasurement:
    """A published run and how far it is: 0 is the same deployment under the same load."""

    benchmark: Benchmark
    distance: float
    differs_in: tuple[str, ...]


def nearest_measurements(
    deployment: Deployment, workload: Workload, n: int = 5
) -> tuple[NearMeasurement, ...]:
    """Return the ``n`` published runs most like ``deployment`` under ``workload``, the nearest first.

    Runs with speculative decoding, disaggregation or doubtful figures are left out. A run's distance counts
    differing names at fixed prices and loads by the doublings between them.
    """
    asked = _Asked.of(deployment, workload)
    found = sorted((_compared(asked, one) for one in _comparable()), key=lambda near: near.distance)
    return tuple(found[:n])


@functools.cache
def _comparable() -> tuple[Benchmark, ...]:
    return tuple(
        one
        for one in benchmarks()
        if one.speculative == "none" and not one.suspect and one.engine in ENGINES
        and one.input_tokens and one.output_tokens
    )  # fmt: skip


@functools.cache
def _generation(gpu: str) -> str:
    try:
        return generation(catalog.gpu(gpu))
    except InferplanError:
        return "not in the catalog"


@dataclass(frozen=True)
class _Asked:
    model: str
    engine: str
    gpu: str
    generation: str
    weights_dtype: str | None
    gpus: int
    tp: int
    input_tokens: int
    output_tokens: int
    load: float | None

    @classmethod
    def of(cls, deployment: Deployment, workload: Workload) -> "_Asked":
        load = SATURATED if workload.concurrency == "max" else workload.concurrency
        return cls(
            deployment.architecture.name, deployment.engine, deployment.gpu.name, generation(deployment.gpu),
            deployment.weights_dtype, deployment.gpu_count, deployment.tp,
            workload.input_tokens, workload.output_tokens, load,
        )  # fmt: skip


def _compared(asked: _Asked, one: Benchmark) -> NearMeasurement:
    prices = {
        "model": OTHER_MODEL * (one.model != asked.model),
        "engine": OTHER_ENGINE * (ENGINES.get(one.engine or "") != asked.engine),
        "GPU": OTHER_GPU * (one.gpu != asked.gpu)
        + OTHER_GENERATION * (_generation(one.gpu) != asked.generation),
        "weights": OTHER_FORMAT
        * (asked.weights_dtype is not None and one.weights_dtype != asked.weights_dtype),
        "layout": OTHER_LAYOUT * (one.tp != asked.tp) + _doublings(one.gpus, asked.gpus),
        "input length": _doublings(one.input_tokens, asked.input_tokens),
        "output length": _doublings(one.output_tokens, asked.output_tokens),
        "load": _doublings(_load(one), asked.load),
    }
    return NearMeasurement(
        one, sum(prices.values()), tuple(name for name, cost in prices.items() if cost > 0.1)
    )


def _load(one: Benchmark) -> float | None:
    if one.concurrency == "max":
        return float(one.prompts or SATURATED)
    return one.concurrency


def _doublings(one: float | None, other: float | None) -> float:
    """Return the doublings between two quantities; one that is not known counts as one doubling."""
    if not one or not other:
        return 1.0
    return abs(math.log2(one / other))
