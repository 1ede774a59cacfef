"""Tensors and state of the layers that keep a constant state per sequence instead of a cache."""

from collections.abc import Callable, Mapping

from inferplan.planner.architecture.fields import ConfigError, Fields
from inferplan.planner.architecture.model import RecurrentState
from inferplan.planner.architecture.sheet import Sheet


def recurrent_state(fields: Fields, sheet: Sheet) -> RecurrentState:
    """Add the tensors of the model's kind of recurrent layer and return its state."""
    kind = fields.text("recurrent") or _kind_by_fields(fields)
    return _KINDS[kind](fields, sheet)


def _kind_by_fields(fields: Fields) -> str:
    if fields.has("delta_value_heads"):
        return "delta"
    if fields.has("kda_heads"):
        return "kda"
    if fields.has("mamba_heads"):
        return "mamba2"
    if fields.has("mamba_state"):
        return "mamba1"
    if fields.has("short_conv"):
        return "short_conv"
    if fields.has("linear_or_full"):
        return "lightning"
    msg = (
        "This config has layers with a recurrent state but states no sizes for it that we know "
        "(mamba_d_state, mamba_n_heads, linear_num_value_heads, linear_attn_config, conv_L_cache)."
    )
    raise ConfigError(msg, ["mamba_d_state", "linear_num_value_heads", "linear_attn_config"])


def _inner(fields: Fields, heads: int | None) -> int:
    """Return the inner width of a Mamba layer."""
    dim = None if fields.find("mamba_head_dim")[1] == "auto" else fields.optional("mamba_head_dim")
    stated = fields.optional("mamba_inner")
    if stated:
        return stated
    if heads and dim:
        return heads * dim
    return int(fields.number("mamba_expand", 2) * fields.integer("hidden_size"))


