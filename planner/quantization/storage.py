"""The bytes of any tensor of an architecture in any weights format."""

from dataclasses import dataclass, field
from functools import lru_cache

from inferplan.planner.architecture import Architecture, Tensor
from inferplan.planner.quantization import gguf
from inferplan.planner.quantization.checkpoint import Checkpoint, read_checkpoint
from inferplan.planner.quantization.formats import FORMATS, Format, canonical, format_named
from inferplan.planner.quantization.usual_builds import kept_tensors

_NOT_LINEAR = (
    "conv1d",
    "conv",
    "conv_1d",
    "A_log",
    "position_bias",
    "D",
    "dt_bias",
    "e_score_correction_bias",
)
_FULL_PRECISION = ("e_score_correction_bias", "A_log", "D", "dt_bias")
_UNQUANTIZED = {"bf16", "fp16", "fp32"}


@dataclass(frozen=True, slots=True)
class Storage:
    """How an architecture's weights are stored: ``name`` for people, and the rules for each tensor."""

    architecture: Architecture
    name: str
    default: Format | None = None
    checkpoint: Checkpoint | None = None
    mix: str | None = None
    _kinds: dict[str, Format | str] = field(default_factory=dict, compare=False, repr=False)
    """What was found for each tensor's name: patterns and mixes are slow to match twice."""

    def stored_bytes(self, tensor: Tensor, out_features: int, in_features: int, count: int) -> int:
        """Return the bytes of ``count`` arrays of a shard of ``tensor``."""
        found = self._kinds.get(tensor.name)
        if found is None:
            mixed = self.mix is not None
            found = (
                gguf.tensor_type(self.architecture, tensor, self.mix or "")
                if mixed
                else self.format_of(tensor)
            )
            self._kinds[tensor.name] = found
        if isinstance(found, str):
            return gguf.stored_bytes(found, out_features, in_features) * count
        return found.stored_bytes(out_features, in_features) * count

    def format_of(self, tensor: Tensor) -> Format:
        """Return the format of ``tensor``; vectors, convolutions and what is kept are 16 bit."""
        module = tensor.name.removesuffix(".weight").removesuffix(".bias")
        last = module.rsplit(".", 1)[-1]
        plain = FORMATS["fp32" if self.name == "fp32" else "bf16"]
        if (
            tensor.in_features == 1
            or last in _NOT_LINEAR
            or "rg_lru" in module
            or tensor.name.endswith(".bias")
        ):
            return FORMATS["fp32"] if last in _FULL_PRECISION else plain
        if self.checkpoint is not None:
            return self.checkpoint.format_of(tensor, module) or plain
        if (
            tensor.part in ("vision", "audio")
            or self.default is None
            or tensor.role not in self.default.roles
            or tensor.name in kept_tensors(self.architecture, self.default.name)
        ):
            return plain
        return self.default


@lru_cache(maxsize=1024)
def storage(architecture: Architecture, weights_dtype: str | None = None) -> Storage:
    """Return how the weights are stored: as the checkpoint says, or in ``weights_dtype``.

    A ``weights_dtype`` that the checkpoint already has (fp8 asked of an fp8 checkpoint) keeps its
    own list of what stays in 16 bit.

    Raises
    ------
    UnknownNameError
        When ``weights_dtype`` is no known format; the message offers the nearest.
    QuantizationError
        When the config's ``quantization_config`` is not understood.
    """
    quantization = architecture.quantization
    if weights_dtype is None or weights_dtype.lower() == "auto":
        if quantization is None:
            return Storage(architecture, "fp16" if architecture.dtype == "float16" else "bf16")
        checkpoint = read_checkpoint(quantization)
        return Storage(architecture, _name_of(checkpoint), checkpoint=checkpoint)
    if gguf.is_gguf(weights_dtype):
        mix = gguf.mix_named(weights_dtype)
        return Storage(architecture, f"gguf-{mix}", mix=mix)
    asked = format_named(weights_dtype)
    if quantization is not None and canonical(weights_dtype) not in _UNQUANTIZED:
        checkpoint = read_checkpoint(quantization)
        if any(_same_kind(rule.format, asked) for rule in checkpoint.rules):
            return Storage(architecture, _name_of(checkpoint), checkpoint=checkpoint)
    return Storage(architecture, asked.name, default=None if asked.name in _UNQUANTIZED else asked)


def _name_of(checkpoint: Checkpoint) -> str:
    return "+".join(dict.fromkeys(rule.format.name for rule in checkpoint.rules)) or "bf16"


def _same_kind(stored: Format, asked: Format) -> bool:
    names = (stored.name, asked.name)
    same_family = any(len({name.split("-")[end] for name in names}) == 1 for end in (0, -1))
    return stored.element_bits == asked.element_bits and same_family
