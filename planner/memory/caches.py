"""What each layer keeps on one GPU, as this engine version stores it."""

import operator
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from inferplan.planner.architecture import (
    Architecture,
    CompressedAttention,
    LatentAttention,
    Layer,
    Mixer,
    RecurrentState,
    SoftmaxAttention,
)
from inferplan.planner.kv_cache import CacheGroup, layout
from inferplan.planner.memory.settings import Settings
from inferplan.planner.memory_options import MemoryOptions

LARGEST_CONV_KERNEL = 8
PARTIAL_SUM_BYTES = (
    8  # fp32 sum and gate of an entry's element: vllm v0.33.0 models/deepseek_v4/compressor.py
)
PACKED_BLOCK_TOKENS = (
    256  # "Setting kv cache block size to 256 for DEEPSEEK_SPARSE_SWA": vllm #51041, 2026-08-10
)
PACKED_WINDOW_TOKENS = 64  # block size of the windows: vllm #54703, 2026-09-06


@dataclass(frozen=True, slots=True)
class Cache:
    """One layer's cache; layers with equal caches share a group of pages."""

    kind: Literal["full", "window", "state", "source"]
    """``source``: keys and values of an encoder's output, fixed per sequence."""
    bytes_per_token: Fraction = Fraction(0)
    window_tokens: int = 0
    state_bytes: int = 0
    page_tokens: int = 0
    """Tokens of a page where the attention kernel asks for its own; 0: the engine's."""
    packed: bool = False
    """Layers share blocks by their bytes, not by their number (DeepSeek V4)."""


def caches(
    architecture: Architecture, kv_dtype: str, settings: Settings, options: MemoryOptions
) -> Counter[Cache]:
    """Return the caches of the fullest pipeline stage with the number of layers that have each.

    Raises
    ------
    InferplanError
        If the type is not known, or there are more stages than layers.
    """
    found = layout(
        as_stored(architecture, settings, options),
        kv_dtype=kv_dtype,
        tp=settings.tp,
        pp=settings.stages,
        dcp=options.decode_context_parallel,
        windows=_windows_capped(architecture, settings, options),
        chunks=settings.profile.chunked_windows_capped and options.hybrid_manager is not False,
    )
    packed = any(group.kind == "compressed" for group in found.groups)
    if packed and settings.profile.concurrency == "blocks_per_request":
        return _packed_caches(architecture, found.groups)
    counted: Counter[Cache] = Counter()
    for group in found.groups:
        counted[_cache(group, settings)] += group.layers
    return counted


def _cache(group: CacheGroup, settings: Settings) -> Cache:
    if group.kind in ("state", "cross"):
        return Cache("state" if group.kind == "state" else "source", state_bytes=round(group.entry_bytes))
    per_token = group.entry_bytes / group.tokens_per_entry
    if group.window_tokens is not None:
        return Cache("window", per_token, window_tokens=group.window_tokens)
    wants_pages = group.kind in ("latent", "index")
    return Cache("full", per_token, page_tokens=(settings.profile.mla_page_tokens or 0) if wants_pages else 0)


def _packed_caches(architecture: Architecture, groups: Sequence[CacheGroup]) -> Counter[Cache]:
    """Return the caches of compressed attention, with the partial sums that its compressors keep.

    A compressor sums the tokens of an entry (of two where they overlap, as under an indexer) in fp32:
    windows of so many tokens, in pages of as many as fit into a page of the windows.
    """
    mixers = [mixer for layer in architecture.layers for mixer in layer.mixers]
    model = next(mixer for mixer in mixers if isinstance(mixer, CompressedAttention) and mixer.ratio)
    index_dim = max(m.index_head_dim for m in mixers if isinstance(m, CompressedAttention))
    overlapping = {group.tokens_per_entry for group in groups if group.kind == "index"}
    counted: Counter[Cache] = Counter()
    for group in groups:
        per_token = group.entry_bytes / group.tokens_per_entry
        if group.window_tokens is not None:
            window = Cache("window", per_token, group.window_tokens, 0, PACKED_WINDOW_TOKENS, packed=True)
            counted[window] += group.layers
            continue
        counted[Cache("full", per_token, 0, 0, PACKED_BLOCK_TOKENS, packed=True)] += group.layers
        entries = 2 if group.tokens_per_entry in overlapping else 1
        size = index_dim if group.kind == "index" else model.entry_dim
        sums = Fraction(entries * size * PARTIAL_SUM_BYTES)
        page = PACKED_WINDOW_TOKENS * group.entry_bytes
        tokens = 1 << (int(page / sums).bit_length() - 1) if page >= sums else 1
        kept = entries * group.tokens_per_entry
        counted[Cache("window", sums, kept, 0, tokens, packed=True)] += group.layers
    return counted


