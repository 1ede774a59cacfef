"""What rides along with a deployment and decides memory: adapters, drafts, prefix caching, towers."""

from dataclasses import dataclass

from inferplan.planner.architecture import Architecture


@dataclass(frozen=True)
class Lora:
    """Adapters that are resident at once; each has ``rank`` on every matrix of the roles."""

    rank: int
    slots: int = 1
    roles: tuple[str, ...] = ("attention", "mlp")
    """Roles of the matrices that are adapted (``Tensor.role``)."""


@dataclass(frozen=True)
class MemoryOptions:
    """What decides memory beside sizes and limits; the defaults are the engines' own."""

    prefix_caching: bool | None = None
    """For models with recurrent states: keep states for reuse; ``None`` is the version's default."""
    block_tokens: int | None = None
    hybrid_manager: bool | None = None
    """False where a KV connector turns it off, so that every layer holds the full length."""
    decode_context_parallel: int = 1
    shared_prefix_tokens: int = 0
    """Tokens that all sequences begin with and that prefix caching keeps once."""
    nodes: int = 1
    """Machines that one replica spans."""
    vision: bool = True
    """False: the vision and audio towers are not loaded (``--language-model-only``)."""
    lora: Lora | None = None
    draft: Architecture | None = None
    draft_weights_dtype: str | None = None
    draft_tokens: int = 0
    """Tokens proposed per step by a draft model or by the model's own MTP layers."""
    mtp: bool = False
    """The model's own MTP layers draft: they are loaded and cache like any other layer."""


NO_OPTIONS = MemoryOptions()
