"""What one deployment has to do for a token: bytes, operations and messages, reduced to a few numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from inferplan.datasets.errors import InferplanError
from inferplan.planner.architecture import (
    Architecture,
    CompressedAttention,
    CrossAttention,
    LatentAttention,
    Layer,
    Mixer,
    RecurrentState,
    SoftmaxAttention,
    Tensor,
)
from inferplan.planner.deployment import Deployment
from inferplan.planner.kv_cache import layout
from inferplan.planner.kv_dtypes import cache_dtype
from inferplan.planner.performance.compute import arithmetic, peak_flops_per_s
from inferplan.planner.performance.links import link
from inferplan.planner.quantization import storage

Column = NDArray[np.float64]

SPARSE_TOKENS = 2048  # index_topk of DeepSeek V3.2 and GLM-5: what a query reads beside the index keys
OUTPUT_HELD = {
    "tensorrt-llm": 1.0
}  # GUARANTEED_NO_EVICT holds all of it from the start: its default, executor.md
STATE_FLOPS_PER_ELEMENT = 6  # decay, outer product and read-out of a state, two operations each


@dataclass(frozen=True, eq=False)
class Work:
    """Coefficients of one or many deployments, a column each; per GPU and summed over all layers.

    Bytes and operations are those of one tensor-parallel rank as if it held every layer: pipeline stages
    divide them in time, not in sum.
    """

    tp: Column
    pp: Column
    dp: Column
    dense_bytes: Column
    """Weights that every step reads: attention, dense MLP, shared experts, router."""
    head_bytes: Column
    expert_bytes: Column
    """All experts that the GPU holds."""
    experts: Column
    experts_per_token: Column
    expert_batches: Column
    """Data-parallel batches whose tokens meet at the same experts."""
    dense_flops: Column
    """Per token; experts and head likewise."""
    head_flops: Column
    expert_flops: Column
    attention_flops: Column
    """Per token generated and token of context attended in full."""
    window_flops: Column
    """Per token generated and token of context inside of the windows."""
    prompt_attention_flops: Column
    """Per pair of prompt tokens."""
    state_flops: Column
    """Per token, of recurrent layers."""
    cache_bytes: Column
    """Cache read per token of context attended in full."""
    window_bytes: Column
    """Cache read per token inside of the windows."""
    window_tokens: Column
    state_bytes: Column
    """Recurrent state per sequence: read and written by every step."""
    layers: Column
    expert_layers: Column
    message_bytes: Column
    """What one all-reduce moves per token: a hidden vector in 16 bits."""
    dense_peak: Column
    """Operations per second; of the arithmetic that the stored format runs in."""
    expert_peak: Column
    attention_peak: Column
    bandwidth: Column
    link_bytes_per_s: Column
    pool_bytes: Column
    """KV cache and states of one GPU."""
    held_token_bytes: Column
    """Pool that every token of a sequence takes; its windows and states likewise."""
    held_window_bytes: Column
    held_state_bytes: Column
    output_held: Column
    """Share of a request's output that the pool holds for it on average."""
    max_sequences: Column
    batch_tokens: Column

    def take(self, index: NDArray[np.intp]) -> "Work":
        """Return the rows at ``index``."""
        return Work(*(np.take(getattr(self, field.name), index) for field in fields(self)))


def stack(works: Sequence[Work]) -> Work:
    """Return the rows of all ``works`` under each other."""
    return Work(*(np.concatenate([getattr(work, f.name) for work in works]) for f in fields(Work)))


