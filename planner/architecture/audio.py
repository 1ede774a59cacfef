"""Audio towers of multimodal models."""

from collections.abc import Mapping

from inferplan.planner.architecture.encoder import audio_encoder
from inferplan.planner.architecture.families import Family
from inferplan.planner.architecture.fields import ConfigError, Fields, shown
from inferplan.planner.architecture.model import Tensor
from inferplan.planner.architecture.sheet import Sheet

_WHISPER_LIKE = (
    "whisper",
    "qwen2_audio_encoder",
    "qwen2_5_omni_audio_encoder",
    "qwen3_omni_moe_audio_encoder",
)
MAX_LAYERS = 512


def audio_tensors(config: Mapping[str, object], text_hidden: int) -> tuple[list[Tensor], str | None]:
    """Return the tensors of the audio tower and its projector, and a note when the tower is not known."""
    audio = config.get("audio_config")
    if not audio:
        return [], None
    if not isinstance(audio, Mapping):
        msg = f"audio_config is {shown(audio)}; it must be an object."
        raise ConfigError(msg, ["audio_config"])
    fields = Fields(audio, Family(), path="audio_config.")
    kind = fields.text("model_type")
    sheet = Sheet("audio")
    if kind.startswith("gemma4"):
        _gemma4(fields, sheet, text_hidden)
    elif kind in _WHISPER_LIKE or fields.has("encoder_layers"):
        audio_encoder(fields, sheet, text_hidden, stored_positions="omni" not in kind)
    else:
        return [], f"The audio tower {kind or 'of this model'} is not known; it is not counted."
    return list(sheet.placed("", None)), None


def _gemma4(fields: Fields, sheet: Sheet, text_hidden: int) -> None:
    """Gemma 4's conformer: convolutions, then blocks of two half MLPs, attention and a convolution."""
    hidden = fields.integer("hidden_size", 1024)
    channels = [
        int(c) for c in fields.sequence("subsampling_conv_channels") or (128, 32) if isinstance(c, int)
    ]
    before = 1
    for number, size in enumerate(channels):
        sheet.matrix(f"audio_tower.subsample.{number}.conv", "other", size, 9 * before, "replicated")
        sheet.norm(f"audio_tower.subsample.{number}.norm", size)
        before = size
    # mel bins (128) halved by each strided convolution: transformers v5.23.0 modeling_gemma4.py
    features = (128 >> len(channels)) * before
    sheet.matrix("audio_tower.input_proj", "other", hidden, features, "replicated")
    out = fields.integer("output_proj_dims", 1536)
    sheet.matrix("audio_tower.output_proj", "other", out, hidden, "replicated", bias=True)
    sheet.matrix("embed_audio.embedding_projection", "other", text_hidden, out, "replicated")
    layer = Sheet("audio")
    _gemma4_layer(fields, layer, hidden)
    for number in range(fields.integer("num_hidden_layers", 12, maximum=MAX_LAYERS)):
        sheet.tensors.extend(layer.placed(f"audio_tower.layers.{number}.", None))


def _gemma4_layer(fields: Fields, sheet: Sheet, hidden: int) -> None:
    heads = fields.integer("num_attention_heads", 8)
    for number in (1, 2):
        sheet.matrix(f"feed_forward{number}.up", "mlp", 4 * hidden, hidden, "column")
        sheet.matrix(f"feed_forward{number}.down", "mlp", hidden, 4 * hidden, "row")
        sheet.norm(f"feed_forward{number}.norms", 2 * hidden)
    for name in ("q_proj", "k_proj", "v_proj", "post"):
        sheet.matrix(f"self_attn.{name}", "attention", hidden, hidden, "column")
    sheet.matrix("self_attn.relative_k_proj", "attention", hidden, hidden, "column")
    sheet.vector("self_attn.per_dim_scale", max(1, hidden // heads), "attention")
    sheet.matrix("lconv1d.start", "other", 2 * hidden, hidden, "replicated")
    sheet.matrix("lconv1d.end", "other", hidden, hidden, "replicated")
    sheet.matrix("lconv1d.depthwise", "other", hidden, fields.integer("conv_kernel_size", 5), "replicated")
    sheet.norm("norms", 5 * hidden)
