"""What a layer is by its place in the model: whose cache it reads, how far it compresses, who indexes it."""

from collections.abc import Mapping
from typing import Any

from inferplan.planner.architecture.fields import ConfigError, Fields, whole
from inferplan.planner.architecture.layers import COMPRESSED, WINDOW, compress_ratios, layer_plans
from inferplan.planner.architecture.per_layer import LayerPlan

_WINDOW_LATENTS: Mapping[str, str] = {
    "heads": "swa_num_attention_heads",
    "kv_lora_rank": "swa_kv_lora_rank",
    "q_lora_rank": "swa_q_lora_rank",
    "nope_head_dim": "swa_qk_nope_head_dim",
    "rope_head_dim": "swa_qk_rope_head_dim",
    "value_head_dim": "swa_v_head_dim",
}
"""Sizes that sliding layers with latent attention may have of their own, and where they are stated."""


def placed_plans(fields: Fields) -> list[LayerPlan]:
    """Return the plan of every layer with what depends on its place: shared caches, ratios, indexers."""
    plans = layer_plans(fields)
    places = (_sharing, _compression, _indexing, _positions, _window_latents, _ngrams)
    placed = []
    found = [place(fields, plans) for place in places]
    for i, plan in enumerate(plans):
        own = dict(plan.own)
        for values in found:
            own.update(values[i])
        placed.append(LayerPlan(plan.mixer, plan.feed_forward, tuple(sorted(own.items()))))
    return placed


def _sharing(fields: Fields, plans: list[LayerPlan]) -> list[dict[str, Any]]:
    """Say which layers read an earlier layer's cache instead of keeping one."""
    count = len(plans)
    sharing = fields.integer("shared_kv_layers", 0, minimum=0)
    share = fields.integer("cla_share_factor", 1) if fields.flag("use_cla") else 1
    sources = fields.sequence("kv_source_layers")
    own: list[dict[str, Any]] = [{} for _ in plans]
    for i, values in enumerate(own):
        if i >= count - sharing or i % share:
            values["stores_kv"] = False
        if i % share:
            values["kv_weights"] = False
        if sources and i < len(sources) and whole("kv_source_layers", sources[i], 0, count) != i:
            values["stores_kv"] = False
    return own


def _compression(fields: Fields, plans: list[LayerPlan]) -> list[dict[str, Any]]:
    """Say how many tokens an entry stands for, which ratio is the finer one, and who routes by a table."""
    ratios = compress_ratios(fields, len(plans))
    own: list[dict[str, Any]] = [{} for _ in plans]
    if ratios is None:
        return own
    finest = min((ratio for ratio in ratios if ratio), default=0)
    words = fields.sequence("feed_forward_types") or []
    hashed = fields.integer("num_hash_layers", words.count("hash_moe"), minimum=0)
    for i, values in enumerate(own):
        if plans[i].mixer == COMPRESSED:
            values["compress_ratio"] = ratios[i]
            values["sparse"] = ratios[i] == finest
        if i < hashed:
            values["correction_bias"] = False
    return own


def _indexing(fields: Fields, plans: list[LayerPlan]) -> list[dict[str, Any]]:
    """Say which layers have an indexer of their own."""
    types = fields.sequence("index_types") or []
    flags = fields.sequence("index_layers") or []
    own: list[dict[str, Any]] = [{} for _ in plans]
    for i, values in enumerate(own):
        if i < len(types):
            values["indexed"] = types[i] != "shared"
        if i < len(flags):
            values["indexed"] = bool(flags[i])
    return own


def _positions(fields: Fields, plans: list[LayerPlan]) -> list[dict[str, Any]]:
    """Say which layers with latent attention have no rotary part: its width goes to the rest of the head."""
    rotary = fields.sequence("rope_layers") if fields.flag("rope_joins_nope") else None
    if not rotary:
        return [{} for _ in plans]
    if len(rotary) < len(plans):
        where = fields.find("rope_layers")[0]
        msg = f"{where} has {len(rotary)} entries but there are {len(plans)} layers."
        raise ConfigError(msg, [where])
    return [{} if rotary[i] else {"without_rope": True} for i in range(len(plans))]


def _window_latents(fields: Fields, plans: list[LayerPlan]) -> list[dict[str, Any]]:
    """Return the sizes that sliding layers with latent attention have of their own."""
    if not fields.has("kv_lora_rank"):
        return [{} for _ in plans]
    own = {name: fields.find(written)[1] for name, written in _WINDOW_LATENTS.items()}
    stated = {name: value for name, value in own.items() if value is not None}
    return [dict(stated) if plan.mixer == WINDOW else {} for plan in plans]


def _ngrams(fields: Fields, plans: list[LayerPlan]) -> list[dict[str, Any]]:
    """Say which layers, counted from one, add an embedding of n-grams."""
    numbers = [whole("ple_layer_ids", one, 1) for one in fields.sequence("ple_layer_ids") or []]
    return [{"ngrams": True} if i + 1 in numbers else {} for i in range(len(plans))]
