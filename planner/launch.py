"""The command line and the Kubernetes manifest that reproduce a deployment."""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from inferplan.datasets.errors import InferplanError
from inferplan.planner.deployment import Deployment

PORT = 8000
LONGEST_NAME = 63  # RFC 1123 label, which Kubernetes names must be
SHARED_MEMORY_GIB = 16  # NCCL and workers share tensors over /dev/shm, docs.vllm.ai deployment/k8s
_IMAGES: Mapping[str, str] = {
    "vllm": "vllm/vllm-openai",
    "sglang": "lmsysorg/sglang",
    "tensorrt-llm": "nvcr.io/nvidia/tensorrt-llm/release",
    "llama.cpp": "ghcr.io/ggml-org/llama.cpp",
}
_VLLM_QUANTIZATION: Mapping[str, str] = {
    "fp8": "fp8",
    "bnb-4bit": "bitsandbytes",
    "mxfp8": "mxfp8",
}
"""Formats that vLLM makes at load from a 16-bit checkpoint; the others come from the checkpoint itself."""
_DTYPES: Mapping[str, str] = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
_LISTEN = ("--host", "0.0.0.0", "--port", str(PORT))
_VERSION = re.compile(r"v?(\d+(?:\.\d+)+(?:\.?(?:post|rc|dev)\d+)?)")


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


def kubernetes_manifest(deployment: Deployment, *, max_model_len: int | None = None) -> dict[str, Any]:
    """Return a Deployment for Kubernetes whose pod runs the command on one machine's GPUs.

    Pipeline stages and tensor-parallel ranks must be in one pod; replicas are the data-parallel size. It is
    plain data: YAML readers accept its JSON (``json.dumps``).
    """
    labels = {"app.kubernetes.io/name": _manifest_name(deployment)}
    template = {"metadata": {"labels": labels}, "spec": _pod(deployment, max_model_len)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": _manifest_name(deployment), "labels": labels},
        "spec": {"replicas": deployment.dp, "selector": {"matchLabels": labels}, "template": template},
    }


def kserve_manifest(deployment: Deployment, *, max_model_len: int | None = None) -> dict[str, Any]:
    """Return a KServe InferenceService with the same pod as its predictor, at a fixed number of replicas."""
    predictor = {
        "minReplicas": deployment.dp,
        "maxReplicas": deployment.dp,
        **_pod(deployment, max_model_len),
    }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": _manifest_name(deployment)},
        "spec": {"predictor": predictor},
    }


def kubernetes_yaml(deployment: Deployment, *, max_model_len: int | None = None) -> str:
    """Return the manifest as text for ``kubectl apply -f -``."""
    return "\n".join(_yaml(kubernetes_manifest(deployment, max_model_len=max_model_len))) + "\n"


def kserve_yaml(deployment: Deployment, *, max_model_len: int | None = None) -> str:
    """Return the InferenceService as text for ``kubectl apply -f -``."""
    return "\n".join(_yaml(kserve_manifest(deployment, max_model_len=max_model_len))) + "\n"


def _manifest_name(deployment: Deployment) -> str:
    name = deployment.architecture.name.rsplit("/", 1)[-1].casefold()
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:LONGEST_NAME].strip("-")


def _pod(deployment: Deployment, max_model_len: int | None) -> dict[str, Any]:
    command = launch_command(_one_replica(deployment), max_model_len=max_model_len)
    gpus = {_gpu_resource(deployment): str(deployment.tp * deployment.pp)}
    container = {
        "name": "kserve-container",
        "image": f"{_IMAGES[deployment.engine]}:{_tag(deployment)}",
        "command": command[:1],
        "args": [*command[1:], *_LISTEN],
        "ports": [{"containerPort": PORT, "name": "http"}],
        "resources": {"limits": gpus, "requests": gpus},
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 10},
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
    }
    shared_memory = {"medium": "Memory", "sizeLimit": f"{SHARED_MEMORY_GIB}Gi"}
    return {"containers": [container], "volumes": [{"name": "shm", "emptyDir": shared_memory}]}


def _gpu_resource(deployment: Deployment) -> str:
    return {"AMD": "amd.com/gpu", "Intel": "habana.ai/gaudi"}.get(deployment.gpu.vendor, "nvidia.com/gpu")


