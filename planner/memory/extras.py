"""What rides along with the model: LoRA slots and a draft model."""

from inferplan.planner.architecture import Architecture
from inferplan.planner.memory_options import Lora

ADAPTER_ELEMENT_BYTES = 2  # vllm/lora/layers: adapters are kept in the model's 16-bit type


def adapter_bytes(architecture: Architecture, lora: Lora | None, tp: int) -> int:
    """Return bytes on one GPU of all LoRA slots.

    An adapter of rank r on a matrix of ``out`` x ``in`` is A (r x in) and B (out x r). With tensor
    parallelism the matrix's split side is split in its adapter too and the other factor is on every GPU
    (vllm/lora/layers, ``fully_sharded_loras`` off).
    """
    if lora is None:
        return 0
    elements = 0
    for tensor in architecture.tensors:
        if tensor.part != "language_model" or tensor.role not in lora.roles or tensor.in_features == 1:
            continue
        rows, columns = tensor.out_features, tensor.in_features
        if tensor.shard in ("column", "kv_heads"):
            rows = -(-rows // tp)
        elif tensor.shard == "row":
            columns = -(-columns // tp)
        elements += tensor.count * lora.rank * (rows + columns)
    return elements * lora.slots * ADAPTER_ELEMENT_BYTES
