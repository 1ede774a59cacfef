"""The command line that starts a deployment."""

import shlex
from collections.abc import Callable, Mapping

from inferplan.datasets.errors import InferplanError
from inferplan.planner.deployment import Deployment
from inferplan.planner.launch.options import (
    Option,
    above_one,
    llama_cpp_options,
    option_notes,
    sglang_flags,
    sglang_options,
    vllm_flags,
    vllm_options,
)

_VLLM_QUANTIZATION: Mapping[str, str] = {
    "fp8": "fp8",
    "bnb-4bit": "bitsandbytes",
    "mxfp8": "mxfp8",
}
"""Formats that vLLM makes at load from a 16-bit checkpoint; the others come from the checkpoint itself."""
_DTYPES: Mapping[str, str] = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


def launch_command(deployment: Deployment, *, max_model_len: int | None = None) -> list[str]:
    """Return the arguments that start ``deployment``, the program first.

    ``max_model_len`` replaces the deployment's own where a shorter context is what fits.

    Raises
    ------
    InferplanError
        If the model has no name to load it by.

    Examples
    --------
    >>> from inferplan.datasets import catalog
    >>> from inferplan.planner.architecture import parse
    >>> model = "Qwen/Qwen3-8B"
    >>> gpu = catalog.gpu("L40S")
    >>> deployment = Deployment(parse(catalog.model_config(model), name=model), gpu, tp=2, kv_dtype="fp8")
    >>> " ".join(launch_command(deployment))
    'vllm serve Qwen/Qwen3-8B --tensor-parallel-size 2 --kv-cache-dtype fp8'
    """
    if not deployment.architecture.name:
        msg = "the model has no name: give the id or the folder that the engine shall load"
        raise InferplanError(msg)
    context = max_model_len or deployment.max_model_len
    return _COMMANDS[deployment.engine](deployment, context)


def launch_line(deployment: Deployment, *, max_model_len: int | None = None) -> str:
    """Return the command as a shell line, one option a line."""
    arguments = launch_command(deployment, max_model_len=max_model_len)
    lines: list[str] = []
    for argument in map(shlex.quote, arguments):
        if argument.startswith("-") or not lines:
            lines.append(argument)
        else:
            lines[-1] += f" {argument}"
    return " \\\n  ".join(lines)


def _vllm(deployment: Deployment, context: int | None) -> list[str]:
    weights = (deployment.weights_dtype or "").casefold()
    options: list[Option] = [
        ("--quantization", _VLLM_QUANTIZATION.get(weights) if _is_16_bit(deployment) else None),
        ("--dtype", _DTYPES.get(weights)),
        ("--tensor-parallel-size", above_one(deployment.tp)),
        ("--pipeline-parallel-size", above_one(deployment.pp)),
        ("--data-parallel-size", above_one(deployment.dp)),
        ("--kv-cache-dtype", None if deployment.kv_dtype == "auto" else deployment.kv_dtype),
        ("--max-model-len", context),
        ("--max-num-seqs", deployment.max_num_seqs),
        ("--max-num-batched-tokens", deployment.max_num_batched_tokens),
        ("--gpu-memory-utilization", deployment.gpu_memory_utilization),
        *vllm_options(deployment.options),
    ]
    flags = vllm_flags(deployment.options)
    flags += ["--enable-expert-parallel"] if deployment.ep > 1 else []
    flags += ["--enforce-eager"] if deployment.enforce_eager else []
    return ["vllm", "serve", deployment.architecture.name, *_given(options), *flags]


