"""Tensors and cache of attention: softmax (MHA, MQA, GQA), latent (MLA) and compressed (DeepSeek V4)."""

from dataclasses import dataclass

from inferplan.planner.architecture.fields import ConfigError, Fields
from inferplan.planner.architecture.model import (
    CompressedAttention,
    CrossAttention,
    LatentAttention,
    SoftmaxAttention,
)
from inferplan.planner.architecture.sheet import Sheet

INDEX_SCALE_BYTES = 4
"""fp32 scale beside each fp8 index key: vllm v0.33.0 deepseek_v2.py DeepseekV32IndexerCache (128 + 4)."""


@dataclass(frozen=True, slots=True)
class Heads:
    """Head counts and sizes of one softmax attention."""

    query: int
    kv: int
    dim: int
    value_dim: int


def read_heads(fields: Fields, *, window: bool = False) -> Heads:
    """Return the heads of a layer; ``window`` takes the sliding layers' own sizes where they differ."""
    query = fields.integer("heads", maximum=65536)
    kv = _kv_heads(fields, query)
    dim = fields.optional("head_dim")
    if dim is None:
        dim = fields.integer("hidden_size") // query
        if dim < 1:
            msg = f"num_attention_heads is {query}, more than hidden_size; the head size would be 0."
            raise ConfigError(msg, ["num_attention_heads", "hidden_size"])
    value_dim = fields.integer("value_head_dim", dim)
    if window:
        query = fields.integer("window_heads", query)
        kv = fields.integer("window_kv_heads", kv)
        dim = fields.integer("window_head_dim", dim)
        value_dim = fields.integer("window_value_head_dim", value_dim)
    elif fields.family.defaults.get("global_head_dim") or fields.has("global_head_dim"):
        dim = fields.integer("global_head_dim", dim)
        value_dim = dim
        kv = fields.integer("global_kv_heads", kv)
    if kv > query or query % kv:
        msg = f"{query} attention heads cannot share {kv} key-value heads: the second must divide the first."
        raise ConfigError(msg, [fields.find("heads")[0], fields.find("kv_heads")[0]])
    return Heads(query, kv, dim, value_dim)


def _kv_heads(fields: Fields, query: int) -> int:
    one_for_all = fields.flag("multi_query") and not fields.flag("new_decoder_architecture")
    if one_for_all and not fields.has("multi_query_group_num"):
        return 1
    return fields.integer("kv_heads", query, maximum=65536)


def softmax_attention(fields: Fields, sheet: Sheet, kind: str, *, stores_kv: bool = True) -> SoftmaxAttention:
    """Add the tensors of a softmax attention of ``kind`` full, window or chunk, and return it."""
    heads = read_heads(fields, window=kind == "window")
    gate = fields.text("gate") if fields.flag("output_gate", fields.has("gate")) else ""
    _queries(fields, sheet, heads, doubled=gate == "query")
    _keys_and_values(fields, sheet, heads, kind)
    hidden, inner = fields.integer("hidden_size"), heads.query * heads.value_dim
    sheet.matrix(
        "self_attn.o_proj", "attention", hidden, inner, "row", bias=fields.flag("o_bias"), units=heads.query
    )
    sheet.vector("self_attn.lambdas", fields.integer("lambda_vectors", 0, minimum=0) * heads.dim, "attention")
    _gates(fields, sheet, gate, heads)
    if _has_sinks(fields, kind):
        sheet.vector("self_attn.sinks", heads.query, "attention", "column", units=heads.query)
    _query_key_norms(fields, sheet, heads, with_key=fields.flag("kv_weights", True))
    window = _window(fields, kind)
    return SoftmaxAttention(
        heads.query,
        heads.kv,
        heads.dim,
        heads.value_dim,
        window,
        chunked=kind == "chunk" and window is not None,
        stores_kv=stores_kv,
    )


def _queries(fields: Fields, sheet: Sheet, heads: Heads, *, doubled: bool) -> None:
    """Add the query projection: one matrix, or two around a norm (Step 3); ``doubled`` has a gate too."""
    hidden, size = fields.integer("hidden_size"), heads.query * heads.dim
    rank = fields.optional("share_q_dim") if fields.flag("step3_query") else None
    if rank:
        sheet.matrix("self_attn.q_proj", "attention", rank, hidden, "replicated")
        sheet.norm("self_attn.inter_norm", rank)
        sheet.matrix("self_attn.wq", "attention", size, rank, "column", units=heads.query)
        return
    rows = 2 * size if doubled else size
    bias = fields.flag("qkv_bias")
    sheet.matrix("self_attn.q_proj", "attention", rows, hidden, "column", bias=bias, units=heads.query)


def _keys_and_values(fields: Fields, sheet: Sheet, heads: Heads, kind: str) -> None:
    """Add key and value projections; some full layers use the keys as values (Gemma 4)."""
    if not fields.flag("kv_weights", True):
        return
    hidden, bias = fields.integer("hidden_size"), fields.flag("qkv_bias")
    shared = fields.flag("attention_k_eq_v") and kind == "full"
    sizes = {"k_proj": heads.dim} if shared else {"k_proj": heads.dim, "v_proj": heads.value_dim}
    for name, size in sizes.items():
        rows = heads.kv * size
        sheet.matrix(f"self_attn.{name}", "attention", rows, hidden, "kv_heads", bias=bias, units=heads.kv)


