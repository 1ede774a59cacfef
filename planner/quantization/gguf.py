"""GGUF file mixes: which tensor type llama.cpp's quantizer gives each tensor, and what a type costs.

Types: ``GGML_QUANT_SIZES`` of PyPI gguf 0.19.0. Rules: ``llama_tensor_get_type`` in ggml-org/llama.cpp
src/llama-quant.cpp, with an importance matrix for IQ3_XXS and without one else (so the sizes in
tools/quantize/README.md were made).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from inferplan.datasets.errors import UnknownNameError
from inferplan.planner.architecture import Architecture, SoftmaxAttention, Tensor

BLOCKS: Final[Mapping[str, tuple[int, int]]] = {
    "f32": (1, 4), "f16": (1, 2), "bf16": (1, 2), "q4_0": (32, 18), "q4_1": (32, 20), "q5_0": (32, 22),
    "q5_1": (32, 24), "q8_0": (32, 34), "q2_k": (256, 84), "q3_k": (256, 110), "q4_k": (256, 144),
    "q5_k": (256, 176), "q6_k": (256, 210), "iq1_s": (256, 50), "iq1_m": (256, 56), "iq2_xxs": (256, 66),
    "iq2_xs": (256, 74), "iq2_s": (256, 82), "iq3_xxs": (256, 98), "iq3_s": (256, 110), "iq4_nl": (32, 18),
    "iq4_xs": (256, 136), "mxfp4": (32, 17), "nvfp4": (64, 36),
}  # fmt: skip
"""(weights, bytes) of one block of each tensor type: gguf 0.19.0 GGML_QUANT_SIZES."""

_BASE: Final[Mapping[str, str]] = {
    **{name: name for name in ("f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q6_k",
    "mxfp4")},
    "q2_k": "q2_k", "q2_k_s": "q2_k", "q3_k_s": "q3_k", "q3_k_m": "q3_k", "q3_k_l": "q3_k", "q4_k_s": "q4_k",
    "q4_k_m": "q4_k", "q5_k_s": "q5_k", "q5_k_m": "q5_k", "iq1_s": "iq1_s", "iq1_m": "iq1_m",
    "iq2_xxs": "iq2_xxs",
    "iq2_xs": "iq2_xs", "iq2_s": "iq2_xs", "iq2_m": "iq2_s", "iq3_xxs": "iq3_xxs", "iq3_xs": "iq3_s",
    "iq3_s": "iq3_s", "iq3_m": "iq3_s", "iq4_nl": "iq4_nl", "iq4_xs": "iq4_xs",
}  # fmt: skip
_SYNONYMS = {"q3_k": "q3_k_m", "q4_k": "q4_k_m", "q5_k": "q5_k_m"}
_FALLBACK = {"q4_k": "q5_0", "q5_k": "q5_1", "q6_k": "q8_0"}
_TINY = frozenset({"iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m"})


def mix_named(name: str) -> str:
    """Return the file mix that ``name`` ("gguf-q4_k_m", "Q4_K_M") stands for; raises ``UnknownNameError``."""
    lower = name.strip().lower().removeprefix("gguf").lstrip("-_").replace("-", "_")
    lower = _SYNONYMS.get(lower, lower)
    if lower not in _BASE:
        raise UnknownNameError("GGUF file mix", name, [f"gguf-{known}" for known in _BASE])
    return lower


def is_gguf(name: str) -> bool:
    """Return whether ``name`` asks for a GGUF file."""
    lower = name.strip().lower().replace("-", "_")
    return lower.startswith("gguf") or (
        _SYNONYMS.get(lower, lower) in _BASE and lower[:1] in "qi" and "_" in lower
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """What the rules look at: where a tensor stands in which model."""

    mix: str
    base: str
    layer: int
    layers: int
    grouped: bool
    """Four or more queries share a key, or there are four or more experts."""
    experts: int

    @property
    def more_bits(self) -> bool:
        """Whether the layer is in the first or last eighth or every third between."""
        eighth = self.layers // 8
        return self.layer < eighth or self.layer >= 7 * self.layers // 8 or (self.layer - eighth) % 3 == 2


def _head(p: _Place) -> str:
    if p.mix in _TINY or p.mix == "iq3_xxs":
        return "q5_k"
    return p.base if p.base in ("q8_0", "f16", "bf16", "f32") else "q6_k"


def _embedding(p: _Place) -> str:
    if p.mix in ("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs"):
        return "q2_k"
    return "iq3_s" if p.mix in ("iq2_s", "iq2_m", "iq3_xxs") else p.base


def _value(p: _Place) -> str:
    if p.mix in _TINY:
        return "q4_k" if p.grouped else "iq3_s" if p.mix in ("iq2_s", "iq2_m") else "q2_k"
    chosen = {
        "q2_k": "q4_k" if p.grouped else "q3_k",
        "q2_k_s": "q4_k" if p.grouped else p.base,
        "iq3_xxs": "q4_k" if p.grouped else "iq3_s",
        "iq3_xs": "q4_k" if p.grouped else p.base,
        "iq3_s": "q4_k" if p.grouped else p.base,
        "iq3_m": "q4_k",
        "q3_k_m": "q5_k" if p.layer < 2 else "q4_k",
        "q3_k_l": "q5_k",
        "iq4_nl": "q5_k" if p.grouped else p.base,
        "iq4_xs": "q5_k" if p.grouped else p.base,
        "q4_k_m": "q6_k" if p.more_bits else p.base,
        "q5_k_m": "q6_k" if p.more_bits else p.base,
        "q4_k_s": "q5_k" if p.layer < 4 else p.base,
    }.get(p.mix, p.base)
    if p.layers == 80 and chosen in ("q3_k", "q4_k"):  # the quantizer's test for a 70B model
        chosen = "q5_k"
    return "q8_0" if p.experts == 8 and p.base not in ("f16", "bf16", "f32") else chosen


def _key_query(p: _Place) -> str:
    return {"iq3_xs": "iq3_xxs", "iq3_xxs": "iq2_s"}.get(p.mix, p.base)


def _key(p: _Place) -> str:
    if p.experts == 8 and p.base not in ("f16", "bf16", "f32"):
        return "q4_k" if p.mix in _TINY else "q8_0"
    return _key_query(p)


def _down(p: _Place) -> str:
    first = p.layer < p.layers // 8
    if p.mix in _TINY:
        return ("iq3_s" if p.mix in ("iq2_s", "iq2_m") else "q2_k") if first else p.base
    return {
        "q2_k": "q3_k",
        "q2_k_s": "q4_k" if first else p.base,
        "q3_k_m": "q5_k" if p.layer < p.layers // 16 else "q4_k",
        "iq3_m": "q4_k" if first or (p.experts == 8 and p.more_bits) else p.base,
        "q3_k_l": "q5_k",
        "q4_k_m": "q6_k" if p.more_bits else p.base,
        "q5_k_m": "q6_k" if p.more_bits else p.base,
        "q4_k_s": "q5_k" if first else p.base,
        "iq4_nl": "q5_k" if first else p.base,
        "iq4_xs": "q5_k" if first else p.base,
    }.get(p.mix, p.base)


def _output(p: _Place) -> str:
    if p.mix in _TINY:
        small = {"iq1_s": "iq2_xxs", "iq1_m": "iq2_xxs", "iq2_s": "iq3_s", "iq2_m": "iq3_s"}.get(
            p.mix, p.base
        )
        return "q5_k" if p.experts == 8 else small
    if p.experts == 8 and p.mix[:2] in ("q2", "q3", "q4", "iq") and p.mix not in ("q4_0", "q4_1"):
        return "q5_k"
    return {"q2_k": "q3_k", "iq3_xxs": "iq3_s", "q3_k_m": "q4_k", "q3_k_l": "q5_k", "iq3_m": "q4_k"}.get(
        p.mix, p.base
    )


def _gate_up(p: _Place) -> str:
    middle = p.layers // 8 <= p.layer < 7 * p.layers // 8
    return "iq3_xxs" if p.mix == "iq3_xs" and middle else p.base


_RULES: Final[Mapping[str, Callable[[_Place], str]]] = {
    "v_proj": _value,
    "kv_b_proj": _value,
    "k_proj": _key,
    "q_proj": _key_query,
    "o_proj": _output,
    "down_proj": _down,
    "gate_proj": _gate_up,
    "up_proj": _gate_up,
}


def tensor_type(architecture: Architecture, tensor: Tensor, mix: str) -> str:
    """Return the type of ``tensor`` in a file of ``mix``; vectors, routers and convolutions stay in f32.

    Examples
    --------
    >>> mix_named("gguf-Q4_K_M")
    'q4_k_m'
    """
    base = _BASE[mix]
    module = tensor.name.removesuffix(".weight").rsplit(".", 1)[-1]
    if tensor.in_features == 1 or tensor.role in ("router", "norm") or module in ("conv1d", "A_log", "conv"):
        return "f32"
    if tensor.part in ("vision", "audio"):
        return "f16"
    place = _Place(
        mix, base, tensor.layer or 0, len(architecture.layers), _grouped(architecture), architecture.experts
    )
    if base in ("f16", "bf16", "f32"):
        return base
    if tensor.role == "lm_head" or (tensor.role == "embedding" and architecture.tied_embeddings):
        chosen = _head(place)
    elif tensor.role == "embedding":
        chosen = _embedding(place)
    else:
        rule = _RULES.get(module)
        chosen = rule(place) if rule else place.base
    if tensor.in_features % BLOCKS[chosen][0] and BLOCKS[chosen][0] == 256:
        chosen = _FALLBACK.get(chosen, "iq4_nl")
    return chosen if tensor.in_features % BLOCKS[chosen][0] == 0 else "f16"


@lru_cache(maxsize=1024)
def _grouped(architecture: Architecture) -> bool:
    ratios = [
        mixer.query_heads // mixer.kv_heads
        for layer in architecture.layers
        for mixer in layer.mixers
        if isinstance(mixer, SoftmaxAttention)
    ]
    return architecture.experts >= 4 or max(ratios, default=1) >= 4


def stored_bytes(kind: str, out_features: int, in_features: int) -> int:
    """Return the bytes of one matrix of the tensor type ``kind``."""
    weights, size = BLOCKS[kind]
    return -(-out_features * in_features * size // weights)
