"""Residual streams beside the first one (hyper-connections), and n-gram embeddings that feed them."""

from inferplan.planner.architecture.fields import Fields
from inferplan.planner.architecture.sheet import Sheet


def layer_streams(fields: Fields, sheet: Sheet) -> None:
    """Add what mixes the residual streams around a layer's two sublayers."""
    hidden = fields.integer("hidden_size")
    streams = fields.integer("hc_mult", 0, minimum=0)
    if streams:
        mixed = not fields.flag("hc_without_mixing")
        mixes = (2 + streams * mixed) * streams
        for name in ("attn_hc", "ffn_hc"):
            sheet.matrix(f"{name}.fn", "other", mixes, streams * hidden, "replicated")
            sheet.vector(f"{name}.base", mixes, "other")
            sheet.vector(f"{name}.scale", 2 + mixed, "other")
    for name in ("attn_hyper_connection", "mlp_hyper_connection"):
        count = _gated_streams(fields, sheet, name)
        sheet.matrix(f"{name}.block_inject_weight", "other", count, count * hidden, "replicated")


def head_streams(fields: Fields, sheet: Sheet, prefix: str = "") -> None:
    """Add what joins the residual streams before the head."""
    hidden = fields.integer("hidden_size")
    streams = fields.integer("hc_mult", 0, minimum=0)
    if streams and not fields.flag("hc_without_head"):
        sheet.matrix(f"{prefix}hc_head.hc_fn", "other", streams, streams * hidden, "replicated")
        sheet.vector(f"{prefix}hc_head.hc_base", streams, "other")
        sheet.vector(f"{prefix}hc_head.hc_scale", 1, "other")
    _gated_streams(fields, sheet, f"{prefix}hyper_connection_mixer")


def _gated_streams(fields: Fields, sheet: Sheet, name: str) -> int:
    """Add a norm of all streams and the low-rank gate behind it (Qwen4-Exp); return how many there are."""
    count = fields.integer("hc_count", 0, minimum=0)
    if count:
        width, rank = count * fields.integer("hidden_size"), fields.integer("hc_lowrank")
        sheet.norm(f"{name}.hc_norm", width)
        sheet.matrix(f"{name}.input_mix_weight_down", "other", rank, width, "replicated")
        sheet.matrix(f"{name}.input_mix_weight_up", "other", width, rank, "replicated")
    return count


def ngram_embedding(fields: Fields, sheet: Sheet) -> None:
    """Add a layer's table of hashed n-grams and what brings its rows into the streams (Qwen4-Exp).

    Each head has its own prime number of rows above the stated one; the primes are not looked for (0.001 %).
    """
    hidden = fields.integer("hidden_size")
    width = fields.integer("ple_embed_dim", hidden)
    size, each = fields.integer("ngram_size", 3), fields.integer("heads_per_ngram", 8)
    heads = (size - 1) * each
    rows = heads * fields.integer("ngram_vocab_size_base", 20_000_000)
    streams = fields.integer("hc_count", 1) * hidden
    sheet.matrix("ple.ngram_embedding", "embedding", rows, max(1, width // max(1, heads)), "vocab")
    sheet.matrix("ple.key_proj", "other", streams, width, "replicated")
    sheet.matrix("ple.value_proj", "other", hidden, width, "replicated")
    for name in ("norm_key", "norm_query", "norm_conv"):
        sheet.norm(f"ple.{name}", streams)
    sheet.matrix("ple.conv1d", "other", streams, fields.integer("ple_conv_kernel_size", 4), "replicated")
