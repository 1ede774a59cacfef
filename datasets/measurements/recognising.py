"""What a file says of the deployment, in whatever words: recognised through the catalog, or left open."""

import math
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from inferplan.datasets import catalog
from inferplan.datasets.engines import engines
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.measurements.run import LONGEST, Deployed

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "model": ("model", "model_id", "model_name", "model_path", "served_model_name"),
    "gpu": ("gpu", "gpu_name", "gpu_type", "gpu_model", "accelerator", "hardware"),
    "engine": ("engine", "backend", "framework", "server"),
    "engine_version": ("engine_version", "vllm_version", "sglang_version", "framework_version", "version"),
    "tp": ("tp", "tp_size", "tensor_parallel", "tensor_parallel_size"),
    "pp": ("pp", "pp_size", "pipeline_parallel", "pipeline_parallel_size"),
    "dp": ("dp", "dp_size", "data_parallel", "data_parallel_size", "replicas"),
    "ep": ("ep", "ep_size", "expert_parallel", "expert_parallel_size"),
    "weights_dtype": ("weights_dtype", "quantization", "weight_format", "precision"),
    "kv_dtype": ("kv_dtype", "kv_cache_dtype"),
}
"""Names under which tools, and people with ``--metadata``, write a field."""
_ENGINES = {
    "trt": "tensorrt-llm",
    "trtllm": "tensorrt-llm",
    "tensorrtllm": "tensorrt-llm",
    "llamacpp": "llama.cpp",
}
_ENDPOINT = re.compile(r"[-_](oai|native|chat|openai)([-_]chat)?$")
_NOTHING = ("", "none", "null", "auto", "default", "unknown")


def deployed(said: Mapping[str, Any]) -> Deployed:
    """Return what the fields of ``said`` tell; a name that no catalog knows is as good as none."""
    found: dict[str, Any] = {}
    folded = {str(name).strip().casefold().replace("-", "_"): value for name, value in said.items()}
    for field, names in SPELLINGS.items():
        texts = (text_of(folded.get(name)) for name in names)
        known = (_known(field, text) for text in texts if text)
        found[field] = next((value for value in known if value is not None), None)
    return Deployed.model_validate(found)


def answered(given: Mapping[str, object]) -> Deployed:
    """Return what a person says of the deployment, with names as the catalog writes them.

    Raises
    ------
    UnknownNameError
        For a model, GPU or engine that is not known, with the nearest names.
    InferplanError
        For a size that cannot be.
    """
    said = {name: value for name, value in given.items() if value is not None}
    if "model" in said:
        said["model"] = catalog.model_id(str(said["model"]))
    if "gpu" in said:
        said["gpu"] = catalog.gpu(str(said["gpu"])).name
    if "engine" in said:
        name = str(said["engine"])
        said["engine"] = engine_named(name)
        if said["engine"] is None:
            raise UnknownNameError("engine", name, engines())
    try:
        return Deployed.model_validate(said)
    except ValidationError as error:
        problem = error.errors()[0]
        msg = f"{problem['loc'][0]} is {problem['input']!r:.40}: {problem['msg']}"
        raise InferplanError(msg) from None


def _known(field: str, text: str) -> str | int | None:
    if field in ("tp", "pp", "dp", "ep"):
        return int(text) if re.fullmatch(r"[1-9]\d{0,2}", text) else None
    if field == "engine":
        return engine_named(text)
    if field in ("model", "gpu"):
        try:
            return catalog.model_id(text) if field == "model" else catalog.gpu(text).name
        except InferplanError:
            return None
    return text if text.casefold() not in _NOTHING else None


def engine_named(text: str) -> str | None:
    """Return the engine that a backend's name tells, ``None`` for one that many engines speak.

    >>> engine_named("vllm-chat"), engine_named("openai")
    ('vllm', None)
    """
    name = _ENDPOINT.sub("", text.strip().casefold())
    name = _ENGINES.get(re.sub(r"[^a-z]", "", name), name)
    return name if name in engines() else None


def text_of(value: object) -> str | None:
    """Return a short text or number as text, ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= LONGEST else None


def amount(value: object) -> float | None:
    """Return a positive, finite number, also one written as text; ``None`` for anything else.

    >>> amount("1,234.5"), amount(0), amount("inf"), amount(True)
    (1234.5, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value.replace(",", "") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return number if 0 < number < math.inf else None


def seconds(milliseconds: object) -> float | None:
    """Return positive milliseconds as seconds, ``None`` for anything else."""
    found = amount(milliseconds)
    return None if found is None else found / 1000


def inside(value: object, *path: str | int) -> Any:
    """Return what lies at ``path`` in nested objects and lists, ``None`` where there is nothing."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and len(value) > step else None
    return value


def mapping(value: object, *path: str | int) -> dict[str, Any]:
    """Return the object at ``path``, an empty one where there is none."""
    found = inside(value, *path)
    return found if isinstance(found, dict) else {}


def members(value: object, *path: str | int) -> list[Any]:
    """Return the members of the list or object at ``path``, none where there is neither."""
    found = inside(value, *path)
    if isinstance(found, dict):
        return list(found.values())
    return found if isinstance(found, list) else []
