"""What the cache of a model costs on one GPU: per token, per window, per sequence.

Sources of the rules (vllm-project/vllm v0.33.0): KV heads per GPU ``max(1, kv // tp)`` in config/model.py;
the latent cache is copied to every tensor-parallel rank (docs/serving/context_parallel_deployment.md); Mamba
state divides by heads and copies groups in model_executor/layers/mamba/mamba_utils.py; pipeline stages in
distributed/utils.py ``get_pp_indices``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Literal

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
)
from inferplan.planner.architecture.latent import INDEX_SCALE_BYTES
from inferplan.planner.kv_dtypes import ELEMENT_BITS, kv_dtype_of, served_dtype, value_bytes

CacheKind = Literal["full", "window", "latent", "index", "compressed", "state", "cross"]


_SCALED_VALUES = 128  # fp8 latents that share an fp32 scale: vllm v0.33.0 mla/flashmla_sparse.py
_SCALED_FP4_VALUES = 16  # NVFP4 latents that share an fp8 scale: vllm v0.33.0 mla_attention.py
_COMPRESSED_RECORD_BYTES = {
    8: 584,  # 448 fp8 + 64 bf16 + 8 scales: vllm v0.33.0 models/deepseek_v4/attention.py
    4: 384,  # 448 fp4 + 64 bf16 + 28 scales, padded: sgl-project/sglang #38646, 2026-09-09
}


class ShardError(InferplanError):
    """A parallel size that the model's heads or layers do not allow."""


@dataclass(frozen=True, slots=True)
class CacheGroup:
    """Layers of one pipeline stage that keep the same kind of cache of the same size, on one GPU."""

    kind: CacheKind
    layers: int
    entry_bytes: Fraction
    """Bytes per layer of one entry: a token for attention, the whole sequence for a state."""
    tokens_per_entry: int = 1
    """Above 1 where several tokens share an entry (DeepSeek V4)."""
    window_tokens: int | None = None
    """Most tokens that a sequence keeps, ``None`` without a cap."""
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class KvLayout:
    """Cache of one GPU of the fullest pipeline stage; decode-context-parallel ranks hold their share."""

    groups: tuple[CacheGroup, ...]
    stage: int
    """Pipeline stage (from 0) that keeps the most per token."""
    copies: int
    """GPUs of a tensor-parallel group that hold the same cache (MLA, or more GPUs than KV heads)."""

    @property
    def growing_bytes_per_token(self) -> int:
        """Bytes per GPU that every further token of a sequence adds, whatever its length."""
        return ceil(
            sum((g.layers * g.entry_bytes / g.tokens_per_entry for g in self._groups("growing")), Fraction(0))
        )

    @property
    def window_bytes_per_token(self) -> dict[int, int]:
        """Bytes per GPU and token by size of the window (tokens) that caps them."""
        windows: dict[int, Fraction] = {}
        for group in self._groups("window"):
            cap = group.window_tokens or 0
            windows[cap] = windows.get(cap, Fraction(0)) + group.layers * group.entry_bytes
        return {cap: ceil(size) for cap, size in sorted(windows.items())}

    @property
    def state_bytes_per_sequence(self) -> int:
        """Bytes per GPU that a sequence costs whatever its length: states and cross-attention."""
        return ceil(sum((g.layers * g.entry_bytes for g in self._groups("state")), Fraction(0)))

    def window_bytes_per_sequence(self, tokens: int) -> int:
        """Bytes per GPU of the capped windows of a sequence of ``tokens``, without rounding to blocks."""
        return sum(size * min(tokens, cap) for cap, size in self.window_bytes_per_token.items())

    def bytes_per_sequence(self, tokens: int) -> int:
        """Bytes per GPU of a whole sequence of ``tokens``, without rounding to blocks."""
        growing = self.growing_bytes_per_token * tokens
        return growing + self.window_bytes_per_sequence(tokens) + self.state_bytes_per_sequence

    def _groups(self, part: str) -> list[CacheGroup]:
        return [group for group in self.groups if _part(group) == part]


def _part(group: CacheGroup) -> str:
    if group.kind in ("state", "cross"):
        return "state"
    return "growing" if group.window_tokens is None else "window"


