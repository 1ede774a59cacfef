"""Weights that a kernel stores wider than they are."""

from inferplan.planner.architecture import Architecture
from inferplan.planner.memory.settings import Settings
from inferplan.planner.weights import WeightBytes


def padding_bytes(
    architecture: Architecture, found: WeightBytes, settings: Settings, gpu_architecture: str, ep: int
) -> int:
    """Return bytes on one GPU that kernels for MXFP4 experts add: both sides of each matrix are rounded up.

    gpt-oss is 2,880 wide: Marlin keeps 2,944 x 3,072, which is 9 % more (vllm quantization/mxfp4.py).
    """
    multiples = settings.profile.mxfp4_expert_multiples.get(gpu_architecture)
    widths = [
        tensor.in_features
        for tensor in architecture.tensors
        if tensor.role == "expert" and tensor.shard == "row" and tensor.in_features > 1
    ]
    if multiples is None or "mxfp4" not in found.format or not widths:
        return 0
    width = -(-max(widths) // (1 if ep > 1 else settings.tp))
    hidden = architecture.hidden_size
    stored = _rounded(width, multiples[0]) * _rounded(hidden, multiples[1])
    expert_bytes = dict(found.by_role).get("expert", 0)
    return round(expert_bytes * (stored / (width * hidden) - 1))


def _rounded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
