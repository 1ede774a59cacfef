"""Vision towers: transformers over image patches, described by data, and the projectors behind them.

Source of every entry: the model's class in huggingface/transformers v5.23.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from inferplan.planner.architecture.families import Family
from inferplan.planner.architecture.fields import ConfigError, Fields, shown
from inferplan.planner.architecture.model import Tensor
from inferplan.planner.architecture.projectors import projector_of, two_linears
from inferplan.planner.architecture.sheet import Sheet

MAX_LAYERS = 512


@dataclass(frozen=True, slots=True)
class Tower:
    """What the code of a vision tower decides without asking its config."""

    norm: str = "layer"
    bias: bool = True
    """Of queries, keys and values, where the config does not say."""
    output_bias: bool = True
    gated: bool = False
    mlp_bias: bool = True
    patch_bias: bool = True
    class_token: bool = False
    positions: str = "image"
    """Rows of the position table: "image" grid, "stated", "square" 64 x 64, "pair" of tables or "none"."""
    norms_before: int = 0
    norms_after: int = 0
    norms_per_layer: int = 2
    head_norms: bool = False
    layer_vectors: int = 0
    """Vectors of hidden size per layer, such as layer scales."""
    width_from_output: bool = False
    """The MLP is as wide as ``out_hidden_size`` (GLM-4V)."""


SIGLIP: Final = Tower(norms_after=1)
_QWEN3: Final = Tower(positions="stated")
_GLM4V: Final = Tower("rms", False, False, True, False, norms_before=1, norms_after=1, width_from_output=True)
TOWERS: Final[Mapping[str, Tower]] = {
    **dict.fromkeys(
        (
            "siglip_vision_model", "siglip2_vision_model", "siglip", "idefics3_vision", "smolvlm_vision",
            "idefics3",
        ),
        SIGLIP,
    ),
    "clip_vision_model": Tower(patch_bias=False, class_token=True, norms_before=1, norms_after=1),
    "pixtral": Tower("rms", False, False, True, False, False, positions="none", norms_before=1),
    "qwen2_vl": Tower(patch_bias=False, positions="none"),
    "qwen2_5_vl": Tower("rms", gated=True, patch_bias=False, positions="none"),
    "qwen2_5_omni_vision_encoder": Tower("rms", gated=True, patch_bias=False, positions="none"),
    **dict.fromkeys(
        ("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe", "qwen3_omni_moe_vision_encoder"), _QWEN3
    ),
    "llama4_vision_model": Tower(patch_bias=False, class_token=True, norms_before=1, norms_after=1),
    "internvl_vision": Tower(bias=False, class_token=True, layer_vectors=2),
    "intern_vit_6b": Tower(bias=False, class_token=True, layer_vectors=2),
    "moonvit": Tower(positions="square", norms_after=1),
    **dict.fromkeys(("glm4v", "glm4v_moe"), _GLM4V),
    "minimax_m3_vl": Tower(patch_bias=False, positions="none", norms_before=1),
    "gemma4": Tower(
        "rms", False, False, True, False, False, positions="pair", norms_per_layer=4, head_norms=True
    ),
    "mllama_vision_model": Tower(
        bias=False, output_bias=False, patch_bias=False, class_token=True, norms_before=1, norms_after=1
    ),
    "ernie4_5_vl_moe": Tower(patch_bias=False, positions="none", norms_after=1),
}  # fmt: skip

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "hidden": ("embed_dim", "vt_hidden_size", "hidden_size", "width"),
    "layers": ("num_hidden_layers", "depth", "vt_num_hidden_layers", "layers"),
    "heads": ("num_attention_heads", "num_heads", "vt_num_attention_heads", "attention_heads"),
    "width": ("intermediate_size", "vt_intermediate_size"),
    "patch": ("patch_size", "spatial_patch_size"),
}


class VisionFields(Fields):
    """A vision config with the names of its own."""

    def __init__(self, config: Mapping[str, object], path: str) -> None:
        """Wrap the ``vision_config`` at ``path``."""
        super().__init__(config, Family(), path=path)

    def size(self, name: str, default: int | None = None) -> int:
        """Return the first stated of the known names; a pair of equal numbers counts as one."""
        for written in _NAMES.get(name, (name,)):
            value = self.config.get(written)
            if isinstance(value, list | tuple) and value:
                value = value[0]
            if value is not None:
                return Fields({written: value}, Family(), path=self.path).integer(written, maximum=10**6)
        if default is None:
            missing = self.path + _NAMES.get(name, (name,))[0]
            msg = f"The vision tower states no {missing}; give the whole config.json or leave it out."
            raise ConfigError(msg, [missing])
        return default


def tower_type(config: Mapping[str, object], vision: Mapping[str, object]) -> str:
    """Return the kind of vision tower: its own ``model_type``, or what the outer model implies."""
    outer = config.get("model_type")
    own = vision.get("model_type")
    for kind in (own, outer):
        if isinstance(kind, str):
            for name in (
                kind,
                kind.removesuffix("_vision"),
                kind.removesuffix("_vision_model"),
                kind.removesuffix("_text"),
            ):
                if name in TOWERS:
                    return name
    if "vt_hidden_size" in vision:
        return "moonvit"
    if isinstance(own, str) and own.startswith("minimax"):
        return "minimax_m3_vl"
    return "qwen3_vl" if "deepstack_visual_indexes" in vision else str(own or outer or "")


def vision_tensors(config: Mapping[str, object], text_hidden: int) -> tuple[list[Tensor], str | None]:
    """Return the tensors of vision tower and projector, and a note when the tower is not known.

    Raises
    ------
    ConfigError
        When ``vision_config`` is not an object or states no sizes.
    """
    vision = config.get("vision_config") or config.get("vision_tower_config")
    if not vision:
        return [], None
    if not isinstance(vision, Mapping):
        msg = f"vision_config is {shown(vision)}; it must be an object."
        raise ConfigError(msg, ["vision_config"])
    kind = tower_type(config, vision)
    tower = TOWERS.get(kind)
    note = (
        None
        if tower
        else f"The vision tower {kind or 'of this model'} is not known; it is counted as a plain ViT."
    )
    if tower is None and not any(name in vision for name in _NAMES["hidden"]):
        return [], f"The vision tower {kind or 'of this model'} states no sizes; it is not counted."
    fields = VisionFields(vision, "vision_config.")
    sheet = Sheet("vision")
    _stack(fields, tower or SIGLIP, sheet)
    projector = projector_of(config, kind)
    if projector is None and note is None:
        note = f"The projector behind the vision tower {kind} is not known; it is counted as two matrices."
    (projector or two_linears)(VisionSizes(config, fields, text_hidden), sheet)
    return list(sheet.placed("", None)), note


@dataclass(frozen=True, slots=True)
class VisionSizes:
    """What a projector is built from."""

    config: Mapping[str, object]
    fields: VisionFields
    text_hidden: int

    @property
    def hidden(self) -> int:
        """Width of the tower."""
        return self.fields.size("hidden")

    def merge(self, default: int = 2) -> int:
        """Patches per side that are merged into one token."""
        outer = VisionFields(self.config, "")
        return self.fields.size("spatial_merge_size", outer.size("spatial_merge_size", default))


def _stack(fields: VisionFields, tower: Tower, sheet: Sheet) -> None:
    hidden = fields.size("hidden")
    patch = fields.size("patch", 14)
    channels = fields.size("in_channels", fields.size("num_channels", 3))
    frames = fields.size("temporal_patch_size", 1)
    sheet.matrix(
        "vision_tower.patch_embed", "other", hidden, channels * frames * patch * patch, "replicated",
        bias=tower.patch_bias,
    )  # fmt: skip
    sheet.vector("vision_tower.class_embedding", hidden * tower.class_token, "other")
    rows = _position_rows(fields, tower, patch)
    sheet.matrix("vision_tower.position_embedding", "other", rows, hidden, "replicated")
    for place in ("before", "after"):
        for _ in range(tower.norms_before if place == "before" else tower.norms_after):
            sheet.norm(f"vision_tower.norm_{place}", hidden, tower.norm)
    if fields.flag("standardize"):
        sheet.vector("vision_tower.std", 2 * hidden, "other")
    if fields.flag("vision_use_head"):
        _pooling_head(sheet, hidden, _mlp_width(fields, tower, hidden))
    tiled = fields.size("num_global_layers", 0) if fields.config.get("num_global_layers") else 0
    if tiled:
        _tiles(fields, sheet, hidden, rows, tiled)
    layer = Sheet("vision")
    _layer(fields, tower, layer, hidden)
    count = fields.size("layers") + tiled
    if count > MAX_LAYERS:
        msg = f"The vision tower states {count} layers; {MAX_LAYERS} are allowed at most."
        raise ConfigError(msg, ["vision_config"])
    for number in range(count):
        sheet.tensors.extend(layer.placed(f"vision_tower.layers.{number}.", None))


def _pooling_head(sheet: Sheet, hidden: int, width: int) -> None:
    """Add SigLIP's attention pooling: one query, one block."""
    sheet.vector("vision_tower.head.probe", hidden, "other")
    sheet.matrix("vision_tower.head.attention", "other", 4 * hidden, hidden, "replicated", bias=True)
    sheet.norm("vision_tower.head.layernorm", hidden, "layer")
    sheet.matrix("vision_tower.head.fc1", "other", width, hidden, "replicated", bias=True)
    sheet.matrix("vision_tower.head.fc2", "other", hidden, width, "replicated", bias=True)


