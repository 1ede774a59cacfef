"""One question about one deployment, in the words of the JSON contract: what a plan stores."""

from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.schema import GIB, Row
from inferplan.planner.architecture import Architecture, parse
from inferplan.planner.calls import mean_call
from inferplan.planner.deployment import Deployment, EngineName, Pools
from inferplan.planner.memory_options import Lora, MemoryOptions
from inferplan.planner.workload import Slo, Speculative, Workload

MOST = 1_000_000_000
"""Of tokens, sequences, USD: far beyond any deployment, and within what floats count exactly."""
GB = 1_000_000_000
MOST_GPUS = 4096
LONGEST_NAME = 500
Name = Annotated[str, Field(max_length=LONGEST_NAME)]
Count = Annotated[int, Field(ge=1, le=MOST)]
Gpus = Annotated[int, Field(ge=1, le=MOST_GPUS)]
Amount = Annotated[float, Field(gt=0, le=MOST)]
LoraTarget = Literal[
    "attention", "mlp", "expert", "shared_expert", "router", "recurrent", "embedding", "lm_head"
]
LOAD_FIELDS = frozenset(
    {
        "input_tokens", "output_tokens", "concurrency", "request_rate", "prefix_cache_hit_rate", "slo",
        "reasoning_multiple", "calls_per_task", "context_growth_tokens", "tool_wait_s", "length_variation",
        "prefill_gpus", "prefill_tp", "decode_tp", "kv_transfer_gb_per_s", "offer", "usd_per_gpu_hour",
    }
)  # fmt: skip
"""Fields that say what is served and for what price, not what is deployed."""