def work(deployment: Deployment, pool_bytes: float, max_sequences: int, batch_tokens: int) -> Work:
    """Return the coefficients of ``deployment`` whose GPUs hold ``pool_bytes`` of cache each.

    Raises
    ------
    InferplanError
        If the weights' or the cache's format is not known, or the parallel sizes do not fit together.
    """
    architecture, gpu = deployment.architecture, deployment.gpu
    split = (
        deployment.engine == "llama.cpp"
    )  # llama.cpp gives whole layers to each GPU: -sm layer, its default
    tp = 1 if split else deployment.tp
    pp = deployment.pp * (deployment.tp if split else 1)
    shared = tp * deployment.dp
    if deployment.ep > shared:
        msg = f"ep is {deployment.ep}, but experts are spread over the tp x dp = {shared} GPUs at most."
        raise InferplanError(msg)
    spread = shared if deployment.ep > 1 else tp
    weights = _weights(architecture, deployment.weights_dtype, tp, spread)
    kv_dtype = cache_dtype(deployment)
    reads = _reads(architecture, kv_dtype, tp)
    held = layout(architecture, kv_dtype=kv_dtype, tp=tp, pp=pp)
    windows = held.window_bytes_per_token
    dtype = weights.name
    expert_layers = len({t.layer for t in architecture.tensors if t.role == "expert"})
    values = (
        tp, pp, deployment.dp,
        weights.dense_bytes, weights.head_bytes, weights.expert_bytes,
        max(1, architecture.experts), max(1, architecture.experts_per_token), spread / tp,
        weights.dense_flops, weights.head_flops, weights.expert_flops,
        reads.flops, reads.window_flops, reads.prompt_flops, reads.state_flops,
        reads.bytes, reads.window_bytes, reads.window_tokens, reads.state_bytes,
        len(architecture.layers), expert_layers, 2 * architecture.hidden_size,
        peak_flops_per_s(gpu, arithmetic(weights.dense_bits, dtype, gpu)),
        peak_flops_per_s(gpu, arithmetic(weights.expert_bits, dtype, gpu)),
        peak_flops_per_s(gpu, "16-bit"),
        gpu.memory_bandwidth_bytes_per_s, link(gpu, max(tp, spread)).bytes_per_s,
        pool_bytes, held.growing_bytes_per_token, sum(windows.values()), held.state_bytes_per_sequence,
        OUTPUT_HELD.get(deployment.engine, 0.5), max_sequences, batch_tokens,
    )  # fmt: skip
    return Work(*(np.array([value], dtype=np.float64) for value in values))


@dataclass(frozen=True, slots=True)
class _Weights:
    name: str
    dense_bytes: float
    head_bytes: float
    expert_bytes: float
    dense_flops: float
    head_flops: float
    expert_flops: float
    dense_bits: float
    expert_bits: float


@lru_cache(maxsize=4096)
def _weights(architecture: Architecture, weights_dtype: str | None, tp: int, spread: int) -> _Weights:
    """Sum the language model's matrices; ``spread`` GPUs share the experts."""
    kept = storage(architecture, weights_dtype)
    stored = dict.fromkeys(("dense", "head", "expert"), 0.0)
    elements = dict.fromkeys(stored, 0.0)
    whole = dict.fromkeys(stored, 0.0)
    for tensor in architecture.tensors:
        if tensor.part != "language_model":
            continue
        group = _group(architecture, tensor)
        if group is None:
            continue
        share = 1 if tensor.shard == "replicated" else spread if group == "expert" else tp
        if tensor.shard == "kv_heads":
            share = min(tp, tensor.shard_units or tp)
        stored[group] += (
            kept.stored_bytes(tensor, tensor.out_features, tensor.in_features, tensor.count) / share
        )
        elements[group] += tensor.elements
        whole[group] += tensor.elements / share
    bits = {group: 8 * stored[group] / whole[group] if whole[group] else 16.0 for group in stored}
    active = architecture.experts_per_token / architecture.experts if architecture.experts else 1.0
    return _Weights(
        kept.name, stored["dense"], stored["head"], stored["expert"],
        2 * whole["dense"], 2 * whole["head"], 2 * elements["expert"] * active / tp,
        bits["dense"], bits["expert"],
    )  # fmt: skip


