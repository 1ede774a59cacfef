"""A decoder: its layers one by one, and what stands before and after them."""

from inferplan.planner.architecture import attention, feed_forward, latent
from inferplan.planner.architecture.fields import Fields
from inferplan.planner.architecture.layers import (
    COMPRESSED,
    CROSS,
    DENSE,
    EXPERTS,
    LINEAR,
    PARALLEL,
)
from inferplan.planner.architecture.model import Layer, Mixer, Tensor
from inferplan.planner.architecture.per_layer import MATRIX, NONE, LayerPlan
from inferplan.planner.architecture.places import placed_plans
from inferplan.planner.architecture.recurrent import recurrent_state
from inferplan.planner.architecture.sheet import Sheet
from inferplan.planner.architecture.streams import head_streams, layer_streams, ngram_embedding


def read_decoder(fields: Fields) -> tuple[list[Layer], list[Tensor]]:
    """Return the layers and all tensors of the decoder that ``fields`` describe."""
    plans = placed_plans(fields)
    built: dict[LayerPlan, tuple[tuple[Mixer, ...], Sheet]] = {}
    layers: list[Layer] = []
    outside = Sheet()
    _before(fields, outside, len(plans))
    _after(fields, outside)
    tensors = list(outside.placed("", None))
    for index, plan in enumerate(plans):
        if plan not in built:
            sheet = Sheet()
            built[plan] = (decoder_layer(fields.for_layer(dict(plan.own)), sheet, plan), sheet)
        mixers, sheet = built[plan]
        layers.append(Layer(index, mixers))
        tensors.extend(sheet.placed(f"model.layers.{index}.", index))
    return layers, tensors


def decoder_layer(fields: Fields, sheet: Sheet, plan: LayerPlan) -> tuple[Mixer, ...]:
    """Add one layer's tensors and return its mixers."""
    if fields.flag("twin_sublayers"):
        return _twin_layer(fields, sheet, plan)
    mixers = _mixers(fields, sheet, plan)
    _feed_forward(fields, sheet, plan)
    _norms(fields, sheet, plan)
    _extras(fields, sheet)
    return mixers


def _twin_layer(fields: Fields, sheet: Sheet, plan: LayerPlan) -> tuple[Mixer, ...]:
    """Add a layer of two attentions and two dense MLPs beside one mixture of experts (LongCat-Flash)."""
    mixers: tuple[Mixer, ...] = ()
    dense = LayerPlan(plan.mixer, DENSE, plan.own)
    for number in range(2):
        sheet.prefix = f"sublayers.{number}."
        mixers += _mixers(fields, sheet, dense)
        _feed_forward(fields, sheet, dense)
        _norms(fields, sheet, dense)
    sheet.prefix = ""
    feed_forward.experts(fields, sheet)
    return mixers


def _mixers(fields: Fields, sheet: Sheet, plan: LayerPlan) -> tuple[Mixer, ...]:
    if plan.mixer == NONE:
        return ()
    if plan.mixer == MATRIX:
        hidden = fields.integer("hidden_size")
        sheet.matrix("self_attn.linear_attn", "attention", hidden, hidden, "replicated")
        return ()
    if plan.mixer == LINEAR:
        return (recurrent_state(fields, sheet),)
    if plan.mixer == PARALLEL:
        return (attention.softmax_attention(fields, sheet, "full"), recurrent_state(fields, sheet))
    if plan.mixer == COMPRESSED:
        ratio = fields.integer("compress_ratio", 0, minimum=0)
        return (latent.compressed_attention(fields, sheet, ratio),)
    if plan.mixer == CROSS:
        return (attention.cross_attention(fields, sheet),)
    if fields.has("kv_lora_rank"):
        return (latent.latent_attention(fields, sheet, plan.mixer),)
    found = attention.softmax_attention(fields, sheet, plan.mixer, stores_kv=fields.flag("stores_kv", True))
    if fields.has("index_heads") and fields.flag("indexed"):
        latent.block_sparse_indexer(fields, sheet)
    return (found,)


def _feed_forward(fields: Fields, sheet: Sheet, plan: LayerPlan) -> None:
    both = fields.flag("parallel_experts")
    if plan.feed_forward == MATRIX:
        hidden = fields.integer("hidden_size")
        sheet.matrix("mlp.linear_mlp", "mlp", hidden, hidden, "replicated")
    elif plan.feed_forward == EXPERTS and both:
        feed_forward.dense(fields, sheet)
        feed_forward.gemma4_experts(fields, sheet)
    elif plan.feed_forward == EXPERTS:
        feed_forward.experts(fields, sheet)
        if fields.flag("residual_experts"):
            feed_forward.residual_mlp(fields, sheet)
        sheet.vector(
            "mlp.post_mlp_layernorm.weight",
            fields.integer("hidden_size") * fields.integer("expert_norms", 0, minimum=0),
        )
    elif plan.feed_forward == DENSE:
        wide = fields.flag("use_double_wide_mlp") and not fields.flag("stores_kv", True)
        width = fields.optional("intermediate_size")
        inner = fields.for_layer({"intermediate_size": 2 * width}) if wide and width else fields
        feed_forward.dense(inner, sheet)


