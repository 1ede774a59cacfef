"""The answer to "does it fit?" and where the memory goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MemoryBreakdown:
    """Bytes on the fullest GPU of the deployment; the parts sum to ``total_bytes`` exactly.

    ``kv_pool_bytes`` is negative when the deployment does not fit: that is how much is missing.
    """

    total_bytes: int
    weights_bytes: int
    activation_bytes: int
    non_torch_bytes: int
    cuda_graph_bytes: int
    unused_bytes: int
    """What the engine leaves alone: the share above ``gpu_memory_utilization``."""
    kv_pool_bytes: int
    engine_profile: str
    """The engine version whose constants were used, said aloud when it is not the one asked for."""
    notes: tuple[str, ...] = ()
    adapter_bytes: int = 0
    """LoRA slots."""
    draft_bytes: int = 0
    """Weights of a draft model; its cache is part of the pool."""
    state_pool_bytes: int = 0
    """Recurrent states where the engine gives them a pool of their own (SGLang, V0 of vLLM)."""

    def parts(self) -> Mapping[str, int]:
        """Return the parts by name in the order in which a GPU fills; they sum to ``total_bytes``."""
        return {
            "weights": self.weights_bytes,
            "draft model": self.draft_bytes,
            "LoRA adapters": self.adapter_bytes,
            "activations": self.activation_bytes,
            "CUDA graphs": self.cuda_graph_bytes,
            "outside of PyTorch": self.non_torch_bytes,
            "recurrent states": self.state_pool_bytes,
            "KV cache": self.kv_pool_bytes,
            "unused": self.unused_bytes,
        }


@dataclass(frozen=True)
class Fit:
    """The answer to "does it fit?", per GPU where the name says so."""

    fits: bool
    reason: str
    memory: MemoryBreakdown
    parameters: int
    active_parameters: int
    max_model_len: int
    kv_bytes_per_token_per_gpu: int
    kv_window_bytes_per_sequence_per_gpu: int
    state_bytes_per_sequence_per_gpu: int
    kv_pool_tokens: int
    """As that engine would print it."""
    max_concurrency: float
    """Sequences of ``max_model_len`` tokens that the pool holds."""
    largest_context_tokens: int | None = None
    """Longest single sequence that the pool holds, up to the model's own limit; ``None`` if none does."""
    formulas: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Each step in words and with its numbers filled in, for the reader who wants to check."""
