"""Pages that vLLM holds for a request beside its context: windows in flight, partial sums of compressors."""

import json
from pathlib import Path

import pytest

from inferplan.datasets import catalog
from inferplan.datasets.schema import GIB
from inferplan.planner.architecture import Architecture, parse
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory import held_by
from inferplan.planner.memory.caches import caches
from inferplan.planner.memory.pool import page_layout
from inferplan.planner.memory.settings import resolve

DEEPSEEK_V4 = "deepseek-ai/DeepSeek-V4-Flash"


def gemma_4_31b() -> Architecture:
    configs = json.loads((Path(__file__).parent / "data" / "memory_log_models.json").read_text())
    return parse(configs["nvidia/Gemma-4-31B-IT-NVFP4"]["config"])


def held(
    model: Architecture, version: str, pool_gib: float, context: int, batch: int, *, kv_dtype: str, tp: int
) -> float:
    deployment = Deployment(
        model,
        catalog.gpu("H20"),
        engine="vllm",
        engine_version=version,
        tp=tp,
        kv_dtype=kv_dtype,
        max_model_len=context,
        max_num_batched_tokens=batch,
    )
    return held_by(deployment, round(pool_gib * GIB)).concurrency


@pytest.mark.parametrize(("version", "needed_gib"), [("0.25.1", 45.79), ("0.26.0", 70.79)])
def test_windows_are_held_for_two_steps_since_0_26(version: str, needed_gib: float) -> None:
    # both sizes as vLLM printed them for one request: vllm #49878, 2026-07-26
    model = gemma_4_31b()
    assert held(model, version, needed_gib + 0.01, 262144, 32768, kv_dtype="bf16", tp=1) >= 1
    assert held(model, version, needed_gib - 0.02, 262144, 32768, kv_dtype="bf16", tp=1) < 1


def test_compressed_attention_shares_blocks_as_vllm_prints_them() -> None:
    deployment = Deployment(
        parse(catalog.model_config(DEEPSEEK_V4)),
        catalog.gpu("H20"),
        engine="vllm",
        engine_version="0.28.1",
        kv_dtype="fp8",
    )
    settings = resolve(deployment)
    counted = caches(deployment.architecture, "fp8", settings, deployment.options)
    layout = page_layout(counted, settings, deployment.options)
    sizes: dict[tuple[str, int], tuple[int, int]] = {}
    for group in layout.groups:
        key = (group.cache.kind, group.page_tokens)
        layers, size = sizes.get(key, (0, 0))
        sizes[key] = (layers + group.layers, size + group.layers * group.page_bytes)
    # vllm #54703, 2026-09-06: 62 layers of 1,002,240 B, 22 + 21 of windows, 42 and 20 of partial sums
    assert sizes == {
        ("full", 256): (62, 1_002_240),
        ("window", 64): (43, 823_680 + 786_240),
        ("window", 4): (42, 870_912),
        ("window", 8): (20, 656_640),
    }
    assert layout.block_bytes == 1_002_240
    assert sum(layout.copies) == 5


@pytest.mark.parametrize(
    ("version", "pool_gib", "context", "printed", "within"),
    [
        ("0.25.0", 7.01, 912_128, 1_009_661, 0.03),  # vllm #51041, 2026-08-04: one step in flight fits alone
        ("0.26.0", 7.71, 121_344, 150_992, 0.08),  # the same thread; half of what fits is in flight
    ],
)
def test_short_contexts_of_compressed_attention_pay_for_what_is_in_flight(
    version: str, pool_gib: float, context: int, printed: int, within: float
) -> None:
    model = parse(catalog.model_config(DEEPSEEK_V4))
    sequences = held(model, version, pool_gib, context, 8192, kv_dtype="fp8", tp=2)
    assert sequences * context == pytest.approx(printed, rel=within)
