"""Answers that people ask of a deployment: how long, how many, on what, and what to change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Gpu
from inferplan.planner.architecture import Architecture
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory import Fit, fit
from inferplan.planner.weights import illegal_tp, weights

GPUS_PER_MACHINE = 8  # DGX, HGX and the largest instances of the clouds hold 8 GPUs
TENSOR_PARALLEL_SIZES = (1, 2, 3, 4, 5, 6, 7, 8)
MOST_STAGES = 8
SHORTEST_CONTEXT_TOKENS = 1024  # a shorter context is no answer to "what must change"


def largest_context(deployment: Deployment, concurrency: int = 1) -> int | None:
    """Return the most tokens a sequence can have when ``concurrency`` of them run at once on one replica.

    ``None`` when not even one token fits. The model's own limit caps the answer.
    """
    limit = deployment.architecture.max_position_tokens or deployment.max_model_len
    if limit is None:
        msg = "the config states no largest context: give max_model_len as the limit to search below"
        raise InferplanError(msg)
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        found = fit(replace(deployment, max_model_len=middle))
        if found.fits and found.max_concurrency >= concurrency:
            low = middle
        else:
            high = middle - 1
    return low or None


def largest_concurrency(deployment: Deployment, context_tokens: int | None = None) -> int:
    """Return how many sequences of ``context_tokens`` all replicas hold at once, 0 when none fits."""
    if context_tokens is not None:
        deployment = replace(deployment, max_model_len=context_tokens)
    found = fit(deployment)
    return int(found.max_concurrency) * deployment.dp if found.fits else 0


@dataclass(frozen=True)
class TensorParallelSize:
    """A tensor-parallel size and, where the model's heads do not divide, why it is not possible."""

    tp: int
    reason: str | None


def tensor_parallel_sizes(
    architecture: Architecture, sizes: Iterable[int] = TENSOR_PARALLEL_SIZES
) -> tuple[TensorParallelSize, ...]:
    """Return each size with ``None``, or the reason that it is illegal for the model."""
    return tuple(TensorParallelSize(tp, illegal_tp(architecture, tp)) for tp in sizes)


def fewest_gpus(deployment: Deployment, concurrency: int = 1) -> Deployment | None:
    """Return the deployment with the fewest GPUs that holds ``concurrency`` sequences, ``None`` if none does.

    Tensor parallelism up to a machine's 8 GPUs, in sizes that divide the model's heads, then pipeline stages
    of machines; of equal counts, the fewer stages.
    """
    whole = weights(deployment.architecture, deployment.weights_dtype, engine=deployment.engine).per_gpu_bytes
    at_least = whole // deployment.gpu.memory_total_bytes
    legal = [size.tp for size in tensor_parallel_sizes(deployment.architecture) if size.reason is None]
    layers = len(deployment.architecture.layers)
    shapes = sorted(
        ((tp, pp) for tp in legal for pp in range(1, min(MOST_STAGES, max(layers, 1)) + 1)),
        key=lambda shape: (shape[0] * shape[1], shape[1]),
    )
    for tp, pp in shapes:
        if tp * pp < at_least:
            continue
        candidate = replace(deployment, tp=tp, pp=pp, dp=1)
        found = fit(candidate)
        if found.fits and found.max_concurrency >= concurrency:
            return candidate
    return None


@dataclass(frozen=True)
class GpuFit:
    """One GPU type: the deployment as asked, and the fewest GPUs of it that hold the same."""

    gpu: Gpu
    fit: Fit
    fewest: Deployment | None
    """``None`` when no count up to eight machines of eight GPUs holds it."""


def fit_all_gpus(deployment: Deployment, gpus: Sequence[Gpu] | None = None) -> list[GpuFit]:
    """Return the answer for every GPU of the catalog (or of ``gpus``), those that need fewest first."""
    found = [
        GpuFit(gpu, fit(candidate), fewest_gpus(candidate))
        for gpu in (catalog.gpus() if gpus is None else gpus)
        for candidate in (replace(deployment, gpu=gpu),)
    ]
    return sorted(found, key=_fit_order)


def _fit_order(found: GpuFit) -> tuple[bool, int, float]:
    count = found.fewest.gpu_count if found.fewest else MOST_STAGES * GPUS_PER_MACHINE + 1
    return (not found.fit.fits, count, -found.fit.max_concurrency)


ChangeKind = Literal["kv_dtype", "weights_dtype", "tp", "max_model_len", "gpu"]


