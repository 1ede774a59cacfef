"""Blocks for multi-token prediction: a decoder layer behind a projection of state and next embedding."""

from inferplan.planner.architecture.decoder import decoder_layer
from inferplan.planner.architecture.fields import Fields
from inferplan.planner.architecture.layers import DENSE, EXPERTS, FULL, WINDOW
from inferplan.planner.architecture.model import Tensor
from inferplan.planner.architecture.per_layer import NONE, LayerPlan
from inferplan.planner.architecture.places import placed_plans
from inferplan.planner.architecture.sheet import Sheet
from inferplan.planner.architecture.streams import head_streams

MAX_BLOCKS = 64


def mtp_tensors(fields: Fields) -> list[Tensor]:
    """Return the tensors of the blocks that the checkpoint ships, apart from copies of embedding and head.

    Source: the DeepSeek-V3 report, section 2.2; layouts checked against published totals.
    """
    count = fields.integer("mtp_layers", 0, minimum=0, maximum=MAX_BLOCKS)
    if not count:
        return []
    tensors: list[Tensor] = []
    hidden = fields.integer("hidden_size")
    for block in range(count):
        place = f"model.mtp.{block}."
        frame = Sheet("mtp")
        frame.matrix("eh_proj", "other", hidden, hidden * 2, "replicated")
        for name in ("enorm", "hnorm", "norm"):
            frame.norm(name, hidden)
        head_streams(fields, frame)
        for number, plan in enumerate(_block_plans(fields)):
            sheet = Sheet("mtp")
            decoder_layer(fields.for_layer(dict(plan.own)), sheet, plan)
            frame.tensors.extend(sheet.placed(f"layers.{number}.", None))
        tensors.extend(frame.placed(place, None))
    return tensors


def _block_plans(fields: Fields) -> list[LayerPlan]:
    """Return the layers of one block: as the config lists them, else like the model's last layer."""
    written = fields.find("mtp_block_types")[1]
    kinds = {
        "*": (FULL, NONE), "attention": (FULL, NONE), "full_attention": (FULL, NONE), "-": (NONE, DENSE),
        "mlp": (NONE, DENSE), "E": (NONE, EXPERTS), "moe": (NONE, EXPERTS),
    }  # fmt: skip
    if (
        isinstance(written, str | list)
        and written
        and all(isinstance(w, str) and w in kinds for w in written)
    ):
        return [LayerPlan(*kinds[word]) for word in written]
    last = placed_plans(fields)[-1]
    if fields.flag("mimo_mtp"):
        return [LayerPlan(WINDOW, DENSE)]
    own = dict(last.own)
    if "compress_ratio" in own:
        own["compress_ratio"] = 0
    if "indexed" in own:
        own["indexed"] = True
    return [LayerPlan(last.mixer, last.feed_forward, tuple(sorted(own.items())))]
