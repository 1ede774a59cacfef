"""Number formats of stored weights: bits per element and what scales and zero points add."""

import re
from dataclasses import dataclass, replace
from typing import Final

from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.planner.architecture import Role

LINEARS: Final[frozenset[Role]] = frozenset({"attention", "mlp", "expert", "shared_expert", "recurrent"})
"""Roles that a format reaches unless told otherwise: embedding, head, norms and routers stay in 16 bit."""
EXPERTS: Final[frozenset[Role]] = frozenset({"expert"})
REACH: Final[dict[str, frozenset[Role]]] = {
    "all": LINEARS,
    "mlp": frozenset({"mlp", "expert", "shared_expert"}),
    "experts": EXPERTS,
}
"""What an ending of a format's name says that it reaches; the rest stays in 16 bit."""


class QuantizationError(InferplanError):
    """A quantization that a config describes in a way that is not understood."""


@dataclass(frozen=True, slots=True)
class Format:
    """How one matrix is stored. A figure of 0 means that there is no such array."""

    name: str
    element_bits: int
    group_bits: int = 0
    """Bits of scale and zero point per ``group_inputs`` inputs of one output row."""
    group_inputs: int = 0
    row_bits: int = 0
    """Bits of a scale per output row."""
    input_bits: int = 0
    """Bits per input of the whole matrix (GPTQ's g_idx)."""
    block_bits: int = 0
    """Bits of a scale per ``block_size`` x ``block_size`` elements."""
    block_size: int = 128
    matrix_bits: int = 0
    """Bits of scales per matrix."""
    roles: frozenset[Role] = LINEARS
    """Roles that are stored in this format when the checkpoint does not say otherwise."""

    def stored_bytes(self, out_features: int, in_features: int) -> int:
        """Return the bytes of one ``out_features`` x ``in_features`` matrix.

        Examples
        --------
        >>> FORMATS["awq-int4"].stored_bytes(4096, 4096) * 8 / 4096**2
        4.15625
        """
        bits = out_features * in_features * self.element_bits
        if self.group_inputs:
            bits += out_features * -(-in_features // self.group_inputs) * self.group_bits
        if self.block_bits:
            bits += -(-out_features // self.block_size) * -(-in_features // self.block_size) * self.block_bits
        bits += out_features * self.row_bits + in_features * self.input_bits + self.matrix_bits
        return -(-bits // 8)


FORMATS: Final[dict[str, Format]] = {
    format_.name: format_
    for format_ in (
        Format("bf16", 16),
        Format("fp16", 16),
        Format("fp32", 32),
        # weight and activation scale: vllm v0.33.0 quantization/fp8.py; 560 scalars in Devstral-Small-2
        Format("fp8", 8, matrix_bits=64),
        Format("fp8-channel", 8, row_bits=32),  # vllm v0.33.0 compressed_tensors_w8a8_fp8.py
        Format("fp8-block", 8, block_bits=32),  # fp32 per 128x128: Qwen3-32B-FP8's total has exactly these
        Format("mxfp8", 8, group_bits=8, group_inputs=32),  # e8m0: vllm v0.33.0 docs quantization/online.md
        Format("int8", 8, row_bits=32),  # vllm v0.33.0 docs quantization/llm_compressor/int8_w8a8.md
        Format(
            "gptq-int8", 8, group_bits=24, group_inputs=128
        ),  # fp16 scale, 8-bit zero: GPTQ's tensor layout
        Format(
            "awq-int4", 4, group_bits=20, group_inputs=128
        ),  # fp16 scale, 4-bit zero: Qwen3-8B-AWQ 5.680 GiB
        # as AWQ, and an int32 g_idx per input: GPTQ's tensor layout
        Format("gptq-int4", 4, group_bits=20, group_inputs=128, input_bits=32),
        Format(
            "int4", 4, group_bits=16, group_inputs=128
        ),  # symmetric: vllm v0.33.0 compressed_tensors_wNa16.py
        Format("w4a8", 4, group_bits=16, group_inputs=128),  # vllm v0.33.0 compressed_tensors_w4a8_fp8.py
        # e4m3 scale per 16 and two fp32 per matrix: vllm v0.33.0 quantization/modelopt.py
        Format("nvfp4", 4, group_bits=8, group_inputs=16, matrix_bits=64),
        # e8m0 per 32, experts only as gpt-oss ships: 13,761,264,768 bytes of gpt-oss-20b exactly
        Format("mxfp4", 4, group_bits=8, group_inputs=32, roles=EXPERTS),
        Format("bnb-4bit", 4, group_bits=32, group_inputs=64),  # nf4, fp32 absmax per 64: arXiv 2305.14314
        # 8-bit absmax per 64 and fp32 per 256 of them, 0.127 bit: arXiv 2305.14314 (8/64 + 32/16384)
        Format("bnb-4bit-double", 4, group_bits=8, group_inputs=64, block_bits=32),
        Format("bnb-8bit", 8, row_bits=32),  # LLM.int8: absmax per row
    )
}

_ALIASES: Final[dict[str, str]] = {
    "bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32",
    "fp8_e4m3": "fp8", "fp8-tensor": "fp8", "fp8-per-tensor": "fp8", "fp8-per-channel": "fp8-channel",
    "fp8-dynamic": "fp8-channel", "w8a8": "int8", "int8-w8a8": "int8", "w8a16": "gptq-int8",
    "awq": "awq-int4",
    "gptq": "gptq-int4", "w4a16": "int4", "int4-w4a16": "int4", "awq-4bit": "awq-int4",
    "gptq-4bit": "gptq-int4",
    "gptq-8bit": "gptq-int8", "bnb": "bnb-4bit", "bnb-nf4": "bnb-4bit", "nf4": "bnb-4bit",
    "bnb-int8": "bnb-8bit",
    "bitsandbytes": "bnb-4bit", "fp4": "nvfp4", "autoround-int4": "gptq-int4", "fp8-block128": "fp8-block",
    "bitsandbytes-4bit": "bnb-4bit", "bitsandbytes-8bit": "bnb-8bit",
}  # fmt: skip
_REACHING = re.compile(rf"(?P<name>.+)-(?P<reach>{'|'.join(REACH)})")
_GROUPED = re.compile(r"(?P<name>.+?)-g(?P<size>\d{1,5})")


def canonical(name: str) -> str:
    """Return the spelling under which ``FORMATS`` lists ``name``, or ``name`` in lower case."""
    lower = name.strip().lower().replace("_", "-").removeprefix("torch.")
    return _ALIASES.get(lower, _ALIASES.get(lower.replace("-", "_"), lower))


def format_named(name: str) -> Format:
    """Return the format called ``name``; ``-g32`` sets the group size, ``-mlp`` at its end what it reaches.

    Raises
    ------
    UnknownNameError
        With the nearest names.

    Examples
    --------
    >>> format_named("GPTQ-int4-g32").group_inputs
    32
    >>> sorted(format_named("nvfp4-mlp").roles)
    ['expert', 'mlp', 'shared_expert']
    """
    reaching = _REACHING.fullmatch(canonical(name))
    if reaching and not _REACHING.fullmatch(reaching["name"]):
        base, reach = format_named(reaching["name"]), reaching["reach"]
        return replace(base, name=f"{base.name}-{reach}", roles=REACH[reach])
    grouped = _GROUPED.fullmatch(canonical(name))
    found = FORMATS.get(canonical(grouped["name"] if grouped else name))
    if found is None:
        raise UnknownNameError("weights type", name, [*FORMATS, *_ALIASES, "gguf-q4_k_m", "gguf-q8_0"])
    if not grouped:
        return found
    if not found.group_inputs or int(grouped["size"]) < 1:
        msg = f"{found.name} has no groups of inputs, so {name!r} cannot size them; ask for {found.name!r}."
        raise QuantizationError(msg)
    return with_group(found, int(grouped["size"]))


def with_group(found: Format, inputs: int) -> Format:
    """Return ``found`` with one scale per ``inputs`` inputs (-1: per output row)."""
    if inputs == found.group_inputs:
        return found
    row = inputs < 1
    return Format(
        f"{found.name}-g{inputs}" if not row else f"{found.name}-channel",
        found.element_bits,
        0 if row else found.group_bits,
        0 if row else inputs,
        found.row_bits + (found.group_bits if row else 0),
        found.input_bits,
        found.block_bits,
        found.block_size,
        found.matrix_bits,
        found.roles,
    )