def _group(architecture: Architecture, tensor: Tensor) -> str | None:
    """Return what the matrix belongs to; an embedding is looked up, not streamed."""
    if tensor.role == "embedding":
        return "head" if architecture.tied_embeddings and tensor.in_features > 1 else None
    if tensor.role == "lm_head":
        return "head"
    return "expert" if tensor.role == "expert" else "dense"


@dataclass(frozen=True, slots=True)
class _Reads:
    """What attention and recurrent layers read and compute on one GPU, over all layers."""

    bytes: float
    window_bytes: float
    window_tokens: float
    state_bytes: float
    flops: float
    window_flops: float
    prompt_flops: float
    state_flops: float


@lru_cache(maxsize=4096)
def _reads(architecture: Architecture, kv_dtype: str, tp: int) -> _Reads:
    readers = tuple(
        Layer(layer.index, tuple(_reader(mixer) for mixer in layer.mixers)) for layer in architecture.layers
    )
    read = layout(replace(architecture, layers=readers), kv_dtype=kv_dtype, tp=tp)
    windows = dict(read.window_bytes_per_token)
    full = float(read.growing_bytes_per_token)
    mixers = [mixer for layer in architecture.layers for mixer in layer.mixers]
    latents = (g for g in read.groups if g.kind == "latent" and g.window_tokens is None)
    sparse = sum(float(g.layers * g.entry_bytes) for g in latents)
    if any(isinstance(mixer, LatentAttention) and mixer.index_key_bytes_per_token for mixer in mixers):
        full -= sparse
        windows[SPARSE_TOKENS] = windows.get(SPARSE_TOKENS, 0) + round(sparse)
    window_bytes = float(sum(windows.values()))
    mean_window = sum(cap * size for cap, size in windows.items()) / window_bytes if window_bytes else 1.0
    operations = [_attention_flops(mixer) for mixer in mixers]
    return _Reads(
        full, window_bytes, mean_window, float(read.state_bytes_per_sequence),
        sum(one.full for one in operations) / tp, sum(one.window for one in operations) / tp,
        sum(one.prompt for one in operations) / tp, sum(one.state for one in operations) / tp,
    )  # fmt: skip


def _reader(mixer: Mixer) -> Mixer:
    """Return ``mixer`` with a cache to read: a layer that shares another's cache reads it all the same."""
    return replace(mixer, stores_kv=True) if isinstance(mixer, SoftmaxAttention | LatentAttention) else mixer


@dataclass(frozen=True, slots=True)
class _Flops:
    full: float = 0.0
    window: float = 0.0
    prompt: float = 0.0
    state: float = 0.0


def _attention_flops(mixer: Mixer) -> _Flops:
    """Return operations of one layer per token and attended token; two per multiply-add."""
    if isinstance(mixer, SoftmaxAttention):
        pair = 2.0 * mixer.query_heads * (mixer.head_dim + mixer.value_head_dim)
        if mixer.window_tokens is None:
            return _Flops(full=pair, prompt=pair)
        return _Flops(window=pair)
    if isinstance(mixer, LatentAttention):
        absorbed = 2.0 * mixer.query_heads * (2 * mixer.kv_lora_rank + mixer.rope_head_dim)
        expanded = (
            2.0 * mixer.query_heads * (mixer.nope_head_dim + mixer.rope_head_dim + mixer.value_head_dim)
        )
        if mixer.index_key_bytes_per_token or mixer.window_tokens is not None:
            return _Flops(window=absorbed)
        return _Flops(full=absorbed, prompt=expanded)
    if isinstance(mixer, CompressedAttention):
        pair = 4.0 * mixer.query_heads * mixer.entry_dim
        return _Flops(full=pair / mixer.ratio if mixer.ratio else 0.0, window=pair)
    if isinstance(mixer, CrossAttention):
        return _Flops(state=4.0 * mixer.query_heads * mixer.head_dim * mixer.source_tokens)
    if isinstance(mixer, RecurrentState):
        return _Flops(state=float(STATE_FLOPS_PER_ELEMENT * mixer.state_elements))
    return _Flops()
