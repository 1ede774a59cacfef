"""Manifests that start a deployment on Kubernetes, plain or under KServe."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from inferplan.planner.deployment import Deployment
from inferplan.planner.launch.commands import launch_command

PORT = 8000
LONGEST_NAME = 63  # RFC 1123 label, which Kubernetes names must be
SHARED_MEMORY_GIB = 16  # NCCL and workers share tensors over /dev/shm, docs.vllm.ai deployment/k8s
_IMAGES: Mapping[str, str] = {
    "vllm": "vllm/vllm-openai",
    "sglang": "lmsysorg/sglang",
    "tensorrt-llm": "nvcr.io/nvidia/tensorrt-llm/release",
    "llama.cpp": "ghcr.io/ggml-org/llama.cpp",
}
_LISTEN = ("--host", "0.0.0.0", "--port", str(PORT))
_VERSION = re.compile(r"v?(\d+(?:\.\d+)+(?:\.?(?:post|rc|dev)\d+)?)")


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
