"""Number types of cached keys and values, with their scales."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from inferplan.datasets.engines import profile
from inferplan.datasets.errors import UnknownNameError
from inferplan.planner.architecture import Architecture
from inferplan.planner.deployment import Deployment
from inferplan.planner.quantization import storage

ELEMENT_BITS: Final = {
    "fp32": 32, "float32": 32, "bf16": 16, "bfloat16": 16, "fp16": 16, "float16": 16, "half": 16,
    "fp8": 8, "fp8_e4m3": 8, "fp8_e5m2": 8, "int8": 8, "nvfp4": 4, "fp4_e2m1": 4, "int4": 4,
    "fp8_per_token_head": 8, "int8_per_token_head": 8, "int4_per_token_head": 4, "q8_0": 8, "q4_0": 4,
}  # fmt: skip
_SCALE_BITS_PER_TOKEN_HEAD = 32  # inline fp32 scale: vllm v0.33.0 v1/attention/backends/triton_attn.py
_BLOCK_SCALE_BITS = {
    "nvfp4": Fraction(8, 16),  # e4m3 scale per 16 values: vllm v0.33.0 utils/torch_utils.py
    "fp4_e2m1": Fraction(8, 16),  # SGLang stores one scale byte per 16 values
    "q8_0": Fraction(16, 32),  # 34 bytes per 32 values: gguf 0.19.0 GGML_QUANT_SIZES
    "q4_0": Fraction(16, 32),  # 18 bytes per 32 values: gguf 0.19.0 GGML_QUANT_SIZES
}


def served_dtype(architecture: Architecture) -> str:
    """Return the 16-bit type in which engines run the model: a float32 checkpoint is cast when it is loaded.

    Source: vllm v0.33.0 config/model.py ``_resolve_auto_dtype``.
    """
    return "float16" if architecture.dtype in ("float16", "half", "fp16") else "bfloat16"


def kv_dtype_of(architecture: Architecture, kv_dtype: str) -> str:
    """Return the element type that ``kv_dtype`` stands for; "auto" is the checkpoint's own.

    A ModelOpt checkpoint may state a type for its cache, which "auto" then is (vllm v0.33.0
    utils/torch_utils.py ``resolve_kv_cache_dtype_string``); any other is the type that the model runs in.

    Raises
    ------
    UnknownNameError
        When it is no type that an engine stores caches in.
    """
    asked = kv_dtype.lower()
    if asked == "auto":
        return _stated_type(architecture.quantization or {}) or served_dtype(architecture)
    if asked not in ELEMENT_BITS:
        raise UnknownNameError("KV cache type", kv_dtype, ["auto", *ELEMENT_BITS])
    return asked


def cache_dtype(deployment: Deployment) -> str:
    """Return the cache type of ``deployment`` where its engine decides what "auto" is, else as asked."""
    chosen, _ = profile(deployment.engine, deployment.engine_version, deployment.gpu.architecture)
    if deployment.kv_dtype.lower() != "auto" or not chosen.auto_cache_by_weights:
        return deployment.kv_dtype
    weights = storage(deployment.architecture, deployment.weights_dtype).name
    types = chosen.auto_cache_by_weights.items()
    return next((found for beginning, found in types if weights.startswith(beginning)), "auto")


def _stated_type(quantization: Mapping[str, object]) -> str | None:
    """Return the cache type of a ModelOpt ``quantization_config``, when it has one."""
    if not str(quantization.get("quant_method", "")).startswith("modelopt"):
        return None
    inner = quantization.get("quantization")
    holder = inner if isinstance(inner, Mapping) else quantization
    stated = holder.get("kv_cache_scheme") or holder.get("kv_cache_quant_algo")
    if isinstance(stated, Mapping):
        return "fp8" if stated.get("num_bits") == 8 and stated.get("type") == "float" else None
    known = {"fp8": "fp8", "nvfp4": "nvfp4"}
    return known.get(stated.lower()) if isinstance(stated, str) else None


def value_bytes(dtype: str, values: int, heads: int) -> Fraction:
    """Return the bytes of one token's ``values`` numbers in ``heads`` vectors, scales included."""
    bits = Fraction(ELEMENT_BITS[dtype] * values) + _BLOCK_SCALE_BITS.get(dtype, Fraction(0)) * values
    if dtype.endswith("per_token_head"):
        bits += _SCALE_BITS_PER_TOKEN_HEAD * heads
    return bits / 8
