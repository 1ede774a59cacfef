"""The verdict and the arithmetic in words."""

from inferplan.datasets.schema import GIB
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory.activation import Activation
from inferplan.planner.memory.capacity import Capacity
from inferplan.planner.memory.result import MemoryBreakdown
from inferplan.planner.memory.settings import Settings

Formula = tuple[str, str]


def verdict(
    memory: MemoryBreakdown,
    held: Capacity,
    settings: Settings,
    longest: int | None,
    illegal: str | None,
    *,
    cached: bool,
) -> tuple[bool, str]:
    """Return whether it fits, and the reason."""
    if illegal:
        return False, illegal
    context = settings.context_tokens
    if not cached and memory.kv_pool_bytes >= 0:
        return True, f"the model keeps no cache; {_gib(memory.kv_pool_bytes)} stay free"
    if memory.kv_pool_bytes <= 0:
        return False, _no_pool(memory, settings)
    if held.concurrency >= 1:
        sequences = f"{held.concurrency:,.2f}".rstrip("0").rstrip(".")
        pool = _gib(memory.kv_pool_bytes)
        return True, f"the KV cache pool of {pool} holds {sequences} sequences of {context:,} tokens"
    reach = f"the largest context that fits is {longest:,} tokens" if longest else "not even one token fits"
    return False, (
        f"one sequence of {context:,} tokens needs more than the KV cache pool of"
        f" {_gib(memory.kv_pool_bytes)}; {reach}"
    )


def _no_pool(memory: MemoryBreakdown, settings: Settings) -> str:
    usable = _gib(round(settings.memory_share * memory.total_bytes))
    parts = (
        ("weights", memory.weights_bytes),
        ("a draft model", memory.draft_bytes),
        ("LoRA slots", memory.adapter_bytes),
        ("activations", memory.activation_bytes),
        ("other allocations", memory.non_torch_bytes + memory.cuda_graph_bytes),
    )
    taken = ", ".join(f"{name} {_gib(size)}" for name, size in parts if size)
    missing = _gib(-memory.kv_pool_bytes)
    total = _gib(memory.total_bytes)
    return f"nothing is left for the KV cache: {taken}; usable are {usable} of {total}, {missing} too few"


def formulas(
    deployment: Deployment, memory: MemoryBreakdown, settings: Settings, peak: Activation
) -> tuple[Formula, ...]:
    """Return each step of the budget with its numbers filled in."""
    profile = settings.profile
    share = settings.memory_share
    total = _gib(memory.total_bytes)
    loaded = memory.weights_bytes + memory.draft_bytes + memory.adapter_bytes
    pool = memory.kv_pool_bytes + memory.state_pool_bytes
    spread = f"{deployment.architecture.name or 'the model'} over TP {settings.tp}, PP {settings.stages}"
    steps = [
        ("Loaded on one GPU", f"{spread}: {_gib(loaded)} with draft and adapters"),
        (
            "Activation peak",
            f"max(sampling {_gib(peak.sampler_bytes)} of {settings.sequences:,} sequences, prefill"
            f" {_gib(peak.prefill_bytes)} of {settings.batch_tokens:,} tokens,"
            f" images {_gib(peak.vision_bytes)}) = {_gib(peak.peak_bytes)}",
        ),
    ]
    if profile.memory_share_of == "total":
        graphs = f" - graphs {_gib(memory.cuda_graph_bytes)}" if profile.cuda_graphs_in_budget else ""
        arithmetic = (
            f"{share:g} x {total} - {_gib(loaded)} - activations {_gib(memory.activation_bytes)}"
            f" - outside of PyTorch {_gib(memory.non_torch_bytes)}{graphs}"
        )
    elif profile.memory_share_of == "free_before_load":
        arithmetic = f"{share:g} x ({total} - context) - {_gib(loaded)} - loading overhead"
    else:
        arithmetic = (
            f"{share:g} x ({total} - {_gib(loaded)} - activations {_gib(memory.activation_bytes)}"
            f" - outside of PyTorch {_gib(memory.non_torch_bytes)})"
        )
    steps.append(("Pool", f"{arithmetic} = {_gib(pool)}"))
    return tuple(steps)


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / GIB:,.2f} GiB"
