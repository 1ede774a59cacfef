"""What a model's code decides without asking its config, by ``model_type``: facts as data, in one place.

A family states canonical fields (``names.NAMES`` and the switches below). ``fixed`` holds whatever the config
says, ``defaults`` hold where the config is silent. Source of every entry: the model's class in
huggingface/transformers (v5.23.0 and earlier), or the repository's own code for classes outside of it.

Switches that configs do not spell out:

- ``norm``: "rms", "layer" (with bias), "layer_without_bias", "none" (no weights)
- ``norms_per_sublayer``: norms of hidden size around attention and around the feed-forward, 0 to 2
- ``parallel_block``: attention and feed-forward share one norm
- ``qk_norm_shape``: "head" (one per head size), "head_biased", "projection" (as wide as q and k), "none"
- ``gate``: "query" (q_proj twice as wide), "projection" (a matrix like q_proj), "head" (one number per head),
  "fused" (with the queries of latent attention, from twice their rank)
- ``rope_joins_nope``: latent attention without positions adds the rotary width to the rest of the head
- ``latent_expert_norms``: norms between the projections around routed experts
- ``window_kv_multiple``: sliding layers have so many times the key-value heads, unless stated
- ``layer_vectors``: further vectors of hidden size in each layer, such as gates of the residual stream
- ``scales_per_head``: learned numbers per head that scale its queries
- ``hc_without_mixing``, ``hc_without_head``: hyper-connections that do not mix their streams, or sum them
- ``gated_mlp``: gate and up projections, not up alone
- ``sinks``: "all", "window" or "none" of the layers have a learned sink per head
- ``recurrent``: kind of the layers called linear, mamba or recurrent
- ``learned_positions``: a table of positions, with ``position_offset`` extra rows
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Family:
    """Facts of one ``model_type``."""

    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
