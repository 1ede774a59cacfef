"""One question about one deployment, in the words of the JSON contract: what a plan stores."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.schema import GIB, Row
from inferplan.planner.architecture import Architecture, parse
from inferplan.planner.deployment import Deployment, EngineName
from inferplan.planner.workload import Slo, Speculative, Workload

Count = Annotated[int, Field(ge=1)]


class Case(Row):
    """Inputs of ``fit`` and ``estimate``; field names are the contract's (docs/cli.md)."""

    id: str | int | None = None
    model: str | None = None
    """Catalog id; or give ``config``."""
    config: dict[str, Any] | None = None
    """A Hugging Face config object."""
    gpu: str
    """Catalog name."""
    gpu_memory_gib: Annotated[float, Field(gt=0)] | None = None
    """Total as the driver reports it, where it differs from the catalog's."""
    engine: EngineName = "vllm"
    engine_version: str | None = None
    tp: Count = 1
    pp: Count = 1
    dp: Count = 1
    ep: Count = 1
    weights_dtype: str | None = None
    kv_dtype: str = "auto"
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    max_model_len: Count | None = None
    max_num_batched_tokens: Count | None = None
    max_num_seqs: Count | None = None
    enforce_eager: bool = False
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    concurrency: Count | Literal["max"] | None = None
    request_rate: Annotated[float, Field(gt=0)] | None = None
    """Requests per second offered to the whole deployment."""
    prefix_cache_hit_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    speculative: Speculative | None = None
    slo: Slo = Slo()
    offer: str | None = None
    usd_per_gpu_hour: Annotated[float, Field(gt=0)] | None = None

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
            return parse(catalog.model_config(self.model), name=self.model)
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
        return Workload(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            concurrency=concurrency,
            request_rate_per_s=self.request_rate,
            prefix_cache_hit_rate=self.prefix_cache_hit_rate,
            speculative=self.speculative,
        )
