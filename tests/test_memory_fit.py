"""Where a GPU's memory goes: verdicts, shares by engine, and what must hold for every deployment."""

from dataclasses import replace
from fractions import Fraction

import pytest
from catalog_models import model
from hypothesis import given, settings
from hypothesis import strategies as st

from inferplan.datasets import catalog
from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.schema import GIB
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory import Lora, MemoryOptions, fit, held_by

ENGINES = ("vllm", "sglang", "tensorrt-llm", "llama.cpp")
MODELS = (
    "Qwen/Qwen3-8B",
    "openai/gpt-oss-20b",
    "deepseek-ai/DeepSeek-V2-Lite",
    "google/gemma-3-27b-it",
    "Qwen/Qwen3.6-35B-A3B",
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "mistralai/Mistral-7B-v0.1",
)


def deploy(name: str, gpu: str = "H100 SXM", **fields: object) -> Deployment:
    return Deployment(model(name), catalog.gpu(gpu), **fields)


@pytest.mark.parametrize("name", catalog.models())
def test_parts_sum_to_the_total_for_every_model_on_every_engine(name):
    for engine in ENGINES:
        memory = fit(deploy(name, engine=engine)).memory
        assert sum(memory.parts().values()) == memory.total_bytes


@given(
    name=st.sampled_from(MODELS),
    engine=st.sampled_from(ENGINES),
    tp=st.sampled_from([1, 2, 4]),
    context=st.integers(1, 40_000),
    more=st.integers(1, 40_000),
    kv_dtype=st.sampled_from(["auto", "fp8"]),
    version=st.sampled_from([None, "0.6.3", "0.8.5", "0.9.2", "0.11.0", "0.19", "0.24"]),
)
@settings(max_examples=80, deadline=None)
def test_longer_context_never_raises_concurrency(name, engine, tp, context, more, kv_dtype, version):
    shorter = deploy(
        name, engine=engine, engine_version=version, tp=tp, kv_dtype=kv_dtype, max_model_len=context
    )
    longer = replace(shorter, max_model_len=context + more)
    assert fit(longer).max_concurrency <= fit(shorter).max_concurrency


@given(name=st.sampled_from(MODELS), engine=st.sampled_from(ENGINES))
@settings(max_examples=28, deadline=None)
def test_more_tensor_parallelism_never_raises_weights_per_gpu(name, engine):
    sizes = [fit(deploy(name, engine=engine, tp=tp)).memory.weights_bytes for tp in (1, 2, 4, 8)]
    assert sizes == sorted(sizes, reverse=True)


@given(
    name=st.sampled_from(MODELS),
    sequences=st.integers(1, 1024),
    tokens=st.integers(256, 16384),
    share=st.floats(0.3, 0.98),
)
@settings(max_examples=60, deadline=None)
def test_parts_sum_and_the_pool_holds_its_own_sequences(name, sequences, tokens, share):
    found = fit(
        deploy(
            name,
            gpu_memory_utilization=share,
            max_num_seqs=sequences,
            max_num_batched_tokens=tokens,
            max_model_len=8192,
        )
    )
    memory = found.memory
    assert sum(memory.parts().values()) == memory.total_bytes
    assert found.fits == (found.max_concurrency >= 1)
    held = found.max_concurrency * 8192 * found.kv_bytes_per_token_per_gpu
    assert held <= max(memory.kv_pool_bytes, 0) * (1 + 1e-9)


def test_deepseek_latents_are_copied_to_every_gpu():
    """70,272 bytes per token and GPU at any TP: vllm docs/serving/context_parallel_deployment.md."""
    for tp in (1, 8):
        found = fit(deploy("deepseek-ai/DeepSeek-R1", "H200 SXM", tp=tp, engine_version="0.11.0"))
        assert found.kv_bytes_per_token_per_gpu == 70_272