class Case(Row):
    """Inputs of ``fit`` and ``estimate``; field names are the contract's (docs/cli.md)."""

    id: str | int | None = None
    model: Name | None = None
    """Catalog id; or give ``config``."""
    config: dict[str, Any] | None = None
    """A Hugging Face config object."""
    gpu: Name
    """Catalog name."""
    gpu_memory_gib: Amount | None = None
    """Total as the driver reports it, where it differs from the catalog's."""
    engine: EngineName = "vllm"
    engine_version: Name | None = None
    tp: Gpus = 1
    pp: Gpus = 1
    dp: Gpus = 1
    ep: Gpus = 1
    weights_dtype: Name | None = None
    kv_dtype: Name = "auto"
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    max_model_len: Count | None = None
    max_num_batched_tokens: Count | None = None
    max_num_seqs: Count | None = None
    enforce_eager: bool = False
    enable_prefix_caching: bool | None = None
    """``None``: as that engine version does."""
    shared_prefix_tokens: Annotated[int, Field(ge=0, le=MOST)] = 0
    """Tokens that all requests begin with; prefix caching keeps them once."""
    block_size: Count | None = None
    """Tokens of a page of the KV cache."""
    disable_hybrid_kv_cache_manager: bool = False
    decode_context_parallel_size: Gpus = 1
    nodes: Gpus = 1
    """Machines that one replica spans."""
    language_model_only: bool = False
    """Vision and audio towers are not loaded."""
    lora_rank: Count | None = None
    max_loras: Count | None = None
    """Adapters on the GPU at once; 1 where ``lora_rank`` is given."""
    lora_targets: tuple[LoraTarget, ...] | None = None
    """Kinds of matrices that adapters change; attention and mlp by default."""
    draft_model: Name | None = None
    """Catalog id of a model that drafts tokens."""
    draft_weights_dtype: Name | None = None
    draft_tokens: Annotated[int, Field(ge=1, le=64)] | None = None
    """Tokens drafted per step; those of ``speculative`` where it is given."""
    mtp: bool = False
    """The model's own layers for multi-token prediction draft."""
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    concurrency: Count | Literal["max"] | None = None
    request_rate: Amount | None = None
    """Requests per second offered to the whole deployment; each call of a task is one."""
    length_variation: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Standard deviation of the requests' lengths over their mean: lengthens queues under a rate."""
    prefix_cache_hit_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    reasoning_multiple: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Hidden reasoning tokens per token of ``output_tokens``."""
    calls_per_task: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Calls of an agent that follow each other; ``input_tokens`` are those of the first."""
    context_growth_tokens: Annotated[int, Field(ge=0, le=MOST)] | None = None
    """What each call adds to the next one's prompt: its answer (the default) and what tools return."""
    tool_wait_s: Annotated[float, Field(ge=0, le=MOST)] = 0.0
    """Between two calls of a task."""
    prefill_gpus: Gpus | Literal["best"] | None = None
    """Of the deployment's GPUs, those that only read prompts; the others decode. ``best`` looks for the most
    requests per second."""
    prefill_tp: Gpus | None = None
    """GPUs of a prefill replica in each stage: ``tp`` where it is not given, and ``ep / 2`` at least."""
    decode_tp: Gpus | None = None
    kv_transfer_gb_per_s: Amount | None = None
    """What one GPU sends of a prompt's cache to the decoding ones (10^9 bytes per second)."""
    speculative: Speculative | None = None
    slo: Slo = Slo()
    offer: Name | None = None
    usd_per_gpu_hour: Amount | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        given = {name: value for name, value in data.items() if value is not None}
        for name in given.keys() - cls.model_fields.keys():
            raise UnknownNameError("field of a case", str(name), cls.model_fields)
        return given

    @model_validator(mode="after")
    def _one_model(self) -> "Case":
        if (self.model is None) == (self.config is None):
            msg = "give either 'model' (a catalog id) or 'config' (a Hugging Face config object)"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _belongs_together(self) -> "Case":
        drafted = self.speculative.draft_tokens if self.speculative else self.draft_tokens
        problems = {
            "max_loras and lora_targets need lora_rank": self.lora_rank is None
            and (self.max_loras is not None or self.lora_targets is not None),
            "shared_prefix_tokens needs prefix caching, which enable_prefix_caching turns off":
                self.shared_prefix_tokens > 0 and self.enable_prefix_caching is False,
            "draft_weights_dtype needs draft_model": self.draft_weights_dtype is not None
            and self.draft_model is None,
            "give either draft_model or mtp: one of them drafts": self.mtp and self.draft_model is not None,
            f"draft_tokens is {self.draft_tokens}, but speculative says {drafted}: give one of them":
                self.draft_tokens not in (None, drafted),
            "context_growth_tokens and tool_wait_s need calls_per_task": self.calls_per_task == 1
            and (self.context_growth_tokens is not None or self.tool_wait_s > 0),
            "prefill_tp, decode_tp and kv_transfer_gb_per_s need prefill_gpus": self.prefill_gpus is None
            and bool(self.prefill_tp or self.decode_tp or self.kv_transfer_gb_per_s),
        }  # fmt: skip
        if found := [words for words, wrong in problems.items() if wrong]:
            raise ValueError("; ".join(found))
        return self

    @classmethod
    def read(cls, data: object) -> "Case":
        """Return the checked case, or raise an ``InferplanError`` that names every field that is wrong."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            problems = (
                f"{'.'.join(map(str, found['loc'])) or 'case'}: {found['msg'].removeprefix('Value error, ')}"
                + (f" (found {found['input']!r:.80})" if found["loc"] else "")
                for found in error.errors()
            )
            raise InferplanError("; ".join(problems)) from None

    def architecture(self) -> Architecture:
        """Return the model's architecture, from the catalog or from the inline config."""
        if self.model is not None:
            return _catalog_architecture(catalog.model_id(self.model))
        return parse(self.config or {}, name=str((self.config or {}).get("_name_or_path", "")))

    def deployment(self) -> Deployment:
        """Return the deployment with model and GPU looked up."""
        gpu = catalog.gpu(self.gpu)
        if self.gpu_memory_gib is not None:
            gpu = gpu.model_copy(
                update={
                    "memory_total_bytes": round(self.gpu_memory_gib * GIB),
                    "memory_total_basis": "given with the case",
                }
            )
        return Deployment(
            architecture=self.architecture(),
            gpu=gpu,
            engine=self.engine,
            engine_version=self.engine_version,
            tp=self.tp,
            pp=self.pp,
            dp=self.dp,
            ep=self.ep,
            weights_dtype=self.weights_dtype,
            kv_dtype=self.kv_dtype,
            gpu_memory_utilization=self.gpu_memory_utilization,
            max_model_len=self.max_model_len,
            max_num_batched_tokens=self.max_num_batched_tokens,
            max_num_seqs=self.max_num_seqs,
            enforce_eager=self.enforce_eager,
            options=self.memory_options(),
            pools=self._pools(),
        )

    def pool_replicas(self) -> tuple[int, int]:
        """Return the GPUs of a prefill and of a decode replica in each pipeline stage."""
        usual = max(self.tp, self.ep // 2)
        return self.prefill_tp or usual, self.decode_tp or usual

    def _pools(self) -> Pools | None:
        if self.prefill_gpus is None:
            return None
        prefill_tp, decode_tp = self.pool_replicas()
        return Pools(
            prefill_gpus=None if self.prefill_gpus == "best" else self.prefill_gpus,
            prefill_tp=prefill_tp,
            decode_tp=decode_tp,
            link_bytes_per_s=None if self.kv_transfer_gb_per_s is None else self.kv_transfer_gb_per_s * GB,
        )

    def memory_options(self) -> MemoryOptions:
        """Return what decides memory beside sizes and limits, with the draft model looked up."""
        lora = None
        if self.lora_rank is not None:
            lora = Lora(self.lora_rank, self.max_loras or 1, self.lora_targets or Lora.roles)
        draft = None
        if self.draft_model is not None:
            draft = _catalog_architecture(catalog.model_id(self.draft_model))
        drafted = self.speculative.draft_tokens if self.speculative else self.draft_tokens
        return MemoryOptions(
            prefix_caching=self.enable_prefix_caching,
            block_tokens=self.block_size,
            hybrid_manager=False if self.disable_hybrid_kv_cache_manager else None,
            decode_context_parallel=self.decode_context_parallel_size,
            shared_prefix_tokens=self.shared_prefix_tokens,
            nodes=self.nodes,
            vision=not self.language_model_only,
            lora=lora,
            draft=draft,
            draft_weights_dtype=self.draft_weights_dtype,
            draft_tokens=drafted or 0,
            mtp=self.mtp,
        )

    def workload(self) -> Workload:
        """Return the load; raises ``InferplanError`` when the case does not describe one."""
        if self.input_tokens is None or self.output_tokens is None:
            msg = "an estimate needs input_tokens and output_tokens"
            raise InferplanError(msg)
        if self.concurrency is not None and self.request_rate is not None:
            msg = "give either concurrency or request_rate, not both"
            raise InferplanError(msg)
        concurrency = self.concurrency if self.concurrency or self.request_rate else "max"
        call = mean_call(
            self.input_tokens,
            self.output_tokens,
            reasoning_multiple=self.reasoning_multiple,
            calls=self.calls_per_task,
            growth_tokens=self.context_growth_tokens,
            first_cached_share=self.prefix_cache_hit_rate,
            prefix_caching=self.enable_prefix_caching is not False,
        )
        return Workload(
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            visible_output_tokens=self.output_tokens if self.reasoning_multiple else None,
            concurrency=concurrency,
            request_rate_per_s=self.request_rate,
            prefix_cache_hit_rate=call.cached_share,
            speculative=self.speculative,
            length_variation=self.length_variation,
            calls_per_task=self.calls_per_task,
            longest_input_tokens=call.longest_input_tokens if self.calls_per_task > 1 else None,
            tool_wait_s=self.tool_wait_s,
            slo=self.slo,
        )


@lru_cache(maxsize=64)
def _catalog_architecture(model: str) -> Architecture:
    return parse(catalog.model_config(model), name=model)
