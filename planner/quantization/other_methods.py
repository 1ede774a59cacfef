"""Checkpoints of tools with words of their own: Quark, torchao, HQQ, EETQ, BitNet."""

from collections.abc import Callable, Mapping
from typing import Any

from inferplan.planner.quantization.formats import FORMATS, LINEARS, Format, QuantizationError, with_group


def _unknown(method: str, stated: object) -> QuantizationError:
    return QuantizationError(
        f"quantization_config of {method} states {stated!r:.60}, which is not understood."
    )


def _quark(config: Mapping[str, Any]) -> Format:
    """Return the format of AMD Quark's ``global_quant_config.weight``."""
    chosen = config.get("global_quant_config")
    weight = chosen.get("weight") if isinstance(chosen, Mapping) else None
    if isinstance(weight, list) and weight:
        weight = weight[0]
    if not isinstance(weight, Mapping):
        raise _unknown("Quark", chosen)
    dtype, scheme = str(weight.get("dtype", "")), str(weight.get("qscheme", ""))
    group = weight.get("group_size")
    if dtype.startswith("fp4"):
        return Format("mxfp4", 4, group_bits=8, group_inputs=32, roles=LINEARS)
    if dtype.startswith("fp8"):
        return FORMATS["fp8" if scheme == "per_tensor" else "fp8-channel"]
    if dtype in ("int8", "uint8"):
        return FORMATS["int8"]
    if dtype in ("int4", "uint4"):
        size = group if isinstance(group, int) and group > 0 else 128
        return with_group(FORMATS["awq-int4" if dtype == "uint4" else "int4"], size)
    raise _unknown("Quark", dtype)


def _torchao(config: Mapping[str, Any]) -> Format:
    """Return the format of torchao's ``quant_type``: a name, or a class with its arguments."""
    stated = config.get("quant_type")
    arguments: Mapping[str, Any] = {}
    if isinstance(stated, Mapping):
        inner = stated.get("default", stated)
        data = inner.get("_data") if isinstance(inner, Mapping) else None
        arguments = data if isinstance(data, Mapping) else {}
        stated = inner.get("_type") if isinstance(inner, Mapping) else None
    kind = str(stated or "").lower().replace("_", "")
    group = arguments.get("group_size", config.get("group_size", 128))
    if "int4" in kind:
        return with_group(FORMATS["awq-int4"], group if isinstance(group, int) and group > 0 else 128)
    if "float8" in kind:
        return FORMATS["fp8-channel"]
    if "int8" in kind:
        return FORMATS["int8"]
    raise _unknown("torchao", stated)


def _hqq(config: Mapping[str, Any]) -> Format:
    """Return HQQ's format: packed integers, a 16-bit scale and a 16-bit zero per group."""
    inner = config.get("quant_config")
    holder: Mapping[str, Any] = inner if isinstance(inner, Mapping) else config
    nested = holder.get("weight_quant_params")
    arguments: Mapping[str, Any] = nested if isinstance(nested, Mapping) else holder
    bits, group = arguments.get("nbits", 4), arguments.get("group_size", 64)
    if bits not in (1, 2, 3, 4, 8) or not isinstance(group, int) or group < 1:
        raise _unknown("HQQ", dict(arguments))
    return Format(f"hqq-int{bits}", int(bits), group_bits=32, group_inputs=group)


def _eetq(config: Mapping[str, Any]) -> Format:
    return FORMATS["int8"]


def _bitnet(config: Mapping[str, Any]) -> Format:
    """Return BitNet's format: four ternary weights packed in a byte, one scale per matrix."""
    return Format("bitnet", 2, matrix_bits=32)


METHODS: Mapping[str, Callable[[Mapping[str, Any]], Format]] = {
    "quark": _quark,
    "torchao": _torchao,
    "hqq": _hqq,
    "eetq": _eetq,
    "bitnet": _bitnet,
}