def test_windows_are_held_as_one_step_needs_them():
    """Ceil((128 - 1 + 2048) / 16) + 1 pages of 16 tokens in each of 18 layers of gpt-oss-120b at TP4."""
    found = fit(
        deploy("openai/gpt-oss-120b", "A100 SXM 80GB", tp=4, engine_version="0.10.1.1", max_model_len=16384)
    )
    assert found.kv_window_bytes_per_sequence_per_gpu == 18 * 2192 * 2 * 2 * 64 * 2
    assert found.kv_bytes_per_token_per_gpu == 18 * 2 * 2 * 64 * 2


def test_llama_4_chunks_are_held_in_full_by_vllm_and_capped_by_sglang():
    """24,576 bytes per token at TP8 in the engine's refusal (start-up log MT107)."""
    name = "meta-llama/Llama-4-Scout-17B-16E-Instruct"
    assert fit(deploy(name, tp=8, engine_version="0.9.1")).kv_bytes_per_token_per_gpu == 24_576
    assert fit(deploy(name, tp=8, engine="sglang")).kv_bytes_per_token_per_gpu == 24_576 // 4


def test_old_versions_stored_latents_expanded():
    """V0 before 0.7: 16 heads of 256 for keys and for values in each of 27 layers, divided among the GPUs."""
    name = "deepseek-ai/DeepSeek-V2-Lite"
    old = fit(deploy(name, "L40", tp=2, engine_version="0.5.1"))
    assert old.kv_bytes_per_token_per_gpu == 27 * 2 * 8 * 256 * 2
    padded = fit(deploy(name, "L40", tp=2, engine_version="0.7.2"))
    assert padded.kv_bytes_per_token_per_gpu == 27 * 640 * 2
    assert fit(deploy(name, "L40", tp=2, engine_version="0.8.5")).kv_bytes_per_token_per_gpu == 27 * 576 * 2


def test_engine_takes_its_share_of_what_cuda_reports():
    """An H100 is 79.65 GiB to nvidia-smi and 79.18-79.22 to the engine (start-up logs)."""
    memory = fit(deploy("Qwen/Qwen3-8B", gpu_memory_utilization=0.9)).memory
    assert memory.total_bytes / GIB == pytest.approx(79.19, rel=0.003)
    outside = memory.total_bytes - 0.9 * memory.total_bytes
    assert memory.unused_bytes == pytest.approx(outside, abs=2)
    given_total = catalog.gpu("H100 SXM").model_copy(
        update={"memory_total_bytes": round(79.18 * GIB), "memory_total_basis": "given with the case"}
    )
    assert fit(Deployment(model("Qwen/Qwen3-8B"), given_total)).memory.total_bytes == round(79.18 * GIB)


def test_graphs_count_in_the_budget_from_the_version_that_does():
    """vLLM 0.21 budgets CUDA graphs: the start-up line says "default since v0.21.0"."""
    before = fit(deploy("Qwen/Qwen3-8B", engine_version="0.20.1", gpu_memory_utilization=0.9)).memory
    since = fit(deploy("Qwen/Qwen3-8B", engine_version="0.21.0", gpu_memory_utilization=0.9)).memory
    budget = round(0.9 * before.total_bytes)
    loaded = before.weights_bytes + before.activation_bytes + before.non_torch_bytes
    assert before.kv_pool_bytes == budget - loaded
    loaded = since.weights_bytes + since.activation_bytes + since.non_torch_bytes
    assert since.kv_pool_bytes == budget - loaded - since.cuda_graph_bytes


