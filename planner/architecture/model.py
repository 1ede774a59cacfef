"""What a model is made of: layers by kind, as data, read from a Hugging Face config."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class SoftmaxAttention:
    """MHA, MQA or GQA with a key and a value per KV head and token."""

    query_heads: int
    kv_heads: int
    head_dim: int
    value_head_dim: int
    window_tokens: int | None = None
    """Tokens that a query sees at most; ``None`` is full attention."""
    chunked: bool = False
    """The window is a chunk (Llama 4) and not a sliding one."""
    stores_kv: bool = True
    """False for a layer that reads an earlier layer's cache (Gemma 4 shared KV)."""


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """MLA: one latent vector and one rotary key per token, shared by all heads."""

    query_heads: int
    kv_lora_rank: int
    rope_head_dim: int
    nope_head_dim: int
    value_head_dim: int
    q_lora_rank: int | None = None
    index_key_bytes_per_token: int = 0
    """Bytes of a sparse-attention indexer's key (DeepSeek V3.2: 132), 0 without one."""
    window_tokens: int | None = None
    """Tokens that a query sees at most; ``None`` is all of them."""
    stores_kv: bool = True
    """False for a layer that reads an earlier layer's latents; its indexer's keys are its own."""


@dataclass(frozen=True, slots=True)
class RecurrentState:
    """Mamba, gated delta net, lightning or KDA: constant state per sequence."""

    kind: str
    conv_elements: int
    state_elements: int
    heads: int
    state_dtype: str | None = None
    """Type that the config or the model's class states for the state; ``None`` is the model's own."""
    groups: int = 0
    """Groups of B and C (Mamba-2) that an engine copies when they do not divide among the GPUs; 0: none."""
    conv_elements_per_group: int = 0
    """Part of ``conv_elements`` that belongs to one group."""


@dataclass(frozen=True, slots=True)
class CompressedAttention:
    """One entry per ``ratio`` tokens, shared by all heads, beside a window of single tokens (DeepSeek V4)."""

    query_heads: int
    entry_dim: int
    ratio: int
    """Tokens per compressed entry; 0 keeps the window alone."""
    window_tokens: int
    index_head_dim: int = 0
    """Elements of the indexer's key per compressed entry, 0 without an indexer."""


@dataclass(frozen=True, slots=True)
class CrossAttention:
    """Keys and values of the encoder's output: fixed per sequence (Whisper)."""

    query_heads: int
    kv_heads: int
    head_dim: int
    source_tokens: int


Mixer = SoftmaxAttention | LatentAttention | RecurrentState | CompressedAttention | CrossAttention


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer: zero, one or several (parallel hybrid) token mixers."""

    index: int
    mixers: tuple[Mixer, ...]


Part = Literal["language_model", "mtp", "vision", "audio", "buffer"]
Role = Literal[
    "embedding",
    "lm_head",
    "attention",
    "mlp",
    "expert",
    "shared_expert",
    "router",
    "recurrent",
    "norm",
    "other",
]
Shard = Literal["column", "row", "kv_heads", "vocab", "replicated"]


@dataclass(frozen=True, slots=True)
class Tensor:
    """``count`` stored arrays of one shape in one layer; everything about weights follows from these.

    Parameters, bytes by format, bytes per GPU and FLOPs per token are sums over an architecture's tensors.
    """

    name: str
    part: Part
    role: Role
    layer: int | None
    """Decoder layer that holds it, ``None`` outside of the layers."""
    out_features: int
    in_features: int
    """1 for a vector such as a norm or a bias."""
    shard: Shard
    count: int = 1
    """Identical arrays in that layer: the experts of a mixture."""
    shard_units: int = 0
    """Heads or groups that the sharded side consists of: it is cut between them only (0: anywhere)."""

    @property
    def elements(self) -> int:
        """Elements of all ``count`` arrays."""
        return self.out_features * self.in_features * self.count


@dataclass(frozen=True)
class Architecture:
    """A model as data. ``basis`` says how it was understood: a known family, or "by shape"."""

    name: str
    model_type: str
    basis: str
    hidden_size: int
    vocab_size: int
    max_position_tokens: int | None
    dtype: str
    tied_embeddings: bool
    layers: tuple[Layer, ...]
    tensors: tuple[Tensor, ...]
    experts: int = 0
    experts_per_token: int = 0
    quantization: Mapping[str, object] | None = None
    """The config's own ``quantization_config``: the format that the checkpoint is stored in."""
    notes: tuple[str, ...] = field(default=())

    def __hash__(self) -> int:
        """Hash of the outline: cheap, and enough to look up what was computed for this architecture."""
        return hash((self.name, self.model_type, self.hidden_size, len(self.layers), len(self.tensors)))