def stages(layers: int, pp: int) -> list[range]:
    """Return the layers of each pipeline stage as vLLM splits them: a rest goes to later stages but the last.

    Examples
    --------
    >>> [len(stage) for stage in stages(61, 4)]
    [15, 15, 16, 15]
    """
    if pp > layers:
        msg = f"pp is {pp} but the model has {layers} layers; a pipeline stage needs one at least."
        raise ShardError(msg)
    sizes = [layers // pp] * pp
    for place in range(2, layers % pp + 2):
        sizes[-place] += 1
    starts = [sum(sizes[:i]) for i in range(pp)]
    return [range(start, start + size) for start, size in zip(starts, sizes, strict=True)]


@lru_cache(maxsize=4096)
def layout(
    architecture: Architecture,
    *,
    kv_dtype: str = "auto",
    tp: int = 1,
    pp: int = 1,
    dcp: int = 1,
    windows: bool = True,
    chunks: bool = True,
) -> KvLayout:
    """Return what the cache of ``architecture`` costs on one GPU.

    Parameters
    ----------
    kv_dtype
        "auto", bf16, fp16, fp8, int8, nvfp4 and the per-token-head types of vLLM.
    tp, pp, dcp
        Tensor, pipeline and decode-context-parallel sizes. Data-parallel replicas keep independent caches.
    windows
        Whether the engine frees tokens that have left a sliding window (vLLM's hybrid manager).
    chunks
        Whether it does so for chunked attention too (Llama 4: off by default in vLLM).

    Raises
    ------
    UnknownNameError
        When ``kv_dtype`` is not known.
    ShardError
        When there are more stages than layers.

    Examples
    --------
    >>> from inferplan.planner.architecture import parse
    >>> model = parse({"model_type": "llama", "hidden_size": 8192, "num_hidden_layers": 80,
    ...     "vocab_size": 128256, "num_attention_heads": 64, "num_key_value_heads": 8,
    ...     "intermediate_size": 28672})
    >>> layout(model, tp=8).growing_bytes_per_token
    40960
    """
    dtype = kv_dtype_of(architecture, kv_dtype)
    cut = _Cut(dtype, served_dtype(architecture), tp, dcp, windows, chunks)
    found = [
        KvLayout(
            _stage_groups([architecture.layers[i] for i in stage], cut),
            number,
            _copies(architecture, tp, dcp),
        )
        for number, stage in enumerate(stages(max(1, len(architecture.layers)), pp))
        if architecture.layers
    ]
    if not found:
        return KvLayout((), 0, 1)
    return max(found, key=lambda one: one.bytes_per_sequence(architecture.max_position_tokens or 32768))


@dataclass(frozen=True, slots=True)
class _Cut:
    dtype: str
    model_dtype: str
    tp: int
    dcp: int
    windows: bool
    chunks: bool


def _copies(architecture: Architecture, tp: int, dcp: int) -> int:
    """Return how many GPUs of a tensor-parallel group hold the same cache."""
    copies = [1]
    for layer in architecture.layers:
        for mixer in layer.mixers:
            if isinstance(mixer, LatentAttention | CompressedAttention):
                copies.append(max(1, tp // dcp))
            elif isinstance(mixer, SoftmaxAttention):
                copies.append(max(1, tp // mixer.kv_heads // dcp))
    return max(copies)


def _stage_groups(layers: Sequence[Layer], cut: _Cut) -> tuple[CacheGroup, ...]:
    counted: dict[CacheGroup, int] = {}
    for layer in layers:
        for mixer in layer.mixers:
            for group in _groups_of(mixer, cut):
                counted[group] = counted.get(group, 0) + 1
    return tuple(
        CacheGroup(g.kind, number, g.entry_bytes, g.tokens_per_entry, g.window_tokens, g.chunked)
        for g, number in counted.items()
    )


def _groups_of(mixer: Mixer, cut: _Cut) -> list[CacheGroup]:
    """Return the caches of one layer's ``mixer``, one layer each."""
    if isinstance(mixer, SoftmaxAttention):
        return _softmax_groups(mixer, cut)
    if isinstance(mixer, LatentAttention):
        return _latent_groups(mixer, cut)
    if isinstance(mixer, CompressedAttention):
        return _compressed_groups(mixer, cut)
    if isinstance(mixer, CrossAttention):
        heads = _heads_per_gpu(mixer.kv_heads, cut.tp)
        size = value_bytes(cut.dtype, 2 * heads * mixer.head_dim, 2 * heads) * mixer.source_tokens
        return [CacheGroup("cross", 1, size)]
    return [CacheGroup("state", 1, _state_bytes(mixer, cut))]


def _heads_per_gpu(heads: int, tp: int) -> int:
    return max(1, -(-heads // tp))


def _softmax_groups(mixer: SoftmaxAttention, cut: _Cut) -> list[CacheGroup]:
    if not mixer.stores_kv:
        return []
    heads = _heads_per_gpu(mixer.kv_heads, cut.tp)
    size = value_bytes(cut.dtype, heads * (mixer.head_dim + mixer.value_head_dim), 2 * heads) / cut.dcp
    freed = cut.chunks if mixer.chunked else cut.windows
    if mixer.window_tokens is None or not freed:
        return [CacheGroup("full", 1, size)]
    return [CacheGroup("window", 1, size, 1, mixer.window_tokens, mixer.chunked)]


def _latent_groups(mixer: LatentAttention, cut: _Cut) -> list[CacheGroup]:
    """Return latent vector and rotary key, the same on every tensor-parallel rank, and an indexer's key."""
    values = mixer.kv_lora_rank + mixer.rope_head_dim
    size = value_bytes(cut.dtype, values, 1)
    if mixer.index_key_bytes_per_token:
        size = _sparse_record_bytes(mixer, cut.dtype) or size
    window = mixer.window_tokens if cut.windows else None
    groups = [CacheGroup("latent", 1, size / cut.dcp, 1, window)] if mixer.stores_kv else []
    if mixer.index_key_bytes_per_token:
        groups.append(CacheGroup("index", 1, Fraction(mixer.index_key_bytes_per_token) / cut.dcp))
    return groups


def _sparse_record_bytes(mixer: LatentAttention, dtype: str) -> Fraction | None:
    """Return the record of latent and rotary key that sparse attention reads, ``None`` in 16 bit.

    DeepSeek V3.2's 512 and 64 values take 512 + 16 + 128 = 656 bytes in fp8 and 256 + 32 + 64 = 352 in NVFP4.
    """
    rank, rope = mixer.kv_lora_rank, mixer.rope_head_dim
    if dtype.startswith("fp8"):
        return Fraction(rank + 4 * ceil(rank / _SCALED_VALUES) + 2 * rope)
    if dtype == "nvfp4":
        return Fraction(rank, 2) + Fraction(rank, _SCALED_FP4_VALUES) + rope
    return None


def _compressed_groups(mixer: CompressedAttention, cut: _Cut) -> list[CacheGroup]:
    bits = ELEMENT_BITS[cut.dtype]
    size = Fraction(_COMPRESSED_RECORD_BYTES.get(bits, value_bytes(cut.dtype, mixer.entry_dim, 1)))
    groups = [CacheGroup("window", 1, size, 1, mixer.window_tokens)]
    if mixer.ratio:
        groups.append(CacheGroup("compressed", 1, size, mixer.ratio))
        if mixer.index_head_dim:
            key = mixer.index_head_dim + INDEX_SCALE_BYTES if bits <= 8 else 2 * mixer.index_head_dim
            groups.append(CacheGroup("index", 1, Fraction(key), mixer.ratio))
    return groups


def _state_bytes(mixer: RecurrentState, cut: _Cut) -> Fraction:
    """Return the bytes of one layer's state per sequence on one GPU.

    The convolution's last inputs are kept in the model's type, the state in its own; B and C
    groups that do not divide are copied to every GPU.
    """
    convolution = Fraction(mixer.conv_elements, cut.tp)
    if mixer.groups % cut.tp:
        shared = mixer.groups * mixer.conv_elements_per_group
        own = _heads_per_gpu(mixer.groups, cut.tp) * mixer.conv_elements_per_group
        convolution = Fraction(mixer.conv_elements - shared, cut.tp) + own
    state_bits = ELEMENT_BITS.get(mixer.state_dtype or cut.model_dtype, 16)
    model_bits = ELEMENT_BITS.get(cut.model_dtype, 16)
    return (convolution * model_bits + Fraction(mixer.state_elements, cut.tp) * state_bits) / 8