@dataclass(frozen=True)
class Change:
    """One change after which the deployment fits."""

    kind: ChangeKind
    words: str
    deployment: Deployment
    fit: Fit


def changes_to_fit(deployment: Deployment, concurrency: int = 1) -> list[Change]:
    """Return changes that make the deployment hold ``concurrency`` sequences, the gentlest first.

    In order: a smaller cache type, smaller weights, more GPUs, a shorter context, a larger GPU. Each is tried
    alone; where none is enough alone, cache and weights are tried together.
    """
    candidates = [*_cache_types(deployment), *_weight_types(deployment), *_more_gpus(deployment)]
    found = [
        Change(kind, words, candidate, answer)
        for kind, words, candidate in candidates
        if (answer := _holds(candidate, concurrency)) is not None
    ]
    if not found:
        found += _combined(deployment, concurrency)
    found += _shorter_context(deployment, concurrency)
    found += _larger_gpus(deployment, concurrency)
    return found


_Candidate = tuple[ChangeKind, str, Deployment]


def _holds(deployment: Deployment, concurrency: int) -> Fit | None:
    try:
        answer = fit(deployment)
    except InferplanError:
        return None  # a combination that the model cannot have, such as a format it is not made in
    return answer if answer.fits and answer.max_concurrency >= concurrency else None


def _cache_types(deployment: Deployment) -> list[_Candidate]:
    if deployment.kv_dtype.casefold().startswith(("fp8", "nvfp4", "int")):
        return []
    words = "keep the KV cache in FP8: half the bytes per token"
    return [("kv_dtype", words, replace(deployment, kv_dtype="fp8"))]


def _weight_types(deployment: Deployment) -> list[_Candidate]:
    asked = (deployment.weights_dtype or "").casefold()
    if deployment.weights_dtype is None and deployment.architecture.quantization:
        return []
    smaller = {"fp8": "about half the weights", "awq-int4": "about a third of the weights"}
    if asked.startswith("fp8") or asked == "int8":
        smaller.pop("fp8")
    if "int4" in asked or "fp4" in asked or "4bit" in asked or asked.startswith("gguf"):
        return []
    return [
        ("weights_dtype", f"load the weights in {name}: {what}", replace(deployment, weights_dtype=name))
        for name, what in smaller.items()
    ]


def _more_gpus(deployment: Deployment) -> list[_Candidate]:
    legal = [size.tp for size in tensor_parallel_sizes(deployment.architecture) if size.reason is None]
    larger = [tp for tp in legal if tp > deployment.tp]
    return [
        ("tp", f"spread the model over {tp} GPUs by tensor parallelism", replace(deployment, tp=tp))
        for tp in larger[:2]
    ]


def _combined(deployment: Deployment, concurrency: int) -> list[Change]:
    found = []
    for _, cache_words, small_cache in _cache_types(deployment):
        for kind, words, candidate in _weight_types(small_cache):
            if (answer := _holds(candidate, concurrency)) is not None:
                found.append(Change(kind, f"{words}; and {cache_words}", candidate, answer))
    return found


def _shorter_context(deployment: Deployment, concurrency: int) -> list[Change]:
    if deployment.architecture.max_position_tokens is None and deployment.max_model_len is None:
        return []
    tokens = largest_context(deployment, concurrency)
    if tokens is None or tokens < SHORTEST_CONTEXT_TOKENS:
        return []
    shorter = replace(deployment, max_model_len=tokens)
    words = f"limit the context to {tokens:,} tokens"
    return [Change("max_model_len", words, shorter, fit(shorter))]


def _larger_gpus(deployment: Deployment, concurrency: int) -> list[Change]:
    """Return the smallest GPU of the same vendor on which it fits, and the smallest of another."""
    found: list[Change] = []
    for gpu in sorted(catalog.gpus(), key=lambda gpu: gpu.memory_total_bytes):
        if gpu.memory_total_bytes <= deployment.gpu.memory_total_bytes:
            continue
        if any(change.deployment.gpu.vendor == gpu.vendor for change in found):
            continue
        candidate = replace(deployment, gpu=gpu)
        if (answer := _holds(candidate, concurrency)) is not None:
            found.append(Change("gpu", f"use {gpu.name}", candidate, answer))
    same = [change for change in found if change.deployment.gpu.vendor == deployment.gpu.vendor]
    return same + [change for change in found if change not in same][:1]