def _tiles(fields: VisionFields, sheet: Sheet, hidden: int, rows: int, gated_layers: int) -> None:
    """Add Llama 3.2 Vision's tables for tiles and their gates."""
    tiles = fields.size("max_num_tiles", 4)
    shapes = len(fields.sequence("supported_aspect_ratios") or range(8)) + 1
    sheet.matrix("vision_tower.tile_embedding", "other", shapes, tiles * rows * hidden, "replicated")
    for place in ("pre", "post"):
        sheet.matrix(f"vision_tower.{place}_tile_embedding", "other", shapes, tiles * hidden, "replicated")
    sheet.vector("vision_tower.gates", 3 + 2 * gated_layers, "other")


def _position_rows(fields: VisionFields, tower: Tower, patch: int) -> int:
    if tower.positions == "none":
        return 0
    if tower.positions == "stated":
        return fields.size(
            "num_position_embeddings", 0 if not fields.config.get("num_position_embeddings") else None
        )
    if tower.positions == "square":
        return fields.size("init_pos_emb_height", 64) * fields.size("init_pos_emb_width", 64)
    if tower.positions == "pair":
        return 2 * fields.size("position_embedding_size", 10240)
    stated = fields.size("num_patches", 0) if fields.config.get("num_patches") else 0
    return (stated or (fields.size("image_size", 336) // patch) ** 2) + tower.class_token


def _layer(fields: VisionFields, tower: Tower, sheet: Sheet, hidden: int) -> None:
    heads = fields.size("heads", 16)
    dim = fields.size("head_dim", max(1, hidden // heads))
    inner = fields.size("qkv_hidden_size", heads * dim)
    bias = fields.flag("attention_bias", fields.flag("qkv_bias", tower.bias))
    kv_inner = (
        dim * fields.size("num_key_value_heads", heads) if "num_key_value_heads" in fields.config else inner
    )
    for name, size in (("q_proj", inner), ("k_proj", kv_inner), ("v_proj", kv_inner)):
        sheet.matrix(f"self_attn.{name}", "attention", size, hidden, "column", bias=bias)
    sheet.matrix("self_attn.out_proj", "attention", hidden, inner, "row", bias=tower.output_bias)
    width = _mlp_width(fields, tower, hidden)
    for name in ("gate_proj", "up_proj") if tower.gated else ("up_proj",):
        sheet.matrix(f"mlp.{name}", "mlp", width, hidden, "column", bias=tower.mlp_bias)
    sheet.matrix("mlp.down_proj", "mlp", hidden, width, "row", bias=tower.mlp_bias)
    for number in range(tower.norms_per_layer):
        sheet.norm(f"norm{number + 1}", hidden, _norm_kind(fields, tower))
    if tower.head_norms:
        sheet.norm("self_attn.q_norm", dim)
        sheet.norm("self_attn.k_norm", dim)
    elif fields.flag("qk_normalization", fields.flag("use_qk_norm")):
        sheet.norm("self_attn.q_norm", inner)
        sheet.norm("self_attn.k_norm", inner)
    sheet.vector("layer_scale", tower.layer_vectors * hidden, "other")


def _norm_kind(fields: VisionFields, tower: Tower) -> str:
    stated = fields.text("norm_type")
    return {"rms_norm": "rms", "rmsnorm": "rms", "layer_norm": "layer"}.get(stated, tower.norm)


def _mlp_width(fields: VisionFields, tower: Tower, hidden: int) -> int:
    if tower.width_from_output:
        return fields.size("out_hidden_size")
    if "mlp_ratio" in fields.config and not any(name in fields.config for name in _NAMES["width"]):
        return int(fields.number("mlp_ratio", 4) * hidden)
    return fields.size("width", 4 * hidden)
