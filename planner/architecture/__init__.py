"""What a model is made of: layers by kind, as data, read from a Hugging Face config."""

from inferplan.planner.architecture.fields import LARGEST_CONFIG_BYTES, ConfigError, read_config
from inferplan.planner.architecture.model import (
    Architecture,
    CompressedAttention,
    CrossAttention,
    LatentAttention,
    Layer,
    Mixer,
    Part,
    RecurrentState,
    Role,
    Shard,
    SoftmaxAttention,
    Tensor,
)
from inferplan.planner.architecture.reading import parse

__all__ = [
    "LARGEST_CONFIG_BYTES",
    "Architecture",
    "CompressedAttention",
    "ConfigError",
    "CrossAttention",
    "LatentAttention",
    "Layer",
    "Mixer",
    "Part",
    "RecurrentState",
    "Role",
    "Shard",
    "SoftmaxAttention",
    "Tensor",
    "parse",
    "read_config",
]
