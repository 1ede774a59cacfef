"""Tensors and cache of softmax attention (MHA, MQA, GQA) and of attention to an image."""

from dataclasses import dataclass

from inferplan.planner.architecture.fields import ConfigError, Fields
from inferplan.planner.architecture.model import CrossAttention, SoftmaxAttention
from inferplan.planner.architecture.sheet import Sheet


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
        kv = fields.integer("window_kv_heads", kv * fields.integer("window_kv_multiple", 1))
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
    add_sinks(fields, sheet, kind, heads.query)
    _query_key_norms(fields, sheet, heads, with_key=fields.flag("kv_weights", True))
    window = window_of(fields, kind)
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


def window_of(fields: Fields, kind: str) -> int | None:
    """Return the tokens that layers of ``kind`` see at most, ``None`` for all of the context."""
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


def add_sinks(fields: Fields, sheet: Sheet, kind: str, heads: int) -> None:
    """Add the learned sink per head that the layers of ``kind`` have in some families."""
    sinks = fields.text("sinks", "none")
    stated = fields.flag("sinks_in_full" if kind == "full" else "sinks_in_window", sinks in ("all", kind))
    if stated and sinks != "none":
        sheet.vector("self_attn.sinks", heads, "attention", "column", units=heads)


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
