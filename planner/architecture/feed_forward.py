"""Tensors of feed-forward blocks: one dense MLP, or a mixture of experts with what comes along."""

from inferplan.planner.architecture.fields import ConfigError, Fields, whole
from inferplan.planner.architecture.model import Role
from inferplan.planner.architecture.sheet import Sheet

_UNGATED = frozenset({"relu", "relu2", "relu_squared", "xielu", "gelu_new", "gelu_fast", "quick_gelu"})


def is_gated(fields: Fields) -> bool:
    """Return whether MLPs have a gate matrix: as the family says, else by the activation."""
    activation = fields.text("hidden_act", "silu")
    plain = activation in _UNGATED
    if fields.flag("guess_gate") and activation.startswith("gelu"):
        plain = fields.optional("intermediate_size") in (None, 4 * fields.integer("hidden_size"))
    return fields.flag("gated_mlp", not plain)


def dense_width(fields: Fields) -> int:
    """Return the intermediate size of a dense MLP."""
    hidden = fields.integer("hidden_size")
    width = fields.optional("dense_intermediate_size") or fields.optional("intermediate_size")
    if width is None:
        if not fields.has("expansion_ratio"):
            fields.require("intermediate_size")
        return int(fields.number("expansion_ratio", 4) * hidden)
    if fields.flag("half_intermediate"):
        return width // 2
    if fields.flag("lfm2_width") and fields.flag("block_auto_adjust_ff_dim", True):
        width = int(fields.number("block_ffn_dim_multiplier", 1.0) * (2 * width // 3))
        multiple = fields.integer("block_multiple_of", 256)
        return -(-width // multiple) * multiple
    return width


def mlp(
    fields: Fields, sheet: Sheet, name: str, role: Role, width: int, *, input_size: int | None = None
) -> None:
    """Add one MLP of ``width``, gated or not."""
    hidden = fields.integer("hidden_size")
    bias = fields.flag("mlp_bias")
    for matrix in ("gate_proj", "up_proj") if is_gated(fields) else ("up_proj",):
        sheet.matrix(f"{name}.{matrix}", role, width, input_size or hidden, "column", bias=bias, units=width)
    sheet.matrix(f"{name}.down_proj", role, hidden, width, "row", bias=bias, units=width)


def dense(fields: Fields, sheet: Sheet) -> None:
    """Add the dense feed-forward of a layer."""
    width = dense_width(fields)
    mlp(fields, sheet, "mlp", "mlp", width)
    sheet.vector("mlp.act_fn", fields.integer("activation_parameters", 0, minimum=0), "other")
    if fields.flag("sub_norms"):
        sheet.norm("mlp.ffn_sub_norm", width)


def experts(fields: Fields, sheet: Sheet) -> None:
    """Add a mixture of experts: router, routed experts, shared experts and their gates."""
    hidden = fields.integer("hidden_size")
    count = fields.integer("experts", maximum=100_000)
    chosen = fields.integer("experts_per_token", maximum=100_000)
    if chosen > count:
        written = fields.find("experts_per_token")[0]
        msg = f"{written} is {chosen}, more than the {count} experts there are."
        raise ConfigError(msg, [written])
    idle = fields.integer("zero_expert_num", 0, minimum=0)
    width = fields.optional("expert_intermediate_size") or fields.integer("intermediate_size")
    router_bias = fields.flag("router_bias")
    sheet.matrix("mlp.gate", "router", count + idle, hidden, "replicated", bias=router_bias)
    if fields.flag("correction_bias", fields.text("topk_method") == "noaux_tc"):
        sheet.vector("mlp.gate.e_score_correction_bias", count + idle, "router")
    latent = _latent_width(fields)
    if latent:
        sheet.matrix("mlp.fc1_latent_proj", "mlp", latent, hidden, "replicated")
        sheet.matrix("mlp.fc2_latent_proj", "mlp", hidden, latent, "replicated")
        norms = fields.integer("latent_expert_norms", int(fields.flag("latent_expert_norm")), minimum=0)
        for number in range(norms):
            sheet.norm(f"mlp.latent_norm.{number}", latent)
    outer = latent or hidden
    bias = fields.flag("expert_bias")
    for matrix in ("gate_proj", "up_proj") if is_gated(fields) else ("up_proj",):
        sheet.matrix(
            f"mlp.experts.{matrix}", "expert", width, outer, "column", bias=bias, count=count, units=width
        )
    sheet.matrix("mlp.experts.down_proj", "expert", outer, width, "row", bias=bias, count=count, units=width)
    shared_experts(fields, sheet, width)
    if fields.flag("paired_experts"):
        _vision_experts(fields, sheet)


def _latent_width(fields: Fields) -> int:
    """Return the width that tokens are projected to before the routed experts, 0 where they are not.

    ``moe_hidden_size`` is that width beside ``moe_intermediate_size``, alone it is an expert's own.
    """
    stated = fields.optional("latent_expert_size", minimum=0)
    if stated is None and fields.has("moe_intermediate_size"):
        stated = fields.optional("moe_hidden_size")
    return stated or 0


def _vision_experts(fields: Fields, sheet: Sheet) -> None:
    """Add the second set of experts that only image tokens reach (ERNIE 4.5 VL): part of the vision tower."""
    counts, widths = fields.config.get("moe_num_experts"), fields.config.get("moe_intermediate_size")
    if not (isinstance(widths, list) and len(widths) == 2):
        return
    hidden = fields.integer("hidden_size")
    second = counts[-1] if isinstance(counts, list) and counts else counts
    count, width = whole("moe_num_experts", second), whole("moe_intermediate_size", widths[1])
    own = Sheet("vision")
    own.matrix("mlp.vision_gate", "router", count, hidden, "replicated")
    own.vector("mlp.vision_gate.e_score_correction_bias", count, "router")
    for name in ("gate_proj", "up_proj"):
        own.matrix(f"mlp.vision_experts.{name}", "expert", width, hidden, "column", count=count, units=width)
    own.matrix("mlp.vision_experts.down_proj", "expert", hidden, width, "row", count=count, units=width)
    sheet.tensors.extend(own.tensors)


def shared_experts(fields: Fields, sheet: Sheet, expert_width: int) -> None:
    """Add the experts that every token passes, of a stated size or of so many times an expert's."""
    hidden = fields.integer("hidden_size")
    number = fields.integer("shared_experts", 0, minimum=0)
    stated = fields.optional("shared_intermediate_size", minimum=0)
    width = number * expert_width
    if stated is not None:
        width = stated * max(1, number) if fields.flag("shared_per_expert") else stated
    if fields.flag("llama4_experts"):
        width = expert_width
    if not width:
        return
    mlp(fields, sheet, "mlp.shared_experts", "shared_expert", width)
    if fields.flag("shared_expert_gate"):
        sheet.matrix("mlp.shared_expert_gate", "router", 1, hidden, "replicated")


def gemma4_experts(fields: Fields, sheet: Sheet) -> None:
    """Add the experts that run beside a dense MLP (Gemma 4 MoE): scaled router and three more norms."""
    hidden = fields.integer("hidden_size")
    experts(fields, sheet)
    sheet.vector("router.scale", hidden, "router")
    sheet.vector("router.per_expert_scale", fields.integer("experts"), "router")
    for name in (
        "post_feedforward_layernorm_1",
        "post_feedforward_layernorm_2",
        "pre_feedforward_layernorm_2",
    ):
        sheet.norm(name, hidden)


def residual_mlp(fields: Fields, sheet: Sheet) -> None:
    """Add the dense MLP beside the experts of a dense-MoE hybrid (Snowflake Arctic)."""
    hidden = fields.integer("hidden_size")
    mlp(fields, sheet, "residual_mlp", "mlp", hidden)
    sheet.norm("residual_layernorm", hidden)
