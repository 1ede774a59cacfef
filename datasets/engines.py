"""What each serving engine allocates, by version: typed access to ``facts/engines.toml``."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.schema import Row

FACTS = Path(__file__).parent / "facts" / "engines.toml"
_VERSION = re.compile(r"(?<![\w.])v?(\d+(?:\.(?:\d+x?|x))+)", re.IGNORECASE)
_GENERATION = re.compile(r"\bv([01])\b", re.IGNORECASE)
_BUILD_OF_MAIN = re.compile(r"\b0\.1\.dev|\bmain\b|\bnightly\b", re.IGNORECASE)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = re.compile(rf"\b({'|'.join(_MONTHS)})[a-z]*\.?\s+(20\d\d)|\b(20\d\d)-(\d\d)\b", re.IGNORECASE)

Version = tuple[int, ...]
PositiveGib = Annotated[float, Field(ge=0)]


class BatchDefault(Row):
    """Batch limits that an engine chooses on GPUs of at least ``min_gpu_gib``."""

    min_gpu_gib: PositiveGib
    batched_tokens: int
    sequences: int
    except_gpus: tuple[str, ...] = ()
    """Beginnings of GPU names that keep the smaller default."""


class EngineProfile(Row):
    """Memory behaviour of one engine from version ``since`` on; every figure's source is in the file."""

    engine: str
    since: str
    released: str
    label: str
    memory_share: Annotated[float, Field(gt=0, le=1)]
    memory_share_of: Literal["total", "free_before_load", "free_after_load"]
    block_tokens: int
    mla_page_tokens: int | None = None
    printed_tokens: Literal["blocks", "blocks_over_groups", "concurrency", "pool"]
    concurrency: Literal["tokens", "blocks_per_request"]
    sampler_bytes_per_logit: float
    sampler_rows: int | None = None
    """Rows that the sampler is profiled with; ``None``: the most sequences of a batch."""
    sampler_in_chunked_prefill: bool
    prefill_without_chunks: bool
    chunked_prefill_above_tokens: int | None = None
    chunked_prefill_batch_tokens: int | None = None
    prefill_residual_widths: float
    tensor_parallel_residual_widths: float = 0.0
    vision_profiled: bool = False
    vision_patches_per_token: int = 0
    vision_residual_widths: float = 0.0
    vision_item_tokens: Mapping[str, int] = {}
    """Tokens of the largest image by model type, where it is larger than a batch."""
    batch_defaults: tuple[BatchDefault, ...]
    cuda_graphs_in_budget: bool
    cuda_graph_gib: PositiveGib
    non_torch_gib_by_tp: tuple[tuple[int, float], ...]
    second_node_gib: PositiveGib = 0.0
    load_overhead_gib: PositiveGib = 0.0
    """What loading takes beside the weights, where the engine prints both as one."""
    mxfp4_expert_multiples: Mapping[str, tuple[int, int]] = {}
    """By GPU architecture: multiples that an expert's width per GPU and the hidden size are padded to."""
    auto_cache_by_weights: Mapping[str, str] = {}
    """Cache type that "auto" is, by the beginning of the weights' format; others keep the model's own."""
    hybrid_manager: bool
    chunked_windows_capped: bool
    batches_in_flight: int = 1
    """Scheduler steps whose tokens a window keeps until they are settled."""
    window_pool_ratio: float | None = None
    state_pool_ratio: float | None = None
    mla: Literal["latent", "expanded"]
    mla_expanded_head_dim: int | None = None
    mla_entry_multiple: int = 1
    state_prefix_caching: bool
    state_draft_pages: bool
    state_block_alignment_tokens: int
    group_padding_ratio: float
    layer_split: bool = False
    legacy_gpu_architectures: tuple[str, ...] = ()
    legacy_as: str | None = None
    reserve_decides_share: bool = False
    reserve_mib_constant: float = 0
    reserve_mib_per_prefill_token: float = 0
    reserve_mib_per_graph_sequence: float = 0
    reserve_mib_per_eight_gpus: float = 0
    reserve_mib_floor: float = 0
    reserve_floor_from_gib: float = 0

    def batch_default(self, gpu: str, gpu_gib: float) -> BatchDefault:
        """Return the batch limits on a GPU of that name and size (GiB)."""
        fitting = [
            default
            for default in self.batch_defaults
            if gpu_gib >= default.min_gpu_gib and not gpu.startswith(default.except_gpus or ("\0",))
        ]
        return max(fitting, key=lambda default: default.min_gpu_gib)

    def non_torch_gib(self, tensor_parallel: int) -> float:
        """Return GiB outside of the framework's allocator: context, NCCL; the next listed size decides."""
        larger = [gib for size, gib in self.non_torch_gib_by_tp if size >= tensor_parallel]
        return larger[0] if larger else self.non_torch_gib_by_tp[-1][1]