def _sglang(deployment: Deployment, context: int | None) -> list[str]:
    weights = (deployment.weights_dtype or "").casefold()
    kv_dtype = {"auto": None, "fp8": "fp8_e4m3"}.get(deployment.kv_dtype, deployment.kv_dtype)
    options: list[Option] = [
        ("--model-path", deployment.architecture.name),
        ("--quantization", weights if weights == "fp8" and _is_16_bit(deployment) else None),
        ("--dtype", _DTYPES.get(weights)),
        ("--tp-size", above_one(deployment.tp)),
        ("--pp-size", above_one(deployment.pp)),
        ("--dp-size", above_one(deployment.dp)),
        ("--ep-size", above_one(deployment.ep)),
        ("--kv-cache-dtype", kv_dtype),
        ("--context-length", context),
        ("--max-running-requests", deployment.max_num_seqs),
        ("--chunked-prefill-size", deployment.max_num_batched_tokens),
        ("--mem-fraction-static", deployment.gpu_memory_utilization),
        *sglang_options(deployment.options),
    ]
    flags = ["--disable-cuda-graph"] if deployment.enforce_eager else []
    flags += sglang_flags(deployment.options)
    return ["python", "-m", "sglang.launch_server", *_given(options), *flags]


def _tensorrt_llm(deployment: Deployment, context: int | None) -> list[str]:
    options: list[Option] = [
        ("--tp_size", above_one(deployment.tp)),
        ("--pp_size", above_one(deployment.pp)),
        ("--ep_size", above_one(deployment.ep)),
        ("--max_seq_len", context),
        ("--max_batch_size", deployment.max_num_seqs),
        ("--max_num_tokens", deployment.max_num_batched_tokens),
        ("--kv_cache_free_gpu_memory_fraction", deployment.gpu_memory_utilization),
        ("--kv_cache_dtype", None if deployment.kv_dtype == "auto" else deployment.kv_dtype),
    ]
    return ["trtllm-serve", deployment.architecture.name, *_given(options)]


def _llama_cpp(deployment: Deployment, context: int | None) -> list[str]:
    """Return the server's command; its context is shared by all slots, so it is sequences x context."""
    name = deployment.architecture.name
    format_name = (deployment.weights_dtype or "").casefold().removeprefix("gguf-")
    slots = deployment.max_num_seqs or 1
    kv_dtype = {"auto": None, "fp16": None, "bf16": "bf16", "fp8": "q8_0"}.get(
        deployment.kv_dtype, deployment.kv_dtype
    )
    options: list[Option] = [
        ("-hf", f"{name}:{format_name.upper()}" if format_name else name),
        ("--ctx-size", (context or deployment.architecture.max_position_tokens or 0) * slots),
        ("--parallel", above_one(slots)),
        ("--n-gpu-layers", 999),
        ("--cache-type-k", kv_dtype),
        ("--cache-type-v", kv_dtype),
        ("--ubatch-size", deployment.max_num_batched_tokens),
        *llama_cpp_options(deployment.options),
    ]
    return ["llama-server", *_given(options)]


_COMMANDS: Mapping[str, Callable[[Deployment, int | None], list[str]]] = {
    "vllm": _vllm,
    "sglang": _sglang,
    "tensorrt-llm": _tensorrt_llm,
    "llama.cpp": _llama_cpp,
}


def _is_16_bit(deployment: Deployment) -> bool:
    """Return whether the checkpoint itself is not quantized, so that the engine must do it."""
    return not deployment.architecture.quantization


def _given(options: list[Option]) -> list[str]:
    return [word for name, value in options if value is not None for word in (name, str(value))]


def launch_notes(deployment: Deployment) -> tuple[str, ...]:
    """Return what the command cannot say: which checkpoint to load, more machines than one."""
    notes = []
    weights = (deployment.weights_dtype or "").casefold()
    made_at_load = deployment.engine == "vllm" and weights in _VLLM_QUANTIZATION
    made_at_load |= deployment.engine == "sglang" and weights == "fp8"
    if weights and weights not in _DTYPES and _is_16_bit(deployment) and not made_at_load:
        notes.append(
            f"{deployment.engine} loads {weights} from a checkpoint stored that way:"
            " put its id in place of the model's"
        )
    domain = deployment.gpu.max_nvlink_domain or 1
    if deployment.engine == "llama.cpp" and deployment.tp > 1:
        notes.append(
            "llama.cpp puts whole layers on each GPU it sees; set CUDA_VISIBLE_DEVICES to choose them"
        )
    if deployment.tp > max(domain, 8):
        notes.append(
            f"TP {deployment.tp} spans more than one machine: start the engine's multi-node launcher"
        )
    return (*notes, *option_notes(deployment))
