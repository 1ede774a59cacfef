"""Who gets which bytes of a GPU: the engine's share, what is loaded and profiled, and the pool that is left.

- vLLM: pool = share x total - weights - activation peak - outside of PyTorch (- CUDA graphs from v0.21).
- SGLang: pool = share x free before load - what loading took.
- TensorRT-LLM: pool = share x (total - weights - activation - outside of PyTorch).
- llama.cpp: pool = everything that is left; it allocates the context it is asked for.
"""

from dataclasses import dataclass

from inferplan.datasets.schema import GIB
from inferplan.planner.memory.activation import Activation
from inferplan.planner.memory.result import MemoryBreakdown
from inferplan.planner.memory.settings import Settings
from inferplan.planner.memory_options import MemoryOptions


@dataclass(frozen=True)
class Loaded:
    """Bytes on the fullest GPU that are there before any cache."""

    weights_bytes: int
    draft_bytes: int
    adapter_bytes: int

    @property
    def bytes(self) -> int:
        """Return all of it."""
        return self.weights_bytes + self.draft_bytes + self.adapter_bytes


def divide(
    settings: Settings,
    options: MemoryOptions,
    loaded: Loaded,
    activation: Activation,
    *,
    eager: bool,
    notes: tuple[str, ...],
) -> MemoryBreakdown:
    """Return the breakdown with everything in the pool that no other part takes."""
    profile = settings.profile
    total = settings.total_bytes
    across_nodes_gib = profile.second_node_gib if options.nodes > 1 else 0.0
    non_torch = round((profile.non_torch_gib(settings.tp * settings.stages) + across_nodes_gib) * GIB)
    graphs = 0 if eager else round(profile.cuda_graph_gib * GIB)
    share = settings.memory_share
    peak = activation.peak_bytes
    if profile.memory_share_of == "total":
        budget = round(share * total)
        pool = budget - loaded.bytes - peak - non_torch - (graphs if profile.cuda_graphs_in_budget else 0)
    elif profile.memory_share_of == "free_before_load":
        pool = round(share * (total - non_torch)) - loaded.bytes
    else:
        free = total - loaded.bytes - peak - non_torch
        pool = round(share * free) if free > 0 else free
    unused = total - loaded.bytes - peak - non_torch - graphs - pool
    return MemoryBreakdown(
        total_bytes=total,
        weights_bytes=loaded.weights_bytes,
        activation_bytes=peak,
        non_torch_bytes=non_torch,
        cuda_graph_bytes=graphs,
        unused_bytes=unused,
        kv_pool_bytes=pool,
        engine_profile=settings.words,
        notes=notes,
        adapter_bytes=loaded.adapter_bytes,
        draft_bytes=loaded.draft_bytes,
    )