def _norms(fields: Fields, sheet: Sheet, plan: LayerPlan) -> None:
    hidden = fields.integer("hidden_size")
    kind = fields.text("norm", "rms")
    each = fields.integer("norms_per_sublayer", 2 if fields.flag("use_post_norm") else 1, minimum=0)
    around_mixer = each if plan.mixer != NONE else 0
    around_feed = each if plan.feed_forward != NONE else 0
    if _shares_norm(fields) and around_mixer and around_feed:
        around_feed = 0
    gate = fields.integer("gated_norm_rank", 0, minimum=0)
    for name in ("input_layernorm", "post_self_attn_layernorm")[:around_mixer]:
        _norm(sheet, name, hidden, kind, gate)
    gate = gate if plan.feed_forward == EXPERTS else 0
    for name in ("post_attention_layernorm", "post_mlp_layernorm")[:around_feed]:
        _norm(sheet, name, hidden, kind, gate)


def _norm(sheet: Sheet, name: str, hidden: int, kind: str, gate_rank: int) -> None:
    """Add a norm of hidden size and the low-rank gate behind it (A.X K2)."""
    sheet.norm(name, hidden, kind)
    sheet.matrix(f"{name}.mlp.fc1", "other", gate_rank, hidden, "replicated")
    sheet.matrix(f"{name}.mlp.fc2", "other", hidden, gate_rank, "replicated")


def _shares_norm(fields: Fields) -> bool:
    """Return whether attention and feed-forward read the same norm."""
    if fields.flag("falcon_block"):
        two = fields.flag("new_decoder_architecture") and fields.integer("num_ln_in_parallel_attn", 2) == 2
        return fields.flag("parallel_attn", True) and not two
    if fields.flag("stablelm_block"):
        return fields.flag("use_parallel_residual")
    return fields.flag("parallel_block")


def _extras(fields: Fields, sheet: Sheet) -> None:
    """Add what only some families have per layer."""
    hidden = fields.integer("hidden_size")
    if fields.flag("altup"):
        _altup_layer(fields, sheet, hidden)
    sheet.vector("layer_vectors", hidden * fields.integer("layer_vectors", 0, minimum=0), "other")
    if fields.flag("layer_scalar"):
        sheet.vector("layer_scalar", 1, "other")
    narrow = fields.optional("hidden_size_per_layer_input", minimum=0)
    if narrow:
        sheet.matrix("per_layer_input_gate", "other", narrow, hidden, "replicated")
        sheet.matrix("per_layer_projection", "other", hidden, narrow, "replicated")
        sheet.norm("post_per_layer_input_norm", hidden)
    layer_streams(fields, sheet)
    if fields.flag("ngrams"):
        ngram_embedding(fields, sheet)


def _altup_layer(fields: Fields, sheet: Sheet, hidden: int) -> None:
    """Add what predicts and corrects the parallel residual streams (Gemma 3n), and its low-rank branch."""
    inputs = fields.integer("altup_num_inputs", 4)
    rank = fields.integer("laurel_rank", 64)
    sheet.vector("altup.correct_output_scale", hidden, "other")
    sheet.matrix("altup.correction_coefs", "other", inputs, inputs, "replicated")
    sheet.matrix("altup.prediction_coefs", "other", inputs * inputs, inputs, "replicated")
    sheet.matrix("altup.modality_router", "other", inputs, hidden, "replicated")
    sheet.norm("altup.router_norm", hidden)
    sheet.matrix("laurel.linear_left", "other", rank, hidden, "replicated")
    sheet.matrix("laurel.linear_right", "other", hidden, rank, "replicated")
    sheet.norm("laurel.post_laurel_norm", hidden)


def _before(fields: Fields, sheet: Sheet, layers: int) -> None:
    hidden, vocab = fields.integer("hidden_size"), fields.integer("vocab_size")
    width = fields.integer("embedding_width", hidden)
    rows = vocab + fields.integer("extra_embedding_rows", 0, minimum=0)
    sheet.matrix("model.embed_tokens", "embedding", rows, width, "vocab")
    if fields.flag("altup"):
        streams = fields.integer("altup_num_inputs", 4) - 1
        for name in ("altup_projections", "altup_unembed_projections"):
            sheet.matrix(f"model.{name}", "other", hidden, hidden, "replicated", count=streams)
    if width != hidden:
        sheet.matrix("model.project_in", "other", hidden, width, "replicated")
        sheet.matrix("model.project_out", "other", width, hidden, "replicated")
    if fields.flag("learned_positions"):
        rows = fields.integer("positions") + fields.integer("position_offset", 0, minimum=0)
        sheet.matrix("model.embed_positions", "embedding", rows, hidden, "replicated")
    for _ in range(fields.integer("embedding_norms", 0, minimum=0)):
        sheet.norm("model.embed_layernorm", hidden, fields.text("norm", "rms"))
    narrow = fields.optional("hidden_size_per_layer_input", minimum=0)
    if narrow:
        rows = fields.integer("vocab_size_per_layer_input", vocab)
        sheet.matrix("model.embed_tokens_per_layer", "embedding", rows, layers * narrow, "vocab")
        sheet.matrix("model.per_layer_model_projection", "other", layers * narrow, hidden, "replicated")
        sheet.norm("model.per_layer_projection_norm", narrow)


def _after(fields: Fields, sheet: Sheet) -> None:
    hidden, vocab = fields.integer("hidden_size"), fields.integer("vocab_size")
    if fields.flag("do_layer_norm_before", True):
        sheet.norm("model.norm", hidden, fields.text("norm", "rms"))
    head_streams(fields, sheet, "model.")
    if not fields.flag("tied"):
        width = fields.integer("embedding_width", hidden)
        sheet.matrix("lm_head", "lm_head", vocab, width, "vocab", bias=fields.flag("lm_head_bias"))
    elif fields.flag("lm_head_bias"):
        sheet.vector("lm_head.bias", vocab, "lm_head", "vocab")
