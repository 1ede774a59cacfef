"""An invented fleet: thirteen GPUs, four weeks, one lesson each. Deterministic; nothing here was measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from zlib import crc32

import numpy as np
import numpy.typing as npt

from inferplan.datasets.uploads.metrics import MIB
from inferplan.datasets.uploads.reading import Labels, Series
from inferplan.datasets.uploads.statistics import RATE

START = datetime(2026, 10, 5, tzinfo=UTC)  # a Monday
DAYS = 28
STEP_S = 300
SEED = 20261005
TTFT_BOUNDS = ("0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf")
"""Some of the buckets that vLLM has."""

_HOUR_US = 3_600_000_000
Array = npt.NDArray[np.float64]
Shape = Literal["busy", "zero", "day_and_night", "office_hours", "flat"]


@dataclass(frozen=True)
class Card:
    """What a GPU of the fleet is: figures as its driver reports them, power bounds invented but plausible."""

    driver_name: str
    memory_mib: int
    idle_w: float
    full_w: float


H100 = Card("NVIDIA H100 80GB HBM3", 81559, 70.0, 690.0)
A100 = Card("NVIDIA A100-SXM4-80GB", 81920, 62.0, 395.0)
L40S = Card("NVIDIA L40S", 46068, 35.0, 330.0)
A10G = Card("NVIDIA A10G", 23028, 22.0, 250.0)


@dataclass(frozen=True)
class Member:
    """One GPU, the process on it, and the levels that its signals reach at full load."""

    number: int
    host: str
    index: int
    card: Card
    instance_type: str
    namespace: str
    pod: str
    model: str
    team: str
    shape: Shape
    gpu_util: float
    sm: float
    tensor: float
    dram: float
    fb_used_mib: int
    kv: float
    running: float
    waiting: float = 0.0
    tokens_per_s: float = 0.0
    preempts: bool = False
    serves: bool = True
    """Whether an inference engine reports beside the GPU (its first GPU where it runs on several)."""
    gap_hours: int = 0
    days: float = DAYS

    @property
    def labels(self) -> Labels:
        """Labels as dcgm-exporter and vLLM put them."""
        return Labels(
            gpu_uuid=f"GPU-5a3b1e00-0000-4000-8000-{self.number:012d}",
            gpu_index=str(self.index),
            gpu_name=self.card.driver_name,
            host=self.host,
            instance_id=f"i-5a3b1e{crc32(self.host.encode()):011x}",
            instance_type=self.instance_type,
            namespace=self.namespace,
            pod=self.pod,
            container="server",
            model=self.model,
            team=self.team,
        )


def _chat(replica: int) -> Member:
    return Member(
        6 + replica, f"sample-chat-{replica}", 0, L40S, "g6e.xlarge", "chat",
        f"llama8b-5f7d9c6b84-r{replica}xq",
        "meta-llama/Llama-3.1-8B-Instruct", "assist", "day_and_night",
        gpu_util=0.62, sm=0.30, tensor=0.09, dram=0.27, fb_used_mib=41200,
        kv=0.16, running=6.0, tokens_per_s=420.0,
    )  # fmt: skip


MEMBERS: tuple[Member, ...] = (
    *(
        Member(
            1 + index, "sample-big-0", index, H100, "p5.48xlarge", "llm-prod", "llama70b-7c9d5b7f6c-x2k4p",
            "meta-llama/Llama-3.3-70B-Instruct", "llm", "busy",
            gpu_util=0.99, sm=0.88, tensor=0.36, dram=0.66, fb_used_mib=75036,
            kv=0.95, running=52.0, waiting=8.0, tokens_per_s=1600.0, preempts=True, serves=index == 0,
        )
        for index in range(2)
    ),
    Member(
        3, "sample-trial-0", 0, A100, "p4de.24xlarge", "llm-trial", "mixtral-trial-6f5c8d9b7d-q8r2m",
        "mistralai/Mixtral-8x7B-Instruct-v0.1", "llm", "zero",
        gpu_util=0.0, sm=0.0, tensor=0.0, dram=0.001, fb_used_mib=70312, kv=0.0, running=0.0,
    ),
    Member(
        4, "sample-qwen-0", 0, L40S, "g6e.2xlarge", "llm-prod", "qwen14b-5d6f7c8b9-h7w5n",
        "Qwen/Qwen3-14B", "llm", "flat",
        gpu_util=0.82, sm=0.58, tensor=0.19, dram=0.60, fb_used_mib=41880, kv=0.66, running=19.0,
        tokens_per_s=900.0, gap_hours=9,
    ),
    Member(
        5, "sample-embed-0", 0, A10G, "g5.2xlarge", "search", "embed-bge-84b6c7d5f4-z9t3k",
        "BAAI/bge-large-en-v1.5", "search", "flat",
        gpu_util=0.97, sm=0.22, tensor=0.03, dram=0.31, fb_used_mib=5120, kv=0.0,
        running=0.0, serves=False,
    ),
    *(_chat(replica) for replica in range(4)),
    Member(
        10, "sample-eval-0", 0, A100, "p4de.24xlarge", "evaluation", "nightly-eval-6c7d8f9b5c-w4kpd",
        "Qwen/Qwen3-32B", "quality", "office_hours",
        gpu_util=0.93, sm=0.72, tensor=0.24, dram=0.55, fb_used_mib=74100, kv=0.55, running=24.0,
        tokens_per_s=1100.0,
    ),
    Member(
        11, "sample-rerank-0", 0, A100, "p4de.24xlarge", "search", "reranker-58b7f9d6c4-m2n8v",
        "BAAI/bge-reranker-v2-m3", "search", "day_and_night",
        gpu_util=0.55, sm=0.11, tensor=0.03, dram=0.06, fb_used_mib=6208, kv=0.0,
        running=1.0, tokens_per_s=90.0,
    ),
    Member(
        12, "sample-classify-0", 0, H100, "p5.4xlarge", "moderation", "classify-7b9c6d5f48-t6zlh",
        "Qwen/Qwen3-8B", "safety", "day_and_night",
        gpu_util=0.70, sm=0.16, tensor=0.05, dram=0.12, fb_used_mib=24800, kv=0.22,
        running=5.0, tokens_per_s=600.0,
    ),
    Member(
        13, "sample-new-0", 0, L40S, "g6e.xlarge", "chat", "gemma-pilot-66d5c7b9f8-k2vjq",
        "google/gemma-3-27b-it", "assist", "day_and_night",
        gpu_util=0.20, sm=0.06, tensor=0.02, dram=0.05, fb_used_mib=39800, kv=0.02, running=0.4,
        tokens_per_s=15.0,
        days=0.8,
    ),
)  # fmt: skip


def series() -> Iterator[tuple[Series, npt.NDArray[np.int64], Array]]:
    """Yield every series of the fleet with its times (microseconds since 1970, UTC) and values."""
    for member in MEMBERS:
        times_us, load, noise = _timeline(member)
        for metric, values in _gpu_signals(member, load, noise):
            yield Series(metric, member.labels), times_us, values.astype(np.float64)
        if member.serves:
            for metric, values in _engine_signals(member, load, noise):
                yield Series(metric, member.labels), times_us, values.astype(np.float64)
                if metric == "requests":
                    yield from _first_tokens(member, times_us, values)


def _timeline(member: Member) -> tuple[npt.NDArray[np.int64], Array, Array]:
    steps = round(member.days * 86400 / STEP_S)
    first = round(DAYS * 86400 / STEP_S) - steps
    at_s = (np.arange(steps) + first) * STEP_S
    noise = np.random.default_rng([SEED, member.number]).standard_normal(steps)
    load = _load(member.shape, at_s)
    keep = np.ones(steps, dtype=bool)
    if member.gap_hours:
        begin = steps // 2
        keep[begin : begin + member.gap_hours * 3600 // STEP_S] = False
    times_us = (round(START.timestamp()) + at_s[keep]).astype(np.int64) * 1_000_000
    return times_us, load[keep], noise[keep]


def _load(shape: Shape, at_s: npt.NDArray[np.int64]) -> Array:
    """Return the share of full load (0-1) by the hour of the week."""
    hour = at_s / 3600 % 24
    weekday = at_s // 86400 % 7
    if shape == "zero":
        return np.zeros(len(at_s))
    if shape in ("busy", "flat"):
        return np.full(len(at_s), 0.94)
    if shape == "office_hours":
        return np.where((weekday < 5) & (hour >= 8) & (hour < 18), 0.9, 0.0)
    swing = 0.55 + 0.40 * np.sin((hour - 8) / 24 * 2 * np.pi)
    return np.where(weekday < 5, swing, 0.6 * swing)


def _gpu_signals(
    member: Member, load: Array, noise: Array
) -> Iterator[tuple[str, npt.NDArray[np.floating[Any]]]]:
    card = member.card
    busy = load > 0
    wobble = 1 + 0.03 * noise
    for metric, level in (
        ("gpu_util_ratio", member.gpu_util),
        ("sm_active_ratio", member.sm),
        ("tensor_active_ratio", member.tensor),
        ("dram_active_ratio", member.dram),
    ):
        share = np.where(busy, np.sqrt(load) if metric == "gpu_util_ratio" else load, 0.0)
        yield metric, np.round(np.clip(level * share * wobble, 0.0, 1.0), 4)
    yield "fb_used_bytes", np.full(len(load), member.fb_used_mib * MIB)
    yield "fb_total_bytes", np.full(len(load), card.memory_mib * MIB)
    power = card.idle_w + (card.full_w - card.idle_w) * member.sm * load * 1.05
    yield "power_w", np.round(power + 0.8 * noise, 1)


def _engine_signals(
    member: Member, load: Array, noise: Array
) -> Iterator[tuple[str, npt.NDArray[np.floating[Any]]]]:
    wobble = 1 + 0.04 * noise
    yield "kv_cache_usage_ratio", np.round(np.clip(member.kv * load * wobble / 0.94, 0.0, 1.0), 4)
    yield "requests_running", np.round(np.clip(member.running * load * wobble, 0.0, None))
    yield "requests_waiting", np.round(np.clip(member.waiting * (load + 0.4 * noise), 0.0, None))
    generated = np.round(member.tokens_per_s * load * np.clip(wobble, 0.5, 1.5) * STEP_S)
    for metric, increases in (
        ("generation_tokens", generated),
        ("prompt_tokens", generated * 4),
        ("requests", np.round(generated / 250)),
        ("preemptions", np.round(np.clip(noise + 1, 0.0, None)) if member.preempts else np.zeros(len(load))),
    ):
        yield metric, increases
        yield metric + RATE, increases / STEP_S


def _first_tokens(
    member: Member, times_us: npt.NDArray[np.int64], requests: npt.NDArray[np.floating[Any]]
) -> Iterator[tuple[Series, npt.NDArray[np.int64], Array]]:
    """Yield how many requests of each hour had their first token within each bound: log-logistic."""
    hours, place = np.unique(times_us // _HOUR_US, return_inverse=True)
    asked = np.bincount(place, weights=requests)
    median_s = 0.12 + 0.2 * member.waiting
    for bound in TTFT_BOUNDS:
        within = np.round(asked / (1 + (median_s / float(bound)) ** 2.5))
        yield Series("ttft_bucket", member.labels, bound), (hours + 1) * _HOUR_US, within
