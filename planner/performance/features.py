"""What sets one deployment's efficiency apart from another's, as named numbers."""

import math
import re
from collections.abc import Mapping
from functools import lru_cache

from inferplan.datasets.schema import Gpu
from inferplan.planner.architecture import Architecture
from inferplan.planner.deployment import Deployment
from inferplan.planner.performance.links import link
from inferplan.planner.quantization import storage

_NUMBERS = re.compile(r"\d+")
V0_BEFORE = (0, 8)  # vLLM's V1 engine became the default in 0.8.0: release notes v0.8.0
FIRST_SCHEDULERS_BEFORE = (0, 3)  # vLLM of 2023: no CUDA graphs, python scheduling per token
PYTORCH_SINCE = (0, 20)  # TensorRT-LLM's PyTorch backend: release notes v0.20

MATRIX_SIZE = "matrix size"
"""Doublings of a side of one GPU's matrices: large ones come nearer to the ceilings."""
TYPICAL_PARAMETERS = 5e7
"""Of a layer on one GPU, without experts: those of 8 billion parameters on four."""
PYTHON_SCHEDULERS = ("vllm of 2023", "vllm V0")
ERAS = (*PYTHON_SCHEDULERS, "tensorrt-llm C++")

_GENERATION = (
    (("rubin",), "rubin"),
    (("blackwell",), "blackwell"),
    (("hopper",), "hopper"),
    (("ada",), "ada"),
    (("ampere",), "ampere"),
    (("turing", "volta", "pascal"), "volta"),
    (("cdna", "rdna"), "amd"),
)


def generation(gpu: Gpu) -> str:
    """Return the family of ``gpu``; workstation Blackwell counts apart from the data centre's.

    >>> from inferplan.datasets import catalog
    >>> generation(catalog.gpu("B300")), generation(catalog.gpu("RTX 5090"))
    ('blackwell', 'blackwell rtx')
    """
    name = gpu.architecture.casefold()
    found = next((family for words, family in _GENERATION if any(w in name for w in words)), "other")
    on_a_card = (gpu.memory_type or "").upper().startswith(("GDDR", "LPDDR"))
    return "blackwell rtx" if found == "blackwell" and on_a_card else found


def features(deployment: Deployment) -> Mapping[str, float]:
    """Return the features of ``deployment`` that are not 0."""
    architecture, gpu = deployment.architecture, deployment.gpu
    gpus = max(deployment.tp, deployment.tp * deployment.dp if deployment.ep > 1 else 1)
    bits = _bits(deployment)
    found: dict[str, float] = {"all": 1.0, f"engine {deployment.engine}": 1.0}
    found[f"gpu {generation(gpu)}"] = found[f"type {gpu.name}"] = 1.0
    found[MATRIX_SIZE] = math.log2(_layer_parameters(architecture) / deployment.tp / TYPICAL_PARAMETERS) / 2
    found["weights 16 bit" if bits > 12 else "weights 8 bit" if bits > 6 else "weights 4 bit"] = 1.0
    era = _era(deployment)
    if era:
        found[era] = 1.0
    if architecture.experts:
        found["experts"] = 1.0
        found[f"experts, engine {deployment.engine}"] = 1.0
    if deployment.kv_dtype.startswith("fp8"):
        found["cache 8 bit"] = 1.0
    kind = link(gpu, gpus).kind
    if kind != "none":
        found["several gpus"] = 1.0
        found[f"link {kind}"] = 1.0
        found["doublings of gpus"] = float((gpus - 1).bit_length())
    if deployment.ep > 1:
        found["experts apart"] = 1.0
    if deployment.dp > 1 and deployment.ep > 1:
        found["attention apart"] = 1.0
    if deployment.pp > 1:
        found["stages"] = 1.0
    return found


@lru_cache(maxsize=256)
def _layer_parameters(architecture: Architecture) -> float:
    """Return the parameters of a layer that every token passes, on average."""
    dense = sum(
        tensor.elements
        for tensor in architecture.tensors
        if tensor.part == "language_model" and tensor.role not in ("expert", "embedding", "lm_head")
    )
    return dense / len(architecture.layers)


def _bits(deployment: Deployment) -> float:
    """Return about how many bits a weight takes, from the format's name."""
    name = storage(deployment.architecture, deployment.weights_dtype).name
    if any(part in name for part in ("fp8", "int8", "8bit", "q8", "q6")):
        return 8.0
    return 16.0 if name in ("bf16", "fp16", "fp32", "gguf-f16", "gguf-bf16", "gguf-f32") else 4.0


def _era(deployment: Deployment) -> str | None:
    """Return the era of the engine where it differs from today's."""
    version = tuple(int(number) for number in _NUMBERS.findall(deployment.engine_version or "")[:2])
    if not version:
        return None
    if deployment.engine == "vllm":
        if version[0] == 2023 or version < FIRST_SCHEDULERS_BEFORE:
            return "vllm of 2023"
        return "vllm V0" if version < V0_BEFORE else None
    if deployment.engine == "tensorrt-llm" and version < PYTORCH_SINCE:
        return "tensorrt-llm C++"
    return None