def _windows_capped(architecture: Architecture, settings: Settings, options: MemoryOptions) -> bool:
    """Return whether only windows are held: always when all layers share one, else if the engine groups."""
    mixers = [mixer for layer in architecture.layers for mixer in layer.mixers]
    windows = {m.window_tokens for m in mixers if isinstance(m, SoftmaxAttention | LatentAttention)}
    if options.hybrid_manager is not None:
        return options.hybrid_manager
    return settings.profile.hybrid_manager or len(windows) == 1


def as_stored(architecture: Architecture, settings: Settings, options: MemoryOptions) -> Architecture:
    """Return the model with its caches as this engine version keeps them, itself where nothing changes.

    Old engines expand or pad latents; drafted tokens widen what a convolution keeps; a model's own MTP layers
    cache like its last layer with full attention.
    """
    taps = _conv_taps(architecture)
    layers = [_stored_layer(layer, settings, options.draft_tokens, taps) for layer in architecture.layers]
    if options.mtp:
        layers += _mtp_layers(architecture, layers)
    if not options.mtp and all(map(operator.is_, architecture.layers, layers)):
        return architecture
    return replace(architecture, layers=tuple(layers))


def _stored_layer(layer: Layer, settings: Settings, draft_tokens: int, taps: int) -> Layer:
    mixers = tuple(_stored(mixer, settings, draft_tokens, taps) for mixer in layer.mixers)
    same = all(mixer is before for mixer, before in zip(mixers, layer.mixers, strict=True))
    return layer if same else replace(layer, mixers=mixers)


def _stored(mixer: Mixer, settings: Settings, draft_tokens: int, taps: int) -> Mixer:
    profile = settings.profile
    if isinstance(mixer, LatentAttention) and profile.mla == "expanded":
        width = profile.mla_expanded_head_dim or mixer.nope_head_dim + mixer.rope_head_dim
        heads, window = mixer.query_heads, mixer.window_tokens
        return SoftmaxAttention(heads, heads, width, width, window, stores_kv=mixer.stores_kv)
    if isinstance(mixer, LatentAttention):
        width = mixer.kv_lora_rank + mixer.rope_head_dim
        padded = -(-width // profile.mla_entry_multiple) * profile.mla_entry_multiple
        if padded == width:
            return mixer
        return replace(mixer, kv_lora_rank=mixer.kv_lora_rank + padded - width)
    if isinstance(mixer, RecurrentState) and draft_tokens and taps:
        drafted = mixer.conv_elements // taps * (taps + draft_tokens)
        per_group = mixer.conv_elements_per_group // taps * (taps + draft_tokens)
        return replace(mixer, conv_elements=drafted, conv_elements_per_group=per_group)
    return mixer


def _conv_taps(architecture: Architecture) -> int:
    """Return the past inputs that the model's convolutions keep, 0 without one."""
    kernels = (
        tensor.in_features
        for tensor in architecture.tensors
        if tensor.role == "recurrent" and 1 < tensor.in_features <= LARGEST_CONV_KERNEL
    )
    return next(kernels, 1) - 1


def _mtp_layers(architecture: Architecture, layers: list[Layer]) -> list[Layer]:
    attending = [layer for layer in layers if any(not isinstance(m, RecurrentState) for m in layer.mixers)]
    extra = len({tensor.layer for tensor in architecture.tensors if tensor.part == "mtp"})
    if not attending:
        return []
    mixers = tuple(_uncompressed(mixer) for mixer in attending[-1].mixers)
    return [Layer(len(layers) + number, mixers) for number in range(extra)]


def _uncompressed(mixer: Mixer) -> Mixer:
    """Return ``mixer`` as a prediction block has it: DeepSeek V4's keeps its window alone."""
    return replace(mixer, ratio=0, index_head_dim=0) if isinstance(mixer, CompressedAttention) else mixer