def _vllm(deployment: Deployment, context: int | None) -> list[str]:
    weights = (deployment.weights_dtype or "").casefold()
    options: list[tuple[str, object | None]] = [
        ("--quantization", _VLLM_QUANTIZATION.get(weights) if _is_16_bit(deployment) else None),
        ("--dtype", _DTYPES.get(weights)),
        ("--tensor-parallel-size", _above_one(deployment.tp)),
        ("--pipeline-parallel-size", _above_one(deployment.pp)),
        ("--data-parallel-size", _above_one(deployment.dp)),
        ("--kv-cache-dtype", None if deployment.kv_dtype == "auto" else deployment.kv_dtype),
        ("--max-model-len", context),
        ("--max-num-seqs", deployment.max_num_seqs),
        ("--max-num-batched-tokens", deployment.max_num_batched_tokens),
        ("--gpu-memory-utilization", deployment.gpu_memory_utilization),
    ]
    flags = ["--enable-expert-parallel"] if deployment.ep > 1 else []
    flags += ["--enforce-eager"] if deployment.enforce_eager else []
    return ["vllm", "serve", deployment.architecture.name, *_given(options), *flags]


def _sglang(deployment: Deployment, context: int | None) -> list[str]:
    weights = (deployment.weights_dtype or "").casefold()
    kv_dtype = {"auto": None, "fp8": "fp8_e4m3"}.get(deployment.kv_dtype, deployment.kv_dtype)
    options: list[tuple[str, object | None]] = [
        ("--model-path", deployment.architecture.name),
        ("--quantization", weights if weights == "fp8" and _is_16_bit(deployment) else None),
        ("--dtype", _DTYPES.get(weights)),
        ("--tp-size", _above_one(deployment.tp)),
        ("--pp-size", _above_one(deployment.pp)),
        ("--dp-size", _above_one(deployment.dp)),
        ("--ep-size", _above_one(deployment.ep)),
        ("--kv-cache-dtype", kv_dtype),
        ("--context-length", context),
        ("--max-running-requests", deployment.max_num_seqs),
        ("--chunked-prefill-size", deployment.max_num_batched_tokens),
        ("--mem-fraction-static", deployment.gpu_memory_utilization),
    ]
    flags = ["--disable-cuda-graph"] if deployment.enforce_eager else []
    return ["python", "-m", "sglang.launch_server", *_given(options), *flags]


def _tensorrt_llm(deployment: Deployment, context: int | None) -> list[str]:
    options: list[tuple[str, object | None]] = [
        ("--tp_size", _above_one(deployment.tp)),
        ("--pp_size", _above_one(deployment.pp)),
        ("--ep_size", _above_one(deployment.ep)),
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
    options: list[tuple[str, object | None]] = [
        ("-hf", f"{name}:{format_name.upper()}" if format_name else name),
        ("--ctx-size", (context or deployment.architecture.max_position_tokens or 0) * slots),
        ("--parallel", _above_one(slots)),
        ("--n-gpu-layers", 999),
        ("--cache-type-k", kv_dtype),
        ("--cache-type-v", kv_dtype),
        ("--ubatch-size", deployment.max_num_batched_tokens),
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


def _given(options: list[tuple[str, object | None]]) -> list[str]:
    return [word for name, value in options if value is not None for word in (name, str(value))]


def _above_one(size: int) -> int | None:
    return size if size > 1 else None


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
    return tuple(notes)


def _one_replica(deployment: Deployment) -> Deployment:
    """Return the deployment of one pod: replicas are Kubernetes' business."""
    return replace(deployment, dp=1)


def _tag(deployment: Deployment) -> str:
    if deployment.engine == "llama.cpp":
        return "server-cuda"
    found = _VERSION.search(deployment.engine_version or "")
    if not found:
        return "latest"
    return found[1] if deployment.engine == "tensorrt-llm" else f"v{found[1]}"


def _yaml(value: Any, indent: str = "") -> Iterator[str]:
    """Yield lines of block YAML for mappings, lists, strings and numbers."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _yaml_entry(f"{indent}{key}:", item, f"{indent}  ")
    else:
        for item in value:
            lines = list(_yaml(item, f"{indent}  ")) if isinstance(item, dict | list) else [json.dumps(item)]
            yield f"{indent}- {lines[0].strip()}"
            yield from lines[1:]


def _yaml_entry(head: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, dict | list):
        yield head
        yield from _yaml(item, indent)
    else:
        yield f"{head} {json.dumps(item)}"
