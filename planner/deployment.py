"""A model on GPUs under an engine: everything that decides memory and speed, except the load."""

from dataclasses import dataclass
from typing import Literal

from inferplan.datasets.schema import Gpu
from inferplan.planner.architecture import Architecture
from inferplan.planner.memory_options import NO_OPTIONS, MemoryOptions

EngineName = Literal["vllm", "sglang", "tensorrt-llm", "llama.cpp"]


@dataclass(frozen=True)
class Pools:
    """Prefill and decode on GPUs of their own, with the cache of each prompt sent from one to the other."""

    prefill_gpus: int | None
    """Of the deployment's GPUs; ``None`` is as many as serve the most requests."""
    prefill_tp: int
    """GPUs of a prefill replica in each pipeline stage: with expert parallelism they share the experts, and
    attention is data parallel over what the deployment's ``tp`` leaves of them."""
    decode_tp: int
    link_bytes_per_s: float | None = None
    """Per GPU, one way; ``None`` is that of the link between the pools."""


@dataclass(frozen=True)
class Deployment:
    """One deployment; ``None`` means "what that engine version does by default"."""

    architecture: Architecture
    gpu: Gpu
    engine: EngineName = "vllm"
    engine_version: str | None = None
    tp: int = 1
    """Tensor parallel size."""
    pp: int = 1
    """Pipeline parallel size."""
    dp: int = 1
    """Data parallel size."""
    ep: int = 1
    """Expert parallel size, carved from the ``tp * dp`` GPUs; 1 shards experts like any other matrix."""
    weights_dtype: str | None = None
    """``None``: as the config says."""
    kv_dtype: str = "auto"
    gpu_memory_utilization: float | None = None
    max_model_len: int | None = None
    max_num_batched_tokens: int | None = None
    max_num_seqs: int | None = None
    enforce_eager: bool = False
    options: MemoryOptions = NO_OPTIONS
    pools: Pools | None = None
    """``None``: every GPU reads prompts and decodes. Pools divide the same number of GPUs."""

    @property
    def gpu_count(self) -> int:
        """GPUs of the whole deployment."""
        return self.tp * self.pp * self.dp
