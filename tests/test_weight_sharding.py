"""Weights of one GPU: what each parallel size spreads, copies, pads and forbids."""

import pytest
from catalog_models import model
from hypothesis import given, settings
from hypothesis import strategies as st

from inferplan.datasets import catalog
from inferplan.datasets.schema import GIB
from inferplan.planner.kv_cache import ShardError
from inferplan.planner.weights import illegal_tp, weights


def test_gpus_beyond_the_key_heads_copy_them() -> None:
    # Qwen3-235B has 4 KV heads: at 8 GPUs each one's rows exist twice (vllm v0.33.0 layers/linear.py)
    architecture = model("Qwen/Qwen3-235B-A22B")
    four, eight = (dict(weights(architecture, tp=tp).by_role)["attention"] for tp in (4, 8))
    one_head_of_k_and_v = 94 * 2 * 128 * 4096 * 2
    assert 2 * eight - four == one_head_of_k_and_v


def test_engines_build_two_more_copies_of_the_latent_up_projection() -> None:
    # 128 heads x (128 + 128) x 512 x 61 layers x 2 bytes: vllm v0.33.0 mla_attention.py
    architecture = model("deepseek-ai/DeepSeek-V3")
    copies = dict(weights(architecture, tp=8).by_role)["latent_copies"]
    assert copies * 8 / GIB == pytest.approx(1.906, abs=0.001)
    assert "latent_copies" not in dict(weights(architecture, tp=8, engine="llama.cpp").by_role)


def test_the_vocabulary_is_padded_to_64() -> None:
    architecture = model("tencent/Hunyuan-A13B-Instruct")  # 128,167 tokens, tied
    assert dict(weights(architecture).by_role)["embedding"] == 128192 * 4096 * 2
    assert dict(weights(architecture, engine="llama.cpp").by_role)["embedding"] == 128167 * 4096 * 2


def test_experts_spread_over_data_and_expert_parallel_gpus() -> None:
    architecture = model("deepseek-ai/DeepSeek-V3")
    alone = dict(weights(architecture).by_role)
    spread = dict(weights(architecture, tp=1, dp=8, ep=8).by_role)
    assert spread["expert"] * 8 == alone["expert"]
    assert spread["attention"] == alone["attention"]


def test_the_fullest_pipeline_stage_is_named() -> None:
    found = weights(model("meta-llama/Llama-3.1-70B-Instruct"), pp=4)
    assert found.rank == "pipeline stage 4 of 4"  # head and final norm; as many layers as the others
    tied = weights(model("meta-llama/Llama-3.2-3B"), pp=2)
    embedding = 128256 * 3072 * 2
    whole = weights(model("meta-llama/Llama-3.2-3B"))
    assert (
        tied.total_bytes == whole.total_bytes + embedding
    )  # a tied table is on the first and the last stage


@pytest.mark.parametrize(
    ("name", "tp", "reason"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", 8, "28 attention heads do not divide among 8 GPUs"),
        ("Qwen/Qwen2.5-7B-Instruct", 3, "28 attention heads do not divide among 3 GPUs"),
        ("meta-llama/Llama-3.1-70B-Instruct", 0, "tp is 0"),
    ],
)
def test_illegal_tensor_parallel_sizes_say_why(name: str, tp: int, reason: str) -> None:
    assert reason in str(illegal_tp(model(name), tp))


def test_legal_sizes_have_no_reason() -> None:
    assert illegal_tp(model("Qwen/Qwen2.5-7B-Instruct"), 4) is None
    assert illegal_tp(model("Qwen/Qwen3-235B-A22B"), 8) is None
    assert illegal_tp(model("deepseek-ai/DeepSeek-V3"), 16) is None


def test_expert_parallel_without_experts_is_refused() -> None:
    with pytest.raises(ShardError, match="has 0 experts"):
        weights(model("meta-llama/Llama-3.1-8B"), tp=2, ep=2)


FORMATS = [None, "bf16", "fp8", "awq-int4", "nvfp4", "gguf-q4_k_m"]


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(catalog.models()),
    dtype=st.sampled_from(FORMATS),
    tp=st.sampled_from([1, 2, 3, 4, 5, 8]),
    factor=st.sampled_from([2, 3, 4]),
    pp=st.sampled_from([1, 2]),
)
def test_more_gpus_never_weigh_more_each(name: str, dtype: str | None, tp: int, factor: int, pp: int) -> None:
    architecture = model(name)
    fewer, more = (weights(architecture, dtype, tp=t, pp=pp) for t in (tp, tp * factor))
    assert more.per_gpu_bytes <= fewer.per_gpu_bytes
    for found in (fewer, more):
        assert sum(size for _, size in found.by_role) == found.per_gpu_bytes
        assert 0 < found.per_gpu_bytes <= found.total_bytes