def _mamba1(fields: Fields, sheet: Sheet) -> RecurrentState:
    """Mamba-1 (arXiv 2312.00752): selective state of ``N`` numbers per inner channel."""
    hidden = fields.integer("hidden_size")
    inner = _inner(fields, None)
    state = fields.integer("mamba_state", 16)
    kernel = fields.integer("mamba_conv", 4)
    rank = (
        -(-hidden // 16)
        if fields.find("mamba_dt_rank")[1] in (None, "auto")
        else fields.integer("mamba_dt_rank")
    )
    bias = fields.flag("mamba_proj_bias")
    sheet.matrix("mamba.in_proj", "recurrent", 2 * inner, hidden, "column", bias=bias, units=inner)
    sheet.matrix(
        "mamba.conv1d",
        "recurrent",
        inner,
        kernel,
        "column",
        bias=fields.flag("mamba_conv_bias", True),
        units=inner,
    )
    sheet.matrix("mamba.x_proj", "recurrent", rank + 2 * state, inner, "row", units=inner)
    sheet.matrix("mamba.dt_proj", "recurrent", inner, rank, "column", bias=True, units=inner)
    sheet.matrix("mamba.A_log", "recurrent", inner, state, "column", units=inner)
    sheet.vector("mamba.D", inner, "recurrent", "column", units=inner)
    sheet.matrix("mamba.out_proj", "recurrent", hidden, inner, "row", bias=bias, units=inner)
    if fields.flag("mamba_inner_norms"):
        sheet.norm("mamba.dt_layernorm", rank)
        sheet.norm("mamba.b_layernorm", state)
        sheet.norm("mamba.c_layernorm", state)
    return RecurrentState(
        "mamba1", (kernel - 1) * inner, inner * state, inner, fields.text("state_dtype") or None
    )


def _mamba2(fields: Fields, sheet: Sheet) -> RecurrentState:
    """Mamba-2 (arXiv 2405.21060): a matrix state of head size x ``N`` per head, B and C shared in groups."""
    hidden = fields.integer("hidden_size")
    stated = fields.has("mamba_heads")
    heads = fields.integer("mamba_heads" if stated else "heads")
    inner = _inner(fields, heads) if stated else heads * fields.integer("head_dim")
    groups = fields.integer("mamba_groups", 1)
    state = fields.integer("mamba_state")
    kernel = fields.integer("mamba_conv", 4)
    bias = fields.flag("mamba_proj_bias")
    mixed = inner + 2 * groups * state
    sheet.matrix(
        "mamba.in_proj", "recurrent", inner + mixed + heads, hidden, "column", bias=bias, units=heads
    )
    sheet.matrix(
        "mamba.conv1d",
        "recurrent",
        mixed,
        kernel,
        "column",
        bias=fields.flag("mamba_conv_bias", True),
        units=heads,
    )
    for name in ("dt_bias", "A_log", "D"):
        sheet.vector(f"mamba.{name}", heads, "recurrent", "column", units=heads)
    if fields.flag("mamba_norm", True):
        sheet.vector("mamba.norm.weight", inner, "recurrent", "column", units=heads)
    sheet.matrix("mamba.out_proj", "recurrent", hidden, inner, "row", bias=bias, units=heads)
    return RecurrentState(
        "mamba2", (kernel - 1) * mixed, inner * state, heads, fields.text("state_dtype") or None,
        groups, 2 * state * (kernel - 1),
    )  # fmt: skip


def _delta(fields: Fields, sheet: Sheet) -> RecurrentState:
    """Gated delta net (arXiv 2412.06464): a matrix state of key x value size per value head."""
    hidden = fields.integer("hidden_size")
    fields.require("delta_key_heads", "delta_value_heads", "delta_key_dim", "delta_value_dim")
    key_heads, value_heads = fields.integer("delta_key_heads"), fields.integer("delta_value_heads")
    keys = key_heads * fields.integer("delta_key_dim")
    values = value_heads * fields.integer("delta_value_dim")
    kernel = fields.integer("delta_conv", 4)
    mixed = 2 * keys + values
    if fields.flag("split_projections"):
        sheet.matrix("linear_attn.in_proj_qkv", "recurrent", mixed, hidden, "column", units=key_heads)
        sheet.matrix("linear_attn.in_proj_z", "recurrent", values, hidden, "column", units=key_heads)
        sheet.matrix("linear_attn.in_proj_b", "recurrent", value_heads, hidden, "column", units=key_heads)
        sheet.matrix("linear_attn.in_proj_a", "recurrent", value_heads, hidden, "column", units=key_heads)
    else:
        sheet.matrix(
            "linear_attn.in_proj_qkvz", "recurrent", mixed + values, hidden, "column", units=key_heads
        )
        sheet.matrix(
            "linear_attn.in_proj_ba", "recurrent", 2 * value_heads, hidden, "column", units=key_heads
        )
    sheet.matrix("linear_attn.conv1d", "recurrent", mixed, kernel, "column", units=key_heads)
    sheet.vector("linear_attn.dt_bias", value_heads, "recurrent", "column", units=value_heads)
    sheet.vector("linear_attn.A_log", value_heads, "recurrent", "column", units=value_heads)
    sheet.norm("linear_attn.norm", fields.integer("delta_value_dim"))
    sheet.matrix("linear_attn.out_proj", "recurrent", hidden, values, "row", units=key_heads)
    state = values * fields.integer("delta_key_dim")
    return RecurrentState("delta", (kernel - 1) * mixed, state, key_heads, fields.text("state_dtype") or None)


def _kda(fields: Fields, sheet: Sheet) -> RecurrentState:
    """Kimi delta attention (arXiv 2510.26692): the delta rule with a decay per channel; state in fp32."""
    hidden = fields.integer("hidden_size")
    heads, dim = fields.integer("kda_heads"), fields.integer("kda_head_dim")
    kernel = fields.integer("kda_conv", 4)
    width = heads * dim
    for name in ("q_proj", "k_proj", "v_proj"):
        sheet.matrix(f"linear_attn.{name}", "recurrent", width, hidden, "column", units=heads)
    sheet.matrix("linear_attn.conv1d", "recurrent", 3 * width, kernel, "column", units=heads)
    _low_rank(sheet, "linear_attn.f", width, dim, hidden, heads, full=fields.flag("kda_full_forget_gate"))
    sheet.vector("linear_attn.dt_bias", width, "recurrent", "column", units=heads)
    sheet.vector("linear_attn.A_log", heads, "recurrent", "column", units=heads)
    sheet.matrix("linear_attn.b_proj", "recurrent", heads, hidden, "column", units=heads)
    _low_rank(sheet, "linear_attn.g", width, dim, hidden, heads, full=fields.flag("kda_full_gate"))
    sheet.norm("linear_attn.o_norm", dim)
    sheet.matrix("linear_attn.o_proj", "recurrent", hidden, width, "row", units=heads)
    return RecurrentState("kda", (kernel - 1) * 3 * width, heads * dim * dim, heads, "float32")


def _low_rank(sheet: Sheet, name: str, width: int, rank: int, hidden: int, heads: int, *, full: bool) -> None:
    if full:
        sheet.matrix(f"{name}_proj", "recurrent", width, hidden, "column", units=heads)
    else:
        sheet.matrix(f"{name}_a_proj", "recurrent", rank, hidden, "replicated")
        sheet.matrix(f"{name}_b_proj", "recurrent", width, rank, "column", units=heads)


def _lightning(fields: Fields, sheet: Sheet) -> RecurrentState:
    """Lightning attention (arXiv 2501.08313): a square state per head, kept in fp32."""
    hidden, heads = fields.integer("hidden_size"), fields.integer("heads")
    dim = fields.integer("head_dim", max(1, hidden // heads))
    width = heads * dim
    sheet.matrix("self_attn.qkv_proj", "recurrent", 3 * width, hidden, "column", units=heads)
    sheet.matrix("self_attn.output_gate", "recurrent", width, hidden, "column", units=heads)
    sheet.vector("self_attn.norm.weight", width, "recurrent", "column", units=heads)
    sheet.matrix("self_attn.out_proj", "recurrent", hidden, width, "row", units=heads)
    return RecurrentState("lightning", 0, heads * dim * dim, heads, "float32")


def _bailing_lightning(fields: Fields, sheet: Sheet) -> RecurrentState:
    """Lightning attention with norms on queries and keys and a gate (Ling/Ring linear)."""
    found = _lightning(fields, sheet)
    dim = fields.integer("head_dim", max(1, fields.integer("hidden_size") // found.heads))
    if fields.flag("qk_norm"):
        sheet.norm("self_attn.query_layernorm", dim)
        sheet.norm("self_attn.key_layernorm", dim)
    return found


def _short_conv(fields: Fields, sheet: Sheet) -> RecurrentState:
    """A gated short convolution (LFM2): the state is the last tokens of its input."""
    hidden = fields.integer("hidden_size")
    kernel = fields.integer("short_conv", 3)
    bias = fields.flag("conv_bias")
    sheet.matrix("conv.conv", "recurrent", hidden, kernel, "column", bias=bias, units=hidden)
    sheet.matrix("conv.in_proj", "recurrent", 3 * hidden, hidden, "column", bias=bias, units=hidden)
    sheet.matrix("conv.out_proj", "recurrent", hidden, hidden, "row", bias=bias, units=hidden)
    return RecurrentState("short_conv", (kernel - 1) * hidden, 0, hidden)


def _rglru(fields: Fields, sheet: Sheet) -> RecurrentState:
    """Real-gated linear recurrent unit (Griffin, arXiv 2402.19427); state in fp32."""
    hidden = fields.integer("hidden_size")
    width = fields.integer("lru_width", hidden)
    heads = fields.integer("heads")
    kernel = fields.integer("conv1d_width", 4)
    for name in ("linear_y", "linear_x"):
        sheet.matrix(f"temporal_block.{name}", "recurrent", width, hidden, "column", bias=True, units=heads)
    sheet.matrix("temporal_block.linear_out", "recurrent", hidden, width, "row", bias=True, units=heads)
    sheet.matrix("temporal_block.conv_1d", "recurrent", width, kernel, "column", bias=True, units=heads)
    sheet.vector("temporal_block.rg_lru.recurrent_param", width, "recurrent", "column", units=heads)
    block = width // heads
    for name in ("input_gate", "recurrent_gate"):
        sheet.matrix(
            f"temporal_block.rg_lru.{name}", "recurrent", width, block, "column", bias=True, units=heads
        )
    return RecurrentState("rglru", (kernel - 1) * width, width, heads, "float32")


_KINDS: Mapping[str, Callable[[Fields, Sheet], RecurrentState]] = {
    "mamba1": _mamba1,
    "mamba2": _mamba2,
    "delta": _delta,
    "kda": _kda,
    "lightning": _lightning,
    "bailing_lightning": _bailing_lightning,
    "short_conv": _short_conv,
    "rglru": _rglru,
}