def _window(fields: Fields, kind: str) -> int | None:
    if kind == "full":
        return None
    window = fields.integer("chunk" if kind == "chunk" else "window", minimum=0)
    positions = fields.optional("positions")
    return window if window and (positions is None or window < positions) else None


def _gates(fields: Fields, sheet: Sheet, gate: str, heads: Heads) -> None:
    width = fields.integer("hidden_size")
    if gate == "projection":
        sheet.matrix(
            "self_attn.gate_proj",
            "attention",
            heads.query * heads.value_dim,
            width,
            "column",
            units=heads.query,
        )
        if fields.flag("gate_bias"):
            sheet.vector("self_attn.gate_bias", heads.query, "attention", "column", units=heads.query)
    elif gate == "head":
        sheet.matrix("self_attn.g_proj", "attention", heads.query, width, "column", units=heads.query)
    if fields.flag("sub_norms"):
        sheet.norm("self_attn.attn_sub_norm", fields.integer("hidden_size"))


def _has_sinks(fields: Fields, kind: str) -> bool:
    sinks = fields.text("sinks", "none")
    stated = fields.flag("sinks_in_full" if kind == "full" else "sinks_in_window", sinks in ("all", kind))
    return stated and sinks != "none"


def _query_key_norms(fields: Fields, sheet: Sheet, heads: Heads, *, with_key: bool) -> None:
    if not fields.flag("qk_norm"):
        return
    shape = fields.text("qk_norm_shape", "head")
    stated = fields.text("qk_norm_type")
    if stated:
        shape = {"per_head": "head", "per_layer": "projection"}.get(stated, shape)
    if shape == "none":
        return
    kind = "layer" if shape == "head_biased" else "rms"
    whole = shape == "projection"
    sheet.norm("self_attn.q_norm", heads.query * heads.dim if whole else heads.dim, kind)
    if with_key:
        sheet.norm("self_attn.k_norm", heads.kv * heads.dim if whole else heads.dim, kind)


def latent_attention(fields: Fields, sheet: Sheet, *, indexed: bool = True) -> LatentAttention:
    """Add the tensors of a multi-head latent attention and return it.

    ``h*qr + qr + qr*nh*(nope+rope) + h*(r+rope) + r + r*nh*(nope+v) + nh*v*h``
    (DeepSeek-V2 report, section 2.1).
    """
    hidden = fields.integer("hidden_size")
    heads = fields.integer("heads", maximum=65536)
    rank = fields.integer("kv_lora_rank")
    query_rank = fields.optional("q_lora_rank", minimum=0) or None
    even = hidden // heads if fields.flag("value_heads_share_hidden") else None
    fields.require("nope_head_dim", "rope_head_dim", *(() if even else ("value_head_dim",)))
    nope = fields.integer("nope_head_dim")
    rope = fields.integer("rope_head_dim", minimum=0)
    value = fields.integer("value_head_dim", even)
    bias = fields.flag("qkv_bias")
    if query_rank:
        sheet.matrix("self_attn.q_a_proj", "attention", query_rank, hidden, "replicated", bias=bias)
        sheet.norm("self_attn.q_a_layernorm", query_rank)
        sheet.matrix(
            "self_attn.q_b_proj", "attention", heads * (nope + rope), query_rank, "column", units=heads
        )
    else:
        sheet.matrix("self_attn.q_proj", "attention", heads * (nope + rope), hidden, "column", units=heads)
    sheet.matrix("self_attn.kv_a_proj_with_mqa", "attention", rank + rope, hidden, "replicated", bias=bias)
    sheet.norm("self_attn.kv_a_layernorm", rank)
    sheet.matrix("self_attn.kv_b_proj", "attention", heads * (nope + value), rank, "column", units=heads)
    sheet.matrix("self_attn.o_proj", "attention", hidden, heads * value, "row", bias=bias, units=heads)
    if fields.text("gate") == "head":
        sheet.matrix("self_attn.g_proj", "attention", heads, hidden, "column", units=heads)
    elif fields.flag("output_gate"):
        sheet.matrix("self_attn.g_proj", "attention", heads * value, hidden, "column", units=heads)
    index_bytes = 0
    if indexed and fields.has("index_heads") and query_rank:
        index_bytes = _indexer(fields, sheet, query_rank)
    return LatentAttention(heads, rank, rope, nope, value, query_rank, index_bytes)