class DriverReserve(Row):
    """Memory that nvidia-smi counts and CUDA does not report."""

    vendor: str
    bases: tuple[str, ...]
    """What a total rests on where this much is to be taken off."""
    unified_memory: tuple[str, ...]
    """GPUs whose total is right as it is."""
    reserved_gib_from_gib: tuple[tuple[float, float], ...]

    def gib(self, total_gib: float) -> float:
        """Return GiB that CUDA reports less than nvidia-smi does for a card of ``total_gib``."""
        return [gib for from_gib, gib in self.reserved_gib_from_gib if total_gib >= from_gib][-1]


def engines() -> tuple[str, ...]:
    """Return the names of the engines that have a profile."""
    return tuple(name for name, tables in _facts().items() if isinstance(tables, list))


@cache
def driver_reserve() -> DriverReserve:
    """Return what the driver keeps of a card's memory."""
    return DriverReserve.model_validate(_facts()["driver"])


@cache
def profiles(engine: str) -> tuple[EngineProfile, ...]:
    """Return the profiles of ``engine``, oldest first; each inherits what it does not state.

    Raises
    ------
    UnknownNameError
        If no such engine has a profile.
    """
    if engine not in engines():
        raise UnknownNameError("engine", engine, engines())
    merged: dict[str, Any] = {"engine": engine}
    found = []
    for table in _facts()[engine]:
        merged = {**merged, **table}
        found.append(EngineProfile.model_validate(merged))
    return tuple(found)


def profile(engine: str, version: str | None = None, gpu_architecture: str = "") -> tuple[EngineProfile, str]:
    """Return the profile of an engine's version and what to say about the choice.

    ``version`` may be what people and logs write: ``0.6.3.post1``, ``v0.11.0rc1``, ``0.14-0.15``, ``0.2x``,
    ``V0``, or a build of the main branch with its month (``main Dec 2025``). Without a version, or with
    one that cannot be read, the newest profile is used and the words say so.

    Raises
    ------
    UnknownNameError
        If no such engine has a profile.

    Examples
    --------
    >>> profile("vllm", "v0.11.0rc1")[0].since
    '0.10.2'
    >>> profile("vllm", "0.8.5", "Turing")[0].label
    'V0 with latent attention'
    """
    known = profiles(engine)
    chosen, words = _by_version(engine, known, (version or "").strip())
    if gpu_architecture in chosen.legacy_gpu_architectures and chosen.legacy_as:
        legacy = next(entry for entry in known if entry.since == chosen.legacy_as)
        return legacy, f"{words}; on {gpu_architecture} GPUs it ran as {legacy.label}"
    return chosen, words


def _by_version(engine: str, known: tuple[EngineProfile, ...], version: str) -> tuple[EngineProfile, str]:
    newest = known[-1]
    fallback = f"{engine} {newest.since} and later"
    if not version:
        return newest, f"{fallback} (no version given: the newest known)"
    if _BUILD_OF_MAIN.search(version):
        month = _month(version)
        then = [entry for entry in known if entry.released <= month] if month else []
        chosen = then[-1] if then else newest
        return chosen, f"{engine} {chosen.since} (nearest to {version!r})"
    numbers = _numbers(version)
    if numbers is None:
        generation = _GENERATION.search(version)
        same = [entry for entry in known if generation and entry.label.startswith(f"V{generation[1]}")]
        if same:
            return same[-1], f"{engine} {same[-1].since} (newest {same[-1].label.split()[0].rstrip(',')})"
        return newest, f"{fallback} (version {version!r} is not understood: the newest known)"
    reached = [entry for entry in known if _exact(entry.since) <= numbers]
    chosen = reached[-1] if reached else known[0]
    return chosen, f"{engine} {version}: behaves as since {chosen.since}"


def _numbers(text: str) -> Version | None:
    """Return the first version number in ``text``; an ``x`` counts as the lowest of its digits."""
    found = _VERSION.search(text)
    if not found:
        return None
    return _exact(found[1].lower())


def _exact(number: str) -> Version:
    parts = [part.replace("x", "0") for part in number.split(".")]
    return tuple(int(part) for part in [*parts, "0", "0"][: max(3, len(parts))])


def _month(text: str) -> str | None:
    """Return the month named in ``text`` as YYYY-MM."""
    found = _MONTH.search(text)
    if not found:
        return None
    if found[1]:
        return f"{found[2]}-{_MONTHS.index(found[1].lower()[:3]) + 1:02d}"
    return f"{found[3]}-{found[4]}"


@cache
def _facts() -> dict[str, Any]:
    with FACTS.open("rb") as file:
        return tomllib.load(file)
