"""Peak memory of one forward pass: what an engine's profiling run measures.

A profiling run pushes the largest batch through the model and samples from the largest number of sequences;
the peak is the greater of two mechanisms (all sizes per GPU, activations of 2 bytes an element)::

    sampler = rows x padded vocabulary x bytes per logit + batch tokens x hidden x 2
    prefill = batch tokens x (residual widths x hidden + widest block) x 2

``widest block`` is the largest of gate, up and product of an MLP (3 x intermediate / TP), the expanded copies
of a mixture's tokens (top-k x (max(2 m / TP, hidden) + m / TP) + hidden), and the projections of attention or
of a recurrent mixer. A vision tower encodes one batch of patches::

    vision = patches x (residual widths x width + intermediate) x 2
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from inferplan.planner.architecture import Architecture, Tensor
from inferplan.planner.memory.settings import Settings

ELEMENT_BYTES = 2  # bf16 or fp16 activations: every profile's LOGS
LARGEST_CONV_KERNEL = 8  # narrower matrices are vectors or convolution taps
LOGIT_ROW_MULTIPLE = 64  # vocab_parallel_embedding.py DEFAULT_VOCAB_PADDING_SIZE


@dataclass(frozen=True)
class Activation:
    """Bytes of each mechanism; the peak is their maximum."""

    sampler_bytes: int
    prefill_bytes: int
    vision_bytes: int

    @property
    def peak_bytes(self) -> int:
        """Return the mechanism that needs most."""
        return max(self.sampler_bytes, self.prefill_bytes, self.vision_bytes)

    @property
    def bound(self) -> str:
        """Return the name of the mechanism that decides."""
        named = {
            self.sampler_bytes: "sampling",
            self.prefill_bytes: "prefill",
            self.vision_bytes: "image encoding",
        }
        return named[self.peak_bytes]


def activation(
    architecture: Architecture, settings: Settings, *, vision: bool = True, samples: bool = True
) -> Activation:
    """Return the peak of the profiling run on one GPU, mechanism by mechanism.

    ``samples`` is false for a model that generates nothing, such as an encoder for embeddings.
    """
    profile = settings.profile
    sampled = samples and (profile.sampler_in_chunked_prefill or not settings.chunked_prefill)
    rows = min(profile.sampler_rows or settings.sequences, settings.sequences, settings.batch_tokens)
    if profile.sampler_rows and settings.profile.engine == "llama.cpp":
        rows = profile.sampler_rows
    vocabulary = -(-architecture.vocab_size // LOGIT_ROW_MULTIPLE) * LOGIT_ROW_MULTIPLE
    hidden_bytes = settings.batch_tokens * architecture.hidden_size * ELEMENT_BYTES
    sampler = round(rows * vocabulary * profile.sampler_bytes_per_logit) + hidden_bytes if sampled else 0
    residual_widths = profile.prefill_residual_widths
    if settings.tp > 1:
        residual_widths += profile.tensor_parallel_residual_widths
    per_token = residual_widths * architecture.hidden_size + widest_block(architecture, settings.tp)
    return Activation(
        sampler_bytes=sampler,
        prefill_bytes=round(settings.batch_tokens * per_token * ELEMENT_BYTES),
        vision_bytes=_vision_bytes(architecture, settings) if vision else 0,
    )


@lru_cache(maxsize=4096)
def widest_block(architecture: Architecture, tp: int) -> float:
    """Return the elements per token that the largest block of any layer holds beside the residual stream."""
    by_layer: dict[tuple[int | None, str], list[Tensor]] = defaultdict(list)
    for tensor in architecture.tensors:
        if tensor.part == "language_model" and tensor.layer is not None:
            by_layer[tensor.layer, tensor.role].append(tensor)
    widest = 0.0
    for (_, role), tensors in by_layer.items():
        out, middle = _projections(tensors, tp)
        if role == "expert":
            routed = architecture.experts_per_token
            hidden = architecture.hidden_size
            widest = max(widest, routed * (max(out, hidden) + middle) + hidden)
        elif role in ("mlp", "attention", "recurrent", "shared_expert"):
            widest = max(widest, out + middle)
    return widest


def _projections(tensors: Iterable[Tensor], tp: int) -> tuple[float, float]:
    """Return widths per GPU of what a block's input is projected to, and of what its output comes from."""
    out = 0.0
    middle = 0.0
    for tensor in tensors:
        if tensor.in_features <= LARGEST_CONV_KERNEL:
            continue
        if tensor.shard == "row":
            middle = max(middle, tensor.in_features / tp)
        else:
            out += tensor.out_features / (1 if tensor.shard == "replicated" else tp)
    return out, middle


def _vision_bytes(architecture: Architecture, settings: Settings) -> int:
    profile = settings.profile
    tower = [tensor for tensor in architecture.tensors if tensor.part == "vision" and tensor.in_features > 1]
    if not profile.vision_profiled or not tower:
        return 0
    blocks = [tensor for tensor in tower if tensor.role in ("attention", "mlp")] or tower
    width = min(min(tensor.in_features, tensor.out_features) for tensor in blocks)
    intermediate = max(max(tensor.in_features, tensor.out_features) for tensor in blocks)
    item_tokens = profile.vision_item_tokens.get(architecture.model_type.removesuffix("_text"), 0)
    tokens = max(settings.batch_tokens, item_tokens)
    patches = tokens * profile.vision_patches_per_token
    encoded = tokens * architecture.hidden_size * ELEMENT_BYTES
    per_patch = profile.vision_residual_widths * width + intermediate
    return round(patches * per_patch * ELEMENT_BYTES) + encoded
