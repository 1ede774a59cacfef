"""Projectors: how an image token becomes as wide as the language model."""

from collections.abc import Callable, Mapping
from typing import Protocol

from inferplan.planner.architecture.sheet import Sheet


class Sizes(Protocol):
    """What a projector is built from."""

    @property
    def config(self) -> Mapping[str, object]:
        """The whole config."""

    @property
    def text_hidden(self) -> int:
        """Width of the language model."""

    @property
    def hidden(self) -> int:
        """Width of the tower."""

    @property
    def fields(self) -> "SizedFields":
        """The vision config."""

    def merge(self, default: int = 2) -> int:
        """Patches per side that are merged into one token."""


class SizedFields(Protocol):
    """The part of a vision config that projectors read."""

    @property
    def config(self) -> Mapping[str, object]:
        """The fields as written."""

    def size(self, name: str, default: int | None = None) -> int:
        """Return a size."""


def _linear(sheet: Sheet, name: str, out_features: int, in_features: int, *, bias: bool = True) -> None:
    sheet.matrix(f"multi_modal_projector.{name}", "other", out_features, in_features, "replicated", bias=bias)


def _norm(sheet: Sheet, name: str, size: int, kind: str = "layer") -> None:
    sheet.norm(f"multi_modal_projector.{name}", size, kind)


def _flag(sizes: Sizes, name: str, default: bool) -> bool:
    value = sizes.config.get(name)
    return value if isinstance(value, bool) else default


def two_linears(sizes: Sizes, sheet: Sheet) -> None:
    """LLaVA: two linear layers; features of several layers are joined."""
    chosen = sizes.config.get("vision_feature_layer")
    joined = len(chosen) if isinstance(chosen, list) and chosen else 1
    bias = _flag(sizes, "multimodal_projector_bias", True)
    _linear(sheet, "linear_1", sizes.text_hidden, sizes.hidden * joined, bias=bias)
    _linear(sheet, "linear_2", sizes.text_hidden, sizes.text_hidden, bias=bias)


def two_linears_newline(sizes: Sizes, sheet: Sheet) -> None:
    """LLaVA-NeXT: as LLaVA, with a learned end of a row."""
    two_linears(sizes, sheet)
    sheet.vector("image_newline", sizes.text_hidden, "other")


def one_linear(sizes: Sizes, sheet: Sheet) -> None:
    """PaliGemma: one linear layer."""
    _linear(sheet, "linear", sizes.text_hidden, sizes.hidden)


def gemma3(sizes: Sizes, sheet: Sheet) -> None:
    """Gemma 3: a norm and one matrix."""
    _linear(sheet, "mm_input_projection", sizes.text_hidden, sizes.hidden, bias=False)
    _norm(sheet, "mm_soft_emb_norm", sizes.hidden, "rms")


def gemma4(sizes: Sizes, sheet: Sheet) -> None:
    """Gemma 4: one matrix."""
    _linear(sheet, "embedding_projection", sizes.text_hidden, sizes.hidden, bias=False)


def mistral3(sizes: Sizes, sheet: Sheet) -> None:
    """Mistral 3: patches merged by a matrix, then two linear layers."""
    bias = _flag(sizes, "multimodal_projector_bias", False)
    _norm(sheet, "norm", sizes.hidden, "rms")
    _linear(sheet, "patch_merger", sizes.hidden, sizes.hidden * sizes.merge() ** 2, bias=False)
    _linear(sheet, "linear_1", sizes.text_hidden, sizes.hidden, bias=bias)
    _linear(sheet, "linear_2", sizes.text_hidden, sizes.text_hidden, bias=bias)


def _qwen_merger(sizes: Sizes, sheet: Sheet, kind: str) -> None:
    merged = sizes.hidden * sizes.merge() ** 2
    out = sizes.text_hidden
    if sizes.fields.config.get("out_hidden_size"):
        out = sizes.fields.size("out_hidden_size")
    elif sizes.fields.config.get("embed_dim"):
        out = sizes.fields.size("hidden_size")
    _norm(sheet, "norm", sizes.hidden, kind)
    _linear(sheet, "fc1", merged, merged)
    _linear(sheet, "fc2", out, merged)


def qwen2(sizes: Sizes, sheet: Sheet) -> None:
    """Qwen2-VL: merged patches through two linear layers, LayerNorm before."""
    _qwen_merger(sizes, sheet, "layer")


def llama_vision(sizes: Sizes, sheet: Sheet) -> None:
    """Llama 3.2 Vision: one linear layer behind the joined layers' features."""
    _linear(sheet, "linear", sizes.text_hidden, sizes.fields.size("vision_output_dim", 7680))


def qwen2_5(sizes: Sizes, sheet: Sheet) -> None:
    """Qwen2.5-VL: as Qwen2-VL with an RMS norm."""
    _qwen_merger(sizes, sheet, "rms")


def qwen3(sizes: Sizes, sheet: Sheet) -> None:
    """Qwen3-VL: as Qwen2-VL, and one more merger for each layer whose features go deeper in."""
    _qwen_merger(sizes, sheet, "layer")
    merged = sizes.hidden * sizes.merge() ** 2
    out = sizes.fields.size("out_hidden_size", sizes.text_hidden)
    deep = sizes.fields.config.get("deepstack_visual_indexes")
    for number in range(len(deep) if isinstance(deep, list | tuple) else 0):
        _norm(sheet, f"deepstack.{number}.norm", merged)
        _linear(sheet, f"deepstack.{number}.fc1", merged, merged)
        _linear(sheet, f"deepstack.{number}.fc2", out, merged)


