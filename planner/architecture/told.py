"""What is to be said about how a config was read: a guess by its shape, and sizes that had no say."""

import re
from collections.abc import Mapping

from inferplan.planner.architecture.fields import Fields, shown
from inferplan.planner.architecture.names import NAMES

_KNOWN = {written.split(".")[0] for names in NAMES.values() for written in names}
_WEIGHTLESS = re.compile(
    # tokens and text
    r"token|label|(?<!layer)_ids?$|^seed$|beam|return_seq|pretraining_tp|num_logits_to_keep|version|summary|image_seq_length"
    # numerics and training
    r"|eps|init|drop|alpha|beta|theta|rope|rotary|scal|multiplier|factor|softcap|soft_cap|_cap$|coef|loss|limit"
    r"|temperature|noise|iters|time_step|_(?:min|max)$|chunk_size|_attn_scalar"
    # routing, selection and lengths, which choose among what is stored
    r"|n_group$|expert_group|group_size$|top_?k|index_block_size|^indexer_(?:kv_heads|compress_ratio)$|^make_ngram_vocab|split_ngram_parts|number_of_conv|local_blocks|budget|original_max_position"
    r"|max_window_layers|^qk_head_dim$|dim_model_base|attn_res_block_size|prefix_dense|^block_size$|^vocab_size_per_layer_input$|^attention_hidden_size$"
    # parts that are read elsewhere, or that name things
    r"|_config$|^architectures$|^model_type$|attention_types|^mtp_transformer_layers$|^encoder_"
)
"""Fields that neither add weights nor change a cache, by the words in their names."""
MOST_SHOWN = 6


def reading_notes(fields: Fields, *, by_shape: bool) -> list[str]:
    """Return what to say when a model_type is not known, and which stated sizes were not read.

    A size that nothing asked for may stand for matrices or caches that are not counted.
    """
    notes = []
    kind = fields.config.get("model_type")
    if by_shape and kind:
        notes.append(
            f"the model_type {shown(kind)} is not known here: it is read like Llama's block, by the sizes"
            " that its config states; norms, biases and anything unusual may be missing"
        )
    unread = unread_sizes(fields)
    if unread:
        listed = ", ".join(f"{name} ({shown(value)})" for name, value in list(unread.items())[:MOST_SHOWN])
        more = f" and {len(unread) - MOST_SHOWN} more" if len(unread) > MOST_SHOWN else ""
        notes.append(
            f"the config states sizes that are not understood: {listed}{more}; weights or caches that they"
            " stand for are not counted"
        )
    return notes


def unread_sizes(fields: Fields) -> Mapping[str, object]:
    """Return the numbers, lists and objects of the config that nothing asked for and that may be sizes."""
    return {
        name: value
        for name, value in fields.config.items()
        if name not in fields.asked
        and name not in _KNOWN
        and not name.startswith("_")
        and _is_size(value)
        and not _WEIGHTLESS.search(name)
    }


def _is_size(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return value > 1
    if isinstance(value, list | tuple):
        return any(_is_size(item) for item in value)
    return isinstance(value, Mapping) and any(_is_size(item) for item in value.values())
