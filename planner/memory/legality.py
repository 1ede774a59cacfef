"""What a model or an engine refuses before any memory is counted."""

from inferplan.datasets.errors import InferplanError
from inferplan.planner.architecture import Architecture, SoftmaxAttention
from inferplan.planner.deployment import Deployment
from inferplan.planner.weights import illegal_tp


def illegal(deployment: Deployment, tp: int) -> str | None:
    """Return why ``tp`` GPUs cannot share the model's matrices and caches, or ``None`` when they can."""
    return illegal_tp(deployment.architecture, tp) or _illegal_context_parallel(
        deployment.architecture, tp, deployment.options.decode_context_parallel
    )


def _illegal_context_parallel(architecture: Architecture, tp: int, size: int) -> str | None:
    """Return why ``size`` GPUs cannot share one cache's tokens.

    They are the GPUs on which tensor parallelism makes copies, TP / KV heads of them (vllm
    docs/serving/context_parallel_deployment.md).
    """
    if size == 1:
        return None
    if tp % size:
        return f"decode context parallel {size} does not divide tensor parallel {tp}"
    for layer in architecture.layers:
        for mixer in layer.mixers:
            if isinstance(mixer, SoftmaxAttention) and size > max(1, tp // mixer.kv_heads):
                return (
                    f"decode context parallel {size} needs {size} GPUs for each of the {mixer.kv_heads}"
                    f" key-value heads, tensor parallel {tp} has fewer"
                )
    return None


def check_drafting(deployment: Deployment) -> None:
    """Raise ``InferplanError`` when the model shall draft with layers that it does not have."""
    architecture = deployment.architecture
    if deployment.options.mtp and not any(tensor.part == "mtp" for tensor in architecture.tensors):
        name = architecture.name or "the model"
        msg = f"{name} has no layers for multi-token prediction; leave out mtp, or draft with draft_model"
        raise InferplanError(msg)
