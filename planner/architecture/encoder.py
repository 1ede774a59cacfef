"""Encoders without a cache (BERT and its kin) and encoder-decoders for speech (Whisper)."""

from inferplan.planner.architecture.fields import Fields
from inferplan.planner.architecture.model import CrossAttention, Layer, SoftmaxAttention, Tensor
from inferplan.planner.architecture.sheet import Sheet

MAX_LAYERS = 1024


def read_encoder(fields: Fields) -> tuple[list[Layer], list[Tensor]]:
    """Return layers and tensors of a BERT-like encoder, pooler included; it keeps no cache."""
    hidden, heads = fields.integer("hidden_size"), fields.integer("heads", maximum=65536)
    fields.require("intermediate_size", "layers")
    width = fields.integer("intermediate_size")
    outside = Sheet()
    outside.matrix("embeddings.word_embeddings", "embedding", fields.integer("vocab_size"), hidden, "vocab")
    outside.matrix(
        "embeddings.position_embeddings", "embedding", fields.integer("positions", 512), hidden, "replicated"
    )
    outside.matrix(
        "embeddings.token_type_embeddings",
        "embedding",
        fields.integer("type_vocab_size", 2, minimum=0),
        hidden,
        "replicated",
    )
    outside.norm("embeddings.LayerNorm", hidden, "layer")
    outside.matrix("pooler.dense", "other", hidden, hidden, "replicated", bias=True)
    tensors = list(outside.placed("", None))
    block = Sheet()
    _attention(block, "attention.self", hidden, heads)
    _two_matrices(block, hidden, width)
    block.norm("attention.output.LayerNorm", hidden, "layer")
    block.norm("output.LayerNorm", hidden, "layer")
    mixer = SoftmaxAttention(heads, heads, max(1, hidden // heads), max(1, hidden // heads), stores_kv=False)
    layers = []
    for index in range(fields.integer("layers", maximum=MAX_LAYERS)):
        layers.append(Layer(index, (mixer,)))
        tensors.extend(block.placed(f"encoder.layer.{index}.", index))
    return layers, tensors


def read_whisper(fields: Fields) -> tuple[list[Layer], list[Tensor]]:
    """Return layers and tensors of Whisper: an audio encoder, and a decoder that attends to it."""
    hidden = fields.integer("hidden_size")
    heads = fields.integer("heads", maximum=65536)
    source = fields.integer("max_source_positions", 1500)
    outside = Sheet()
    _audio_front(outside, fields, "model.encoder", hidden, source)
    outside.matrix("model.decoder.embed_tokens", "embedding", fields.integer("vocab_size"), hidden, "vocab")
    outside.matrix(
        "model.decoder.embed_positions",
        "embedding",
        fields.integer("max_target_positions", 448),
        hidden,
        "replicated",
    )
    for part in ("encoder", "decoder"):
        outside.norm(f"model.{part}.layer_norm", hidden, "layer")
    tensors = list(outside.placed("", None))
    encoder = Sheet()
    _speech_layer(encoder, hidden, fields.integer("encoder_heads", heads), fields.integer("encoder_ffn_dim"))
    for index in range(fields.integer("encoder_layers", maximum=MAX_LAYERS)):
        tensors.extend(encoder.placed(f"model.encoder.layers.{index}.", None))
    decoder = Sheet()
    _speech_layer(decoder, hidden, heads, fields.integer("intermediate_size"))
    _attention(decoder, "encoder_attn", hidden, heads, key_bias=False)
    decoder.norm("encoder_attn_layer_norm", hidden, "layer")
    dim = max(1, hidden // heads)
    mixers = (SoftmaxAttention(heads, heads, dim, dim), CrossAttention(heads, heads, dim, source))
    layers = []
    for index in range(fields.integer("layers", maximum=MAX_LAYERS)):
        layers.append(Layer(index, mixers))
        tensors.extend(decoder.placed(f"model.layers.{index}.", index))
    return layers, tensors


def audio_encoder(fields: Fields, sheet: Sheet, text_hidden: int, *, stored_positions: bool) -> None:
    """Add a Whisper-like audio tower and its projector (Qwen audio and omni models)."""
    hidden = fields.integer("d_model", fields.integer("hidden_size", 1280))
    heads = fields.integer("encoder_attention_heads", fields.integer("num_attention_heads", 20))
    width = fields.integer("encoder_ffn_dim", fields.integer("intermediate_size", 4 * hidden))
    out = fields.integer("output_dim", text_hidden)
    strided = fields.optional("downsample_hidden_size")
    if strided:
        _strided_front(sheet, fields, hidden, strided)
        sheet.matrix("audio_tower.proj1", "other", hidden, hidden, "replicated", bias=True)
    else:
        positions = fields.integer("max_source_positions", 1500) if stored_positions else 0
        _audio_front(sheet, fields, "audio_tower", hidden, positions)
    sheet.matrix("audio_tower.proj", "other", out, hidden, "replicated", bias=True)
    sheet.norm("audio_tower.layer_norm", hidden, "layer")
    layer = Sheet(sheet.part)
    _speech_layer(layer, hidden, heads, width, key_bias=strided is not None)
    count = fields.integer("encoder_layers", fields.integer("num_hidden_layers", 32), maximum=MAX_LAYERS)
    for index in range(count):
        sheet.tensors.extend(layer.placed(f"audio_tower.layers.{index}.", None))


def _strided_front(sheet: Sheet, fields: Fields, hidden: int, channels: int) -> None:
    """Add three 3 x 3 convolutions that halve time and mel bins each, and a matrix (Qwen3-Omni)."""
    bins = fields.integer("num_mel_bins", 128)
    before = 1
    for number in range(3):
        sheet.matrix(
            f"audio_tower.conv2d{number + 1}", "other", channels, 9 * before, "replicated", bias=True
        )
        before, bins = channels, (bins + 1) // 2
    sheet.matrix("audio_tower.conv_out", "other", hidden, channels * bins, "replicated")


def _audio_front(sheet: Sheet, fields: Fields, name: str, hidden: int, positions: int) -> None:
    """Add two convolutions of width 3 over mel bins, and the table of positions."""
    mels = fields.integer("num_mel_bins", 128)
    sheet.matrix(f"{name}.conv1", "other", hidden, 3 * mels, "replicated", bias=True)
    sheet.matrix(f"{name}.conv2", "other", hidden, 3 * hidden, "replicated", bias=True)
    sheet.matrix(f"{name}.embed_positions", "other", positions, hidden, "replicated")


def _attention(sheet: Sheet, name: str, hidden: int, heads: int, *, key_bias: bool = True) -> None:
    for matrix in ("q_proj", "k_proj", "v_proj"):
        bias = key_bias or matrix != "k_proj"
        sheet.matrix(f"{name}.{matrix}", "attention", hidden, hidden, "column", bias=bias, units=heads)
    sheet.matrix(f"{name}.out_proj", "attention", hidden, hidden, "row", bias=True, units=heads)


def _two_matrices(sheet: Sheet, hidden: int, width: int) -> None:
    sheet.matrix("fc1", "mlp", width, hidden, "column", bias=True, units=width)
    sheet.matrix("fc2", "mlp", hidden, width, "row", bias=True, units=width)


def _speech_layer(sheet: Sheet, hidden: int, heads: int, width: int, *, key_bias: bool = False) -> None:
    _attention(sheet, "self_attn", hidden, heads, key_bias=key_bias)
    _two_matrices(sheet, hidden, width)
    for name in ("self_attn_layer_norm", "final_layer_norm"):
        sheet.norm(name, hidden, "layer")