@pytest.mark.parametrize(
    ("name", "gpu", "total_gib", "version", "fields", "activation_gib"),
    [
        # vllm #10517: one prompt is one batch up to 32k tokens, chunks of 512 beyond
        ("meta-llama/Llama-3.1-8B-Instruct", "RTX 3090", 23.58, "0.6.4", {"max_model_len": 20_000}, 2.07),
        ("meta-llama/Llama-3.1-8B-Instruct", "RTX 3090", 23.58, "0.6.4", {"max_model_len": 29_000}, 2.99),
        ("meta-llama/Llama-3.1-8B-Instruct", "RTX 3090", 23.58, "0.6.4", {"max_model_len": 35_000}, 0.06),
        # vllm #10511: 256 sequences of 128,256 logits
        ("meta-llama/Meta-Llama-3-8B", "H100 SXM", 79.22, "0.6.4", {}, 1.26),
        # vllm #13061: chunks of 2,048 since 0.6.5
        ("Qwen/Qwen3-14B", "RTX 4090", 23.55, "0.7.2", {"tp": 2, "max_model_len": 131_072}, 0.19),
    ],
)
def test_activation_peaks_of_other_public_logs(name, gpu, total_gib, version, fields, activation_gib):
    """Of these only the first two set a constant; the 14B there is Qwen2.5's, of nearly the same shape."""
    card = catalog.gpu(gpu).model_copy(
        update={"memory_total_bytes": round(total_gib * GIB), "memory_total_basis": "given with the case"}
    )
    memory = fit(Deployment(model(name), card, engine_version=version, **fields)).memory
    assert memory.activation_bytes / GIB == pytest.approx(activation_gib, rel=0.15, abs=0.01)


def test_no_version_is_the_newest_said_aloud():
    assert "no version given" in fit(deploy("Qwen/Qwen3-8B")).memory.engine_profile


def test_illegal_tensor_parallelism_does_not_fit_and_says_why():
    found = fit(deploy("Qwen/Qwen2.5-7B-Instruct", tp=8))
    assert not found.fits
    assert found.reason == "28 attention heads do not divide among 8 GPUs"


def test_a_default_context_that_does_not_fit_is_not_capped_silently():
    found = fit(deploy("meta-llama/Llama-3.1-8B-Instruct", "L4", engine_version="0.11.0"))
    assert found.max_model_len == 131_072
    assert not found.fits
    assert found.largest_context_tokens
    assert f"{found.largest_context_tokens:,}" in found.reason
    shorter = deploy(
        "meta-llama/Llama-3.1-8B-Instruct",
        "L4",
        engine_version="0.11.0",
        max_model_len=found.largest_context_tokens,
    )
    assert fit(shorter).fits
    assert not fit(replace(shorter, max_model_len=found.largest_context_tokens + 16)).fits


def test_missing_memory_is_a_negative_pool():
    found = fit(deploy("meta-llama/Llama-3.3-70B-Instruct"))
    assert not found.fits
    assert found.memory.kv_pool_bytes < 0
    assert "nothing is left for the KV cache" in found.reason
    assert found.max_concurrency == 0
    assert found.largest_context_tokens is None


def test_precision_without_units_is_said():
    notes = fit(deploy("meta-llama/Llama-3.1-8B-Instruct", "A100 SXM 80GB", weights_dtype="fp8")).memory.notes
    assert any("no FP8 units" in note for note in notes)
    notes = fit(deploy("meta-llama/Llama-3.1-8B-Instruct", "T4", kv_dtype="fp8")).memory.notes
    assert any("no BF16 units" in note for note in notes)
    assert not fit(deploy("meta-llama/Llama-3.1-8B-Instruct", weights_dtype="fp8")).memory.notes


def test_adapters_take_rank_times_both_sides_of_each_matrix():
    """Rank 16 on all linear layers of Llama-3.1-8B is 41,943,040 parameters (printed by PEFT and Unsloth)."""
    deployment = deploy("meta-llama/Llama-3.1-8B-Instruct")
    found = fit(replace(deployment, options=MemoryOptions(lora=Lora(rank=16, slots=4))))
    assert found.memory.adapter_bytes == 4 * 41_943_040 * 2
    plain = fit(deployment).memory
    assert plain.kv_pool_bytes - found.memory.kv_pool_bytes == found.memory.adapter_bytes


