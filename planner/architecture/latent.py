"""Tensors and cache of latent attention (MLA), of its indexers and of compressed attention (DeepSeek V4)."""

from inferplan.planner.architecture.attention import add_sinks, window_of
from inferplan.planner.architecture.fields import Fields
from inferplan.planner.architecture.model import CompressedAttention, LatentAttention
from inferplan.planner.architecture.sheet import Sheet

INDEX_SCALE_BYTES = 4
"""fp32 scale beside each fp8 index key: vllm v0.33.0 deepseek_v2.py DeepseekV32IndexerCache (128 + 4)."""


def latent_attention(fields: Fields, sheet: Sheet, kind: str) -> LatentAttention:
    """Add the tensors of a multi-head latent attention of ``kind`` full or window and return it.

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
    if fields.flag("without_rope"):
        nope, rope = nope + rope, 0
    value = fields.integer("value_head_dim", even)
    bias = fields.flag("qkv_bias")
    _latent_queries(fields, sheet, heads, nope + rope, query_rank, value)
    stores_kv = fields.flag("stores_kv", True)
    if stores_kv:
        rows = rank + rope
        sheet.matrix("self_attn.kv_a_proj_with_mqa", "attention", rows, hidden, "replicated", bias=bias)
        sheet.norm("self_attn.kv_a_layernorm", rank)
    if fields.flag("rope_key_norm"):
        sheet.norm("self_attn.k_rope_only_layernorm", rope)
    sheet.matrix("self_attn.kv_b_proj", "attention", heads * (nope + value), rank, "column", units=heads)
    sheet.matrix("self_attn.o_proj", "attention", hidden, heads * value, "row", bias=bias, units=heads)
    if fields.text("gate") == "head":
        sheet.matrix("self_attn.g_proj", "attention", heads, hidden, "column", units=heads)
    elif fields.flag("output_gate"):
        sheet.matrix("self_attn.g_proj", "attention", heads * value, hidden, "column", units=heads)
    add_sinks(fields, sheet, kind, heads)
    scales = fields.integer("scales_per_head", 0, minimum=0)
    sheet.vector("self_attn.softmax_scaling", heads * scales, "other")
    index_bytes = 0
    if kind == "full" and fields.has("index_heads") and fields.flag("indexed", True):
        index_bytes = _indexer(fields, sheet, query_rank)
    return LatentAttention(
        heads, rank, rope, nope, value, query_rank, index_bytes, window_of(fields, kind), stores_kv
    )


def _latent_queries(
    fields: Fields, sheet: Sheet, heads: int, size: int, rank: int | None, gate_size: int
) -> None:
    """Add the queries: one matrix, two around a norm, or such a pair with the output's gate (A.X K2)."""
    hidden = fields.integer("hidden_size")
    if not rank:
        sheet.matrix("self_attn.q_proj", "attention", heads * size, hidden, "column", units=heads)
        return
    bias = fields.flag("qkv_bias")
    sheet.matrix("self_attn.q_a_proj", "attention", rank, hidden, "replicated", bias=bias)
    sheet.norm("self_attn.q_a_layernorm", rank)
    if fields.text("gate") == "fused":
        rows = heads * (size + gate_size)
        sheet.matrix("self_attn.q_gate_proj", "attention", rows, 2 * rank, "column", units=heads)
    else:
        sheet.matrix("self_attn.q_b_proj", "attention", heads * size, rank, "column", units=heads)


def _indexer(fields: Fields, sheet: Sheet, query_rank: int | None) -> int:
    """Add a sparse-attention indexer (DeepSeek V3.2) and return its key's bytes per token.

    Its queries come from those of the attention, or where these are one matrix from the layer's input.
    """
    hidden = fields.integer("hidden_size")
    heads = fields.integer("index_heads")
    dim = fields.integer("index_head_dim")
    width = query_rank or hidden
    sheet.matrix("self_attn.indexer.wq_b", "attention", heads * dim, width, "replicated")
    if not query_rank:
        sheet.norm("self_attn.indexer.q_input_norm", hidden, "layer")
    sheet.matrix("self_attn.indexer.wk", "attention", dim, hidden, "replicated")
    sheet.norm("self_attn.indexer.k_norm", dim, "layer")
    sheet.matrix("self_attn.indexer.weights_proj", "attention", heads, hidden, "replicated")
    scales = heads * fields.integer("scales_per_head", 0, minimum=0)
    sheet.vector("self_attn.indexer.softmax_scaling", scales, "other")
    pool = fields.optional("index_pool_tokens")
    if pool:
        sheet.matrix("self_attn.indexer.index_kpool_compress_ape", "attention", pool, dim, "replicated")
        sheet.matrix("self_attn.indexer.index_kpool_compress_gate", "attention", dim, hidden, "replicated")
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
        overlap = 2 if fields.has("index_heads") and fields.flag("sparse") else 1
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


def _compressor(sheet: Sheet, name: str, hidden: int, dim: int, ratio: int, overlap: int) -> None:
    sheet.matrix(f"{name}.position_bias", "attention", ratio, overlap * dim, "replicated")
    sheet.matrix(f"{name}.kv_proj", "attention", overlap * dim, hidden, "replicated")
    sheet.matrix(f"{name}.gate_proj", "attention", overlap * dim, hidden, "replicated")
    sheet.norm(f"{name}.kv_norm", dim)
