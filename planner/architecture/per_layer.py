"""What is set for one layer only: lists with an entry per layer, and blocks that were cut."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inferplan.planner.architecture.fields import ConfigError, Fields, whole
from inferplan.planner.architecture.names import NAMES

NONE = "none"
"""No mixer, or no feed-forward, in a layer."""
MATRIX = "matrix"
"""A single matrix in the place of attention or of the feed-forward."""


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One layer before its sizes: kinds, and what is set for this layer only (canonical name, value)."""

    mixer: str
    feed_forward: str
    own: tuple[tuple[str, Any], ...] = ()


_PER_LAYER = (
    "heads", "kv_heads", "intermediate_size", "experts_per_token", "shared_experts",
    "expert_intermediate_size",
    "experts", "head_dim",
)  # fmt: skip


def own_values(fields: Fields, count: int) -> list[dict[str, Any]]:
    """Return per layer the values of fields that are lists with one entry per layer."""
    own: list[dict[str, Any]] = [{} for _ in range(count)]
    for name in _PER_LAYER:
        written, value = fields.find(name)
        if isinstance(value, list):
            if fields.flag("paired_experts") and len(value) == 2:
                own = [{**layer, name: whole(written, value[0], 0)} for layer in own]
                continue
            _spread(own, name, written, value)
    for layer, item in zip(own, fields.sequence("ffn_multipliers") or [], strict=False):
        layer["intermediate_size"] = _scaled_width(fields, item)
    for name, written in _listed(fields):
        _spread(own, name, written, fields.sequence(written) or [])
    for number, values in (fields.section("per_layer") or {}).items():
        if number.isdecimal() and int(number) < count and isinstance(values, Mapping):
            own[int(number)].update(
                {_CANONICAL.get(str(name), str(name)): value for name, value in values.items()}
            )
    return own


def _spread(own: list[dict[str, Any]], name: str, written: str, values: Sequence[object]) -> None:
    """Give each layer its entry of ``values``."""
    if len(values) < len(own):
        msg = f"{written} has {len(values)} entries but there are {len(own)} layers."
        raise ConfigError(msg, [written])
    for layer, item in zip(own, values, strict=False):
        layer[name] = whole(written, item, 0)


def _listed(fields: Fields) -> list[tuple[str, str]]:
    """Return (canonical name, name as written) of the lists beside a field, such as kv_heads_per_layer."""
    return [
        (name, written + suffix)
        for name in (*_PER_LAYER, "window")
        for written in NAMES[name]
        for suffix in ("_per_layer", "_list")
        if fields.config.get(written + suffix) is not None
    ]


def _scaled_width(fields: Fields, multiplier: object) -> int:
    """Return the width of an MLP stated as a multiple of the hidden size (OpenELM), rounded to a divisor."""
    divisor = fields.integer("ffn_dim_divisor", 256)
    factor = Fields({"ffn_multipliers": multiplier}, fields.family, path=fields.path).number(
        "ffn_multipliers", 1
    )
    wanted = factor * fields.integer("hidden_size")
    width = max(divisor, int(wanted + divisor / 2) // divisor * divisor)
    return width + divisor if width < 0.9 * wanted else width


_CANONICAL = {written: name for name, all_written in NAMES.items() for written in all_written[:3]}


def with_blocks(fields: Fields, plans: list[LayerPlan]) -> list[LayerPlan]:
    """Return ``plans`` changed by ``block_configs``: layers without attention or MLP (Nemotron NAS)."""
    blocks = fields.sequence("block_configs")
    if not blocks:
        return plans
    where = fields.find("block_configs")[0]
    if len(blocks) != len(plans) or not all(isinstance(block, Mapping) for block in blocks):
        msg = (
            f"{where} has {len(blocks)} entries but there are {len(plans)} layers; give one object per layer."
        )
        raise ConfigError(msg, [where])
    return [_block(fields, plan, block) for plan, block in zip(plans, blocks, strict=True)]


def _block(fields: Fields, plan: LayerPlan, block: Mapping[str, Any]) -> LayerPlan:
    attention = block.get("attention") or {}
    ffn = block.get("ffn") or {}
    own = dict(plan.own)
    mixer, feed = plan.mixer, plan.feed_forward
    if attention.get("no_op"):
        mixer = NONE
    elif attention.get("replace_with_linear"):
        mixer = MATRIX
    elif attention.get("n_heads_in_group"):
        group = whole("n_heads_in_group", attention["n_heads_in_group"])
        own["kv_heads"] = fields.integer("heads") // group
    if ffn.get("no_op"):
        feed = NONE
    elif ffn.get("replace_with_linear"):
        feed = MATRIX
    elif ffn.get("ffn_mult") is not None:
        width = int(
            2 * Fields(ffn, fields.family).number("ffn_mult", 1.0) * fields.integer("hidden_size") / 3
        )
        own["intermediate_size"] = -(-width // 256) * 256
    elif ffn.get("intermediate_size"):
        own["intermediate_size"] = whole("intermediate_size", ffn["intermediate_size"])
    return LayerPlan(mixer, feed, tuple(sorted(own.items())))