def test_a_draft_model_takes_weights_and_cache():
    deployment = deploy("Qwen/Qwen3-8B")
    found = fit(replace(deployment, options=MemoryOptions(draft=model("Qwen/Qwen3-0.6B"), draft_tokens=4)))
    assert found.memory.draft_bytes == fit(deploy("Qwen/Qwen3-0.6B")).memory.weights_bytes
    assert found.kv_bytes_per_token_per_gpu == 147_456 + 114_688


def test_an_encoder_keeps_no_cache_and_samples_nothing():
    found = fit(deploy("BAAI/bge-m3", "L4"))
    assert found.fits
    assert "keeps no cache" in found.reason
    assert found.memory.activation_bytes < 0.1 * GIB


def test_an_encoders_output_is_paged_like_attention():
    """Whisper large-v3: 1,500 source tokens in each of 32 layers, 163,840 bytes per token in all."""
    found = fit(deploy("openai/whisper-large-v3", "L4", engine_version="0.24"))
    assert found.state_bytes_per_sequence_per_gpu == 1500 * 163_840
    pages = -(-448 // 16) + -(-1500 // 16)
    blocks = found.memory.kv_pool_bytes // (16 * 163_840)
    assert found.max_concurrency == pytest.approx(blocks / pages)


def test_states_without_attention_have_the_whole_pool():
    found = fit(deploy("state-spaces/mamba-2.8b-hf", "L4", engine="sglang"))
    assert found.memory.state_pool_bytes == 0
    per_sequence = found.state_bytes_per_sequence_per_gpu
    assert found.max_concurrency == pytest.approx(found.memory.kv_pool_bytes / per_sequence)


def test_a_context_beyond_the_config_is_noted():
    notes = fit(deploy("Qwen/Qwen3-8B", max_model_len=50_000)).memory.notes
    assert any("40,960" in note for note in notes)
    assert not fit(deploy("Qwen/Qwen3-8B", max_model_len=40_000)).memory.notes


@pytest.mark.parametrize("engine", ["vllm", "sglang", "tensorrt-llm"])
def test_a_shared_prefix_is_counted_once(engine):
    """4,096 tokens of which 3,072 are shared: (pool - 3,072) / 1,024 sequences."""
    deployment = deploy("Qwen/Qwen3-8B", engine=engine, max_model_len=4096)
    found = fit(replace(deployment, options=MemoryOptions(shared_prefix_tokens=3072)))
    pool_tokens = found.memory.kv_pool_bytes / found.kv_bytes_per_token_per_gpu
    assert found.max_concurrency == pytest.approx((pool_tokens - 3072) / 1024, rel=1e-3)


def test_windows_of_a_shared_prefix_are_not_shared():
    deployment = deploy("openai/gpt-oss-20b", engine_version="0.19", max_model_len=4096)
    alone = fit(deployment)
    shared = fit(replace(deployment, options=MemoryOptions(shared_prefix_tokens=2048)))
    all_full = alone.max_concurrency * 2
    assert alone.max_concurrency < shared.max_concurrency < all_full


def test_unknown_cache_type_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="fp8"):
        fit(deploy("Qwen/Qwen3-8B", kv_dtype="fp9"))


def test_sglang_splits_full_and_sliding_tokens():
    """Start-up log MT052: 117,840 tokens of full layers, 0.8 times as many of sliding ones, in 10.11 GiB."""
    deployment = deploy("google/gemma-4-26B-A4B", "RTX 3090", engine="sglang", tp=2)
    held = held_by(deployment, round(10.11 * GIB))
    assert held.tokens == pytest.approx(117_840, rel=1e-3)


def test_sglang_gives_states_a_pool_of_their_own():
    """Start-up log MT161: 17.92 GiB of states beside 20.16 GiB of keys and values."""
    found = fit(deploy("Qwen/Qwen3.5-27B", engine="sglang", weights_dtype="fp8", gpu_memory_utilization=0.85))
    share = Fraction(found.memory.state_pool_bytes, found.memory.kv_pool_bytes)
    assert float(share) == pytest.approx(0.9, rel=0.02)
