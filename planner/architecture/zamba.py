"""Zamba 2: Mamba-2 layers, some of them fed by one of a few transformer blocks that all of those share."""

from inferplan.planner.architecture.fields import ConfigError, Fields
from inferplan.planner.architecture.layers import MAX_LAYERS
from inferplan.planner.architecture.model import Layer, Mixer, SoftmaxAttention, Tensor
from inferplan.planner.architecture.recurrent import recurrent_state
from inferplan.planner.architecture.sheet import Sheet


def read_zamba(fields: Fields) -> tuple[list[Layer], list[Tensor]]:
    """Return layers and tensors; a shared block is stored once but keeps a cache for each layer it feeds.

    Source: huggingface/transformers v5.23.0 models/zamba2/modeling_zamba2.py.
    """
    hidden, vocab = fields.integer("hidden_size"), fields.integer("vocab_size")
    hybrid = _hybrid_layers(fields)
    outside = Sheet()
    outside.matrix("model.embed_tokens", "embedding", vocab, hidden, "vocab")
    outside.norm("model.norm", hidden)
    if not fields.flag("tied", True):
        outside.matrix("lm_head", "lm_head", vocab, hidden, "vocab")
    attention = _shared_blocks(fields, outside, sum(hybrid))
    tensors = list(outside.placed("", None))
    plain, fed = Sheet(), Sheet()
    for sheet in (plain, fed):
        state = recurrent_state(fields, sheet)
        sheet.norm("input_layernorm", hidden)
    fed.matrix("linear", "mlp", hidden, hidden, "replicated")
    layers = []
    for index, both in enumerate(hybrid):
        mixers: tuple[Mixer, ...] = (attention, state) if both else (state,)
        layers.append(Layer(index, mixers))
        tensors.extend((fed if both else plain).placed(f"model.layers.{index}.", index))
    return layers, tensors


def _hybrid_layers(fields: Fields) -> list[bool]:
    """Return for each layer whether a shared block feeds it."""
    count = fields.integer("layers", maximum=MAX_LAYERS)
    words = fields.sequence("layer_types")
    if words:
        if len(words) < count:
            where = fields.find("layer_types")[0]
            msg = f"{where} names {len(words)} layers but there are {count} of them; give one kind each."
            raise ConfigError(msg, [where])
        return [word == "hybrid" for word in words[:count]]
    places = fields.sequence("attention_layer_indices")
    if places is None:
        fields.require("layer_types")
    return [index in (places or ()) for index in range(count)]


def _shared_blocks(fields: Fields, sheet: Sheet, calls: int) -> SoftmaxAttention:
    """Add the shared blocks, which read state and embedding side by side, and an adapter for each call."""
    hidden, width = fields.integer("hidden_size"), fields.integer("intermediate_size")
    wide = 2 * hidden
    heads = fields.integer("heads")
    kv_heads = fields.integer("kv_heads", heads)
    dim = fields.integer("attention_head_dim", max(1, wide // heads))
    blocks = fields.integer("num_mem_blocks", 1, maximum=64)
    bias = fields.flag("add_bias_linear")
    for name, rows in (("q_proj", heads * dim), ("k_proj", kv_heads * dim), ("v_proj", kv_heads * dim)):
        sheet.matrix(f"shared.self_attn.{name}", "attention", rows, wide, "column", count=blocks, units=heads)
    sheet.matrix(
        "shared.self_attn.o_proj", "attention", hidden, heads * dim, "row", count=blocks, units=heads
    )
    for name in ("gate_proj", "up_proj"):
        sheet.matrix(
            f"shared.mlp.{name}", "mlp", width, hidden, "column", bias=bias, count=blocks, units=width
        )
    sheet.matrix("shared.mlp.down_proj", "mlp", hidden, width, "row", bias=bias, count=blocks, units=width)
    sheet.norm("shared.input_layernorm", wide, count=blocks)
    sheet.norm("shared.pre_ff_layernorm", hidden, count=blocks)
    rank = fields.integer("adapter_rank", 128)
    sheet.matrix("shared.mlp.adapter_down", "mlp", rank, hidden, "replicated", count=calls)
    sheet.matrix("shared.mlp.adapter_up", "mlp", 2 * width, rank, "column", count=calls, units=width)
    if fields.flag("use_shared_attention_adapter"):
        for name in ("q", "k", "v"):
            place = f"shared.self_attn.{name}_adapter"
            sheet.matrix(f"{place}_down", "attention", rank, wide, "replicated", count=calls)
            sheet.matrix(f"{place}_up", "attention", wide, rank, "column", count=calls, units=heads)
    return SoftmaxAttention(heads, kv_heads, dim, dim)
