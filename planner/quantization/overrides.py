"""What a ``quantization_config`` says of single modules: skipped, or stored with other bits."""

from collections.abc import Iterator, Mapping
from typing import Any

_SKIP, _TAKE = "-:", "+:"
"""How GPTQModel's ``dynamic`` begins an expression; without either it takes what it matches."""
UNQUANTIZED_BITS = 16


def skipped(config: Mapping[str, Any]) -> list[str]:
    """Return the modules that GPTQModel's ``dynamic`` and AutoRound's ``extra_config`` leave alone."""
    dynamic = [f"re:{key[2:]}" for key, _ in _entries(config, "dynamic") if key.startswith(_SKIP)]
    extra = [key for key, value in _entries(config, "extra_config") if value.get("bits") == UNQUANTIZED_BITS]
    return dynamic + extra


def overridden(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (module, config) of the modules that are stored in another way than the rest.

    GPTQ's ``lm_head`` is the head like the rest (vllm v0.33.0 quantization/gptq.py ``lm_head_quantized``).
    """
    for key, value in _entries(config, "dynamic"):
        if value and not key.startswith(_SKIP):
            yield f"re:{key.removeprefix(_TAKE)}", {**config, **value}
    for key, value in _entries(config, "extra_config"):
        if value.get("bits", UNQUANTIZED_BITS) != UNQUANTIZED_BITS:
            yield key, {**config, **value}
    if config.get("lm_head") is True:
        yield "lm_head", config


def _entries(config: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    listed = config.get(name)
    for key, value in listed.items() if isinstance(listed, Mapping) else ():
        if isinstance(key, str):
            yield key, value if isinstance(value, Mapping) else {}
