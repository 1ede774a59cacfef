"""Which arithmetic a stored format runs in on a GPU, and how fast that arithmetic is at most."""

from typing import Literal

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Gpu

Arithmetic = Literal["16-bit", "fp8", "int8", "fp4"]


def arithmetic(bits: float, weights_dtype: str, gpu: Gpu) -> Arithmetic:
    """Return the arithmetic of a matrix stored with ``bits`` per value under the format ``weights_dtype``.

    Weight-only formats (AWQ, GPTQ, GGUF, bitsandbytes, w8a16) are expanded to 16 bits before they are
    multiplied; fp8 and fp4 do so on GPUs without such units.

    >>> from inferplan.datasets import catalog
    >>> arithmetic(8, "fp8", catalog.gpu("H100 SXM")), arithmetic(8, "fp8", catalog.gpu("A100 SXM 80GB"))
    ('fp8', '16-bit')
    """
    name = weights_dtype.casefold()
    if bits > 9 or "a16" in name or name.startswith(("awq", "gptq", "gguf", "bnb", "int4", "uint4", "w4")):
        return "16-bit"
    if "int8" in name or "w8a8" in name:
        return "int8" if gpu.int8_ops_per_s else "16-bit"
    if bits < 6 and "fp4" in name:
        return "fp4" if gpu.fp4_flops_per_s else "16-bit"
    return "fp8" if gpu.fp8_flops_per_s else "16-bit"


def peak_flops_per_s(gpu: Gpu, kind: Arithmetic) -> float:
    """Return the dense peak of ``gpu`` for that arithmetic, of a wider one where it is not known.

    Raises
    ------
    InferplanError
        If no peak of the GPU is known.
    """
    wide = gpu.bf16_flops_per_s or gpu.fp16_flops_per_s
    if gpu.fp16_flops_per_s and wide:
        wide = max(wide, gpu.fp16_flops_per_s)
    wide = wide or gpu.fp32_flops_per_s or gpu.fp8_flops_per_s
    if wide is None:
        msg = f"no arithmetic peak of {gpu.name} is known, so its speed cannot be estimated"
        raise InferplanError(msg)
    narrow = {
        "16-bit": None,
        "fp8": gpu.fp8_flops_per_s,
        "int8": gpu.int8_ops_per_s,
        "fp4": gpu.fp4_flops_per_s,
    }
    return max(wide, narrow[kind] or 0.0)