def cross_attention(fields: Fields, sheet: Sheet) -> CrossAttention:
    """Add a layer's attention to the image (Llama 3.2 Vision): head norms, two gates, keys per image."""
    heads = read_heads(fields)
    hidden = fields.integer("hidden_size")
    sheet.matrix(
        "cross_attn.q_proj", "attention", heads.query * heads.dim, hidden, "column", units=heads.query
    )
    for name in ("k_proj", "v_proj"):
        sheet.matrix(
            f"cross_attn.{name}", "attention", heads.kv * heads.dim, hidden, "kv_heads", units=heads.kv
        )
    sheet.matrix("cross_attn.o_proj", "attention", hidden, heads.query * heads.dim, "row", units=heads.query)
    sheet.norm("cross_attn.q_norm", heads.dim)
    sheet.norm("cross_attn.k_norm", heads.dim)
    sheet.vector("cross_attn.gates", 2, "other")
    # 4 tiles of (560 / 14)^2 + 1 patches: transformers v5.23.0 configuration_mllama.py
    tokens = fields.integer("cross_source_tokens", 6404)
    return CrossAttention(heads.query, heads.kv, heads.dim, tokens)


def _indexer(fields: Fields, sheet: Sheet, query_rank: int) -> int:
    """Add a sparse-attention indexer (DeepSeek V3.2) and return its key's bytes per token."""
    hidden = fields.integer("hidden_size")
    heads = fields.integer("index_heads")
    dim = fields.integer("index_head_dim")
    sheet.matrix("self_attn.indexer.wq_b", "attention", heads * dim, query_rank, "replicated")
    sheet.matrix("self_attn.indexer.wk", "attention", dim, hidden, "replicated")
    sheet.norm("self_attn.indexer.k_norm", dim, "layer")
    sheet.matrix("self_attn.indexer.weights_proj", "attention", heads, hidden, "replicated")
    return dim + INDEX_SCALE_BYTES


def block_sparse_indexer(fields: Fields, sheet: Sheet) -> None:
    """Add the indexer of block-sparse softmax attention (MiniMax M3): queries per index head, one key."""
    hidden = fields.integer("hidden_size")
    heads = fields.integer("index_heads")
    dim = fields.integer("index_head_dim")
    sheet.matrix("self_attn.index_q_proj", "attention", heads * dim, hidden, "replicated")
    sheet.matrix("self_attn.index_k_proj", "attention", dim, hidden, "replicated")
    sheet.norm("self_attn.index_q_norm", dim)
    sheet.norm("self_attn.index_k_norm", dim)


def compressed_attention(fields: Fields, sheet: Sheet, ratio: int) -> CompressedAttention:
    """Add the tensors of DeepSeek V4's attention with one entry per ``ratio`` tokens, and return it."""
    hidden = fields.integer("hidden_size")
    heads = fields.integer("heads")
    dim = fields.integer("head_dim")
    query_rank = fields.integer("q_lora_rank")
    groups = fields.integer("o_groups", 1)
    out_rank = fields.integer("o_lora_rank")
    sheet.vector("self_attn.sinks", heads, "attention", "column", units=heads)
    sheet.matrix("self_attn.q_a_proj", "attention", query_rank, hidden, "replicated")
    sheet.norm("self_attn.q_a_norm", query_rank)
    sheet.matrix("self_attn.q_b_proj", "attention", heads * dim, query_rank, "column", units=heads)
    sheet.matrix("self_attn.kv_proj", "attention", dim, hidden, "replicated")
    sheet.norm("self_attn.kv_norm", dim)
    sheet.matrix(
        "self_attn.o_a_proj", "attention", groups * out_rank, heads * dim // groups, "column", units=groups
    )
    sheet.matrix("self_attn.o_b_proj", "attention", hidden, groups * out_rank, "row", units=groups)
    index_dim = 0
    if ratio:
        overlap = 2 if fields.has("index_heads") and ratio == _sparse_ratio(fields) else 1
        _compressor(sheet, "self_attn.compressor", hidden, dim, ratio, overlap)
        if overlap == 2:
            index_dim = fields.integer("index_head_dim")
            index_heads = fields.integer("index_heads")
            _compressor(sheet, "self_attn.compressor.indexer", hidden, index_dim, ratio, overlap)
            sheet.matrix(
                "self_attn.compressor.indexer.q_b_proj",
                "attention",
                index_heads * index_dim,
                query_rank,
                "replicated",
            )
            sheet.matrix(
                "self_attn.compressor.indexer.weights_proj", "attention", index_heads, hidden, "replicated"
            )
    return CompressedAttention(heads, dim, ratio, fields.integer("window"), index_dim)


def _sparse_ratio(fields: Fields) -> int:
    """Return the finer of the two ratios: the layers that have an indexer."""
    ratios = [ratio for ratio in fields.sequence("compress_ratios") or [] if ratio]
    return min(ratios, default=0)


def _compressor(sheet: Sheet, name: str, hidden: int, dim: int, ratio: int, overlap: int) -> None:
    sheet.matrix(f"{name}.position_bias", "attention", ratio, overlap * dim, "replicated")
    sheet.matrix(f"{name}.kv_proj", "attention", overlap * dim, hidden, "replicated")
    sheet.matrix(f"{name}.gate_proj", "attention", overlap * dim, hidden, "replicated")
    sheet.norm(f"{name}.kv_norm", dim)