def llama4(sizes: Sizes, sheet: Sheet) -> None:
    """Llama 4: a two-layer adapter after the pixel shuffle, then one matrix."""
    fields = sizes.fields
    middle = fields.size("projector_input_dim", 4096)
    _linear(sheet, "fc1", middle, fields.size("width"), bias=False)
    _linear(sheet, "fc2", fields.size("projector_output_dim", 4096), middle, bias=False)
    _linear(sheet, "linear_1", sizes.text_hidden, fields.size("vision_output_dim", 4096), bias=False)


def internvl(sizes: Sizes, sheet: Sheet) -> None:
    """InternVL: LayerNorm and two linear layers after the pixel shuffle."""
    ratio = sizes.config.get("downsample_ratio", 0.5)
    shuffled = sizes.hidden * (round(1 / ratio) ** 2 if isinstance(ratio, float) and ratio > 0.01 else 4)
    _norm(sheet, "layer_norm", shuffled)
    _linear(sheet, "linear_1", sizes.text_hidden, shuffled)
    _linear(sheet, "linear_2", sizes.text_hidden, sizes.text_hidden)


def kimi(sizes: Sizes, sheet: Sheet) -> None:
    """Kimi: LayerNorm, then merged patches through two linear layers."""
    kernel = sizes.fields.config.get("merge_kernel_size")
    factor = kernel[0] * kernel[1] if isinstance(kernel, list) and len(kernel) == 2 else 4
    merged = sizes.hidden * factor
    _norm(sheet, "pre_norm", sizes.hidden)
    _linear(sheet, "in_proj", merged, merged)
    _linear(sheet, "out_proj", sizes.text_hidden, merged)


def glm4v(sizes: Sizes, sheet: Sheet) -> None:
    """GLM-4V: a strided convolution, then a gated MLP."""
    out = sizes.fields.size("out_hidden_size", sizes.text_hidden)
    width = sizes.fields.size("width")
    _linear(sheet, "downsample", out, sizes.hidden * sizes.merge() ** 2)
    _linear(sheet, "proj", out, out, bias=False)
    _norm(sheet, "post_projection_norm", out)
    for name in ("gate_proj", "up_proj"):
        _linear(sheet, name, width, out, bias=False)
    _linear(sheet, "down_proj", out, width, bias=False)


def minimax(sizes: Sizes, sheet: Sheet) -> None:
    """MiniMax M3: two linear layers per patch, two more per merged token."""
    width = sizes.fields.size("projector_hidden_size", sizes.text_hidden)
    _linear(sheet, "linear_1", width, sizes.hidden)
    _linear(sheet, "linear_2", sizes.text_hidden, width)
    _linear(sheet, "merge_linear_1", width, sizes.text_hidden * sizes.merge() ** 2)
    _linear(sheet, "merge_linear_2", sizes.text_hidden, width)


def idefics3(sizes: Sizes, sheet: Sheet) -> None:
    """Idefics 3 and SmolVLM: one matrix after the pixel shuffle."""
    factor = _shuffle_factor(sizes)
    _linear(sheet, "proj", sizes.text_hidden, sizes.hidden * factor * factor, bias=False)


def _shuffle_factor(sizes: Sizes) -> int:
    value = sizes.config.get("scale_factor", 2)
    return value if isinstance(value, int) and 0 < value < 64 else 2


_BY_MODEL: Mapping[str, Callable[[Sizes, Sheet], None]] = {
    "gemma3": gemma3,
    "gemma4": gemma4,
    "paligemma": one_linear,
    **dict.fromkeys(("mistral3", "mistral_large4"), mistral3),
    "mllama": llama_vision,
    **dict.fromkeys(("llava", "vipllava"), two_linears),
    "llava_next": two_linears_newline,
    "llava_next_video": two_linears_newline,
    "llava_onevision": two_linears_newline,
    "idefics3": idefics3,
    "smolvlm": idefics3,
    "internvl": internvl,
    "internvl_chat": internvl,
}
_BY_TOWER: Mapping[str, Callable[[Sizes, Sheet], None]] = {
    "qwen2_vl": qwen2,
    "qwen2_5_vl": qwen2_5,
    "qwen2_5_omni_vision_encoder": qwen2_5,
    "qwen3_vl": qwen3,
    "qwen3_vl_moe": qwen3,
    "qwen3_5": qwen3,
    "qwen3_5_moe": qwen3,
    "qwen3_omni_moe_vision_encoder": qwen3,
    "llama4_vision_model": llama4,
    "intern_vit_6b": internvl,
    "internvl_vision": internvl,
    "moonvit": kimi,
    "glm4v": glm4v,
    "glm4v_moe": glm4v,
    "minimax_m3_vl": minimax,
    "gemma4": gemma4,
}


def projector_of(config: Mapping[str, object], tower: str) -> Callable[[Sizes, Sheet], None] | None:
    """Return what builds the projector of the model of ``config``, ``None`` if it is not known."""
    outer = config.get("model_type")
    if isinstance(outer, str) and outer in _BY_MODEL:
        return _BY_MODEL[outer]
    return _BY_TOWER.get(tower)
