"""Exact parameter counts: sums over an architecture's tensors."""

from dataclasses import dataclass
from functools import lru_cache

from inferplan.planner.architecture import Architecture, Tensor


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """Stored numbers by part of the model; a tied head is counted once."""

    language_model: int
    mtp: int
    """Extra blocks that predict several tokens at once (speculative decoding)."""
    vision: int
    audio: int
    active: int
    """Of the language model, what one token passes: embedding and head included, unchosen experts not."""

    @property
    def total(self) -> int:
        """All parts together."""
        return self.language_model + self.mtp + self.vision + self.audio


def active_elements(architecture: Architecture, tensor: Tensor) -> int:
    """Return the elements of ``tensor`` that one token uses: of a layer's own table, a row."""
    if tensor.role == "embedding" and tensor.layer is not None:
        return tensor.in_features
    if tensor.role != "expert":
        return tensor.elements
    return tensor.elements // tensor.count * min(tensor.count, architecture.experts_per_token)


@lru_cache(maxsize=1024)
def count(architecture: Architecture) -> ParameterCount:
    """Return the parameters of ``architecture``.

    Examples
    --------
    >>> from inferplan.planner.architecture import parse
    >>> count(parse({"model_type": "llama", "hidden_size": 8192, "num_hidden_layers": 80,
    ...     "vocab_size": 128256, "num_attention_heads": 64, "num_key_value_heads": 8,
    ...     "intermediate_size": 28672})).total
    70553706496
    """
    parts = dict.fromkeys(("language_model", "mtp", "vision", "audio"), 0)
    active = 0
    for tensor in architecture.tensors:
        parts[tensor.part] += tensor.elements
        if tensor.part == "language_model":
            active += active_elements(architecture, tensor)
    return ParameterCount(**parts, active=active)
