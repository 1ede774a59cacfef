"""Where a GPU's memory goes, and whether a deployment fits."""

from dataclasses import dataclass

from inferplan.planner.deployment import Deployment


@dataclass(frozen=True)
class MemoryBreakdown:
    """Bytes on the fullest GPU of the deployment; the parts sum to ``total_bytes`` exactly.

    ``kv_pool_bytes`` is negative when the deployment does not fit: that is how much is missing.
    """

    total_bytes: int
    weights_bytes: int
    activation_bytes: int
    non_torch_bytes: int
    cuda_graph_bytes: int
    unused_bytes: int
    """What the engine leaves alone: the share above ``gpu_memory_utilization``."""
    kv_pool_bytes: int
    engine_profile: str
    """The engine version whose constants were used, said aloud when it is not the one asked for."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fit:
    """The answer to "does it fit?", per GPU where the name says so."""

    fits: bool
    reason: str
    memory: MemoryBreakdown
    parameters: int
    active_parameters: int
    max_model_len: int
    kv_bytes_per_token_per_gpu: int
    kv_window_bytes_per_sequence_per_gpu: int
    state_bytes_per_sequence_per_gpu: int
    kv_pool_tokens: int
    """As that engine would print it."""
    max_concurrency: float
    """Sequences of ``max_model_len`` tokens that the pool holds."""


def fit(deployment: Deployment) -> Fit:
    """Return whether ``deployment`` fits, with the memory of its fullest GPU."""
    raise NotImplementedError(deployment)
