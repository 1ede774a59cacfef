"""What happens when a GPU has no units for the precision that a deployment asks for."""

from inferplan.datasets.schema import Gpu
from inferplan.planner.deployment import Deployment
from inferplan.planner.kv_dtypes import cache_dtype

BEFORE_TURING = ("Pascal", "Volta", "Maxwell", "Kepler")
_WEIGHT_ONLY = "weights stay in {bits} bit and are computed in 16 bit (the same memory, none of the speed)"
INT8_DROPPED = ("Blackwell", "Blackwell Ultra", "Grace Blackwell", "Grace Blackwell Ultra")


def native_notes(deployment: Deployment) -> tuple[str, ...]:
    """Return a note for each precision that the GPU cannot compute in, with what the engine does then.

    Source: support matrices in vllm-project/vllm v0.33.0 docs/features/quantization, carried in
    ``datasets/facts/quantization.csv``.
    """
    gpu = deployment.gpu
    weights = (deployment.weights_dtype or stored_format(deployment)).casefold()
    notes = [_weights_note(gpu, weights)]
    if deployment.kv_dtype.casefold().startswith("fp8") and gpu.fp8_flops_per_s is None:
        notes.append(
            f"{gpu.name} has no FP8 units: an FP8 cache saves memory and is converted to 16 bit when read"
        )
    if (cache := cache_dtype(deployment)) != deployment.kv_dtype:
        notes.append(
            f"{deployment.engine} keeps the cache in the type that the checkpoint states, {cache} for"
            f" NVIDIA's own {weights} checkpoints: give kv_dtype for another"
        )
    return tuple(note for note in notes if note)


def stored_format(deployment: Deployment) -> str:
    """Return the format that the checkpoint is stored in, by its own ``quantization_config``."""
    stored = deployment.architecture.quantization
    if not stored:
        return deployment.architecture.dtype
    method = stored.get("quant_method") or stored.get("quant_algo") or ""
    return str(stored.get("quant_algo") or method)


def _weights_note(gpu: Gpu, weights: str) -> str | None:
    if "fp4" in weights and gpu.fp4_flops_per_s is None:
        return f"{gpu.name} has no FP4 units: {_WEIGHT_ONLY.format(bits=4)}"
    if weights.startswith("fp8") and gpu.fp8_flops_per_s is None:
        if gpu.vendor == "NVIDIA" and gpu.architecture in BEFORE_TURING:
            return f"{gpu.name} cannot run FP8 weights: kernels need Turing or newer"
        return f"{gpu.name} has no FP8 units: {_WEIGHT_ONLY.format(bits=8)}"
    if weights in ("bf16", "bfloat16") and gpu.bf16_flops_per_s is None:
        return f"{gpu.name} has no BF16 units: run as FP16 (--dtype half), which takes the same memory"
    if weights == "int8" and gpu.architecture in INT8_DROPPED:
        return f"{gpu.name} has no kernels for INT8 weights with INT8 activations: use FP8"
    return None
