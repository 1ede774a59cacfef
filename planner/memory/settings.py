"""What a deployment means to its engine: limits, shares and totals with every default filled in."""

from dataclasses import dataclass

from inferplan.datasets.engines import EngineProfile, driver_reserve, profile
from inferplan.datasets.schema import GIB, Gpu
from inferplan.planner.deployment import Deployment

MIB = 1024**2
DEFAULT_CONTEXT_TOKENS = 2048  # vllm/config.py: used when a config states no maximum, v0.6.4


@dataclass(frozen=True)
class Settings:
    """A deployment with the engine version's defaults filled in."""

    profile: EngineProfile
    words: str
    total_bytes: int
    memory_share: float
    context_tokens: int
    batch_tokens: int
    """Tokens of one scheduler step, which activations are sized for."""
    sequences: int
    chunked_prefill: bool
    tp: int
    """GPUs that share every matrix."""
    stages: int
    """GPUs that hold layers one after the other."""

    @property
    def in_flight_tokens(self) -> int:
        """Tokens that are scheduled before the first are settled: a window is held for as many more."""
        batches = self.profile.batches_in_flight
        return self.batch_tokens * (max(batches, self.stages) if batches > 1 else 1)


def resolve(deployment: Deployment) -> Settings:
    """Return ``deployment`` as its engine version would run it."""
    gpu = deployment.gpu
    chosen, words = profile(deployment.engine, deployment.engine_version, gpu.architecture)
    total_bytes = visible_bytes(gpu)
    default = chosen.batch_default(gpu.name, total_bytes / GIB)
    context_tokens = (
        deployment.max_model_len or deployment.architecture.max_position_tokens or DEFAULT_CONTEXT_TOKENS
    )
    sequences = deployment.max_num_seqs or default.sequences
    chunked, batch_tokens = _batch(chosen, deployment, context_tokens, default.batched_tokens)
    split = chosen.layer_split
    return Settings(
        profile=chosen,
        words=words,
        total_bytes=total_bytes,
        memory_share=_share(chosen, deployment, total_bytes, default.sequences),
        context_tokens=context_tokens,
        batch_tokens=batch_tokens,
        sequences=sequences,
        chunked_prefill=chunked,
        tp=1 if split else deployment.tp,
        stages=deployment.pp * (deployment.tp if split else 1),
    )


def visible_bytes(gpu: Gpu) -> int:
    """Return the total that CUDA reports, which engines take their share of.

    nvidia-smi counts memory that the driver keeps; a total that was given with a case is an engine's own line
    and is taken as it is.
    """
    reserve = driver_reserve()
    counted = gpu.vendor == reserve.vendor and gpu.memory_total_basis in reserve.bases
    if not counted or gpu.name in reserve.unified_memory:
        return gpu.memory_total_bytes
    return gpu.memory_total_bytes - round(reserve.gib(gpu.memory_total_bytes / GIB) * GIB)


def _batch(
    chosen: EngineProfile, deployment: Deployment, context_tokens: int, default_tokens: int
) -> tuple[bool, int]:
    """Return whether prompts are chunked, and the tokens of a step."""
    given = deployment.max_num_batched_tokens
    if not chosen.prefill_without_chunks:
        return True, given or default_tokens
    above = chosen.chunked_prefill_above_tokens
    if above is not None and context_tokens > above:
        return True, given or chosen.chunked_prefill_batch_tokens or default_tokens
    return False, max(given or default_tokens, context_tokens)


def _share(chosen: EngineProfile, deployment: Deployment, total_bytes: int, graph_sequences: int) -> float:
    if deployment.gpu_memory_utilization is not None:
        return deployment.gpu_memory_utilization
    if not chosen.reserve_decides_share:
        return chosen.memory_share
    default = chosen.batch_default(deployment.gpu.name, total_bytes / GIB)
    prefill_tokens = deployment.max_num_batched_tokens or default.batched_tokens
    reserve_mib = (
        chosen.reserve_mib_constant
        + chosen.reserve_mib_per_prefill_token * prefill_tokens
        + chosen.reserve_mib_per_graph_sequence * graph_sequences
        + chosen.reserve_mib_per_eight_gpus * deployment.tp * deployment.pp / 8
    )
    if total_bytes > chosen.reserve_floor_from_gib * GIB:
        reserve_mib = max(reserve_mib, chosen.reserve_mib_floor)
    return round(1 - reserve_mib * MIB / total_bytes, 3)
