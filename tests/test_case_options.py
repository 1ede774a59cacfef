"""Adapters, drafts, prefixes and towers reach the answer from a case, the command line and a launch."""

import json
from itertools import pairwise

import pytest
from click.testing import CliRunner

from inferplan.dashboard.__main__ import cli
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import GIB
from inferplan.planner.case import Case
from inferplan.planner.launch import launch_command, launch_line, launch_notes
from inferplan.planner.memory import fit

QWEN = {"model": "Qwen/Qwen3-8B", "gpu": "H100 SXM", "engine_version": "0.11.0"}


def fitted(**fields: object):
    return fit(Case.read({**QWEN, **fields}).deployment())


def command(**fields: object) -> list[str]:
    return launch_command(Case.read({**QWEN, **fields}).deployment())


def answer(*arguments: str, stdin: str | None = None) -> dict:
    done = CliRunner().invoke(cli, ["fit", *arguments], input=stdin)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_lora_slots_take_rank_times_both_sides_of_each_matrix():
    """Unsloth prints 43,646,976 trainable parameters for Qwen3-8B at rank 16 on all seven matrices."""
    found = fitted(lora_rank=16, max_loras=4)
    assert found.memory.adapter_bytes == 4 * 43_646_976 * 2
    attention = fitted(lora_rank=16, lora_targets=["attention"]).memory.adapter_bytes
    # 36 layers: q and o 4,096 + 4,096, k and v 4,096 + 1,024
    assert attention == 36 * 16 * (2 * 8192 + 2 * 5120) * 2


def test_a_draft_model_takes_weights_and_a_cache_of_its_own():
    found = fitted(draft_model="Qwen/Qwen3-0.6B", draft_tokens=4)
    assert found.memory.draft_bytes / GIB == pytest.approx(1.12, abs=0.01)  # start-up log MT066
    assert found.kv_bytes_per_token_per_gpu == 147_456 + 114_688
    smaller = fitted(draft_model="Qwen/Qwen3-0.6B", draft_weights_dtype="fp8").memory.draft_bytes
    assert smaller < 0.75 * found.memory.draft_bytes


def test_mtp_layers_are_loaded_and_cached():
    deepseek = {"model": "deepseek-ai/DeepSeek-V3", "gpu": "H200 SXM", "tp": 8}
    alone, drafted = (fit(Case.read({**deepseek, "mtp": mtp}).deployment()) for mtp in (False, True))
    # 61 layers and one more: 576 values of 2 bytes each
    assert drafted.kv_bytes_per_token_per_gpu * 61 == alone.kv_bytes_per_token_per_gpu * 62
    extra_gib = (drafted.memory.weights_bytes - alone.memory.weights_bytes) / GIB
    assert 1.2 < extra_gib < 2.2  # 11.5 B parameters of FP8 over 8 GPUs (the model card's count)


def test_towers_are_left_out():
    gemma = {"model": "google/gemma-3-27b-it", "gpu": "H100 SXM"}
    whole, text = (
        fit(Case.read({**gemma, "language_model_only": only}).deployment()).memory.weights_bytes
        for only in (False, True)
    )
    assert (whole - text) / 2 == pytest.approx(417e6 + 6.2e6, rel=0.02)  # SigLIP-400M/14 and the projector


def test_a_shared_prefix_is_held_once_and_a_page_can_be_larger():
    found = fitted(shared_prefix_tokens=3072, max_model_len=4096)
    pool_tokens = found.memory.kv_pool_bytes / 147_456
    assert found.max_concurrency == pytest.approx((pool_tokens - 3072) / 1024, rel=1e-3)
    assert fitted(block_size=128).kv_pool_tokens % 128 == 0


def test_decode_context_parallel_divides_the_copies_of_a_cache():
    deepseek = {"model": "deepseek-ai/DeepSeek-V3", "gpu": "H200 SXM", "tp": 8}
    copied, divided = (
        fit(Case.read({**deepseek, "decode_context_parallel_size": size}).deployment()) for size in (1, 8)
    )
    assert copied.kv_bytes_per_token_per_gpu == 8 * divided.kv_bytes_per_token_per_gpu
    refused = fitted(tp=8, decode_context_parallel_size=2)
    assert not refused.fits
    assert "needs 2 GPUs for each of the 8 key-value heads" in refused.reason
    assert "does not divide tensor parallel 4" in fitted(tp=4, decode_context_parallel_size=3).reason


def test_states_are_kept_twice_for_reuse():
    hybrid = {"model": "Qwen/Qwen3.5-27B", "gpu": "H200 SXM", "engine_version": "0.24.0"}
    kept, dropped = (
        fit(Case.read({**hybrid, "enable_prefix_caching": kept, "max_model_len": 4096}).deployment())
        for kept in (True, False)
    )
    assert kept.max_concurrency < dropped.max_concurrency
    without = {"model": "openai/gpt-oss-20b", "disable_hybrid_kv_cache_manager": True}
    # 12 of 24 layers see 128 tokens; without the manager all 24 hold the full length
    full = fit(Case.read({**QWEN, **without}).deployment())
    assert full.kv_bytes_per_token_per_gpu == 24 * 2 * 8 * 64 * 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"max_loras": 2}, "max_loras and lora_targets need lora_rank"),
        ({"lora_targets": ["mlp"]}, "need lora_rank"),
        ({"lora_rank": 8, "lora_targets": ["q_proj"]}, "'attention', 'mlp'"),
        ({"draft_weights_dtype": "fp8"}, "draft_weights_dtype needs draft_model"),
        ({"draft_model": "Qwen/Qwen3-0.6B", "mtp": True}, "either draft_model or mtp"),
        ({"draft_model": "Qwen/Qwen3-0.6"}, "Qwen/Qwen3-0.6B"),
        ({"mtp": True}, "Qwen/Qwen3-8B has no layers for multi-token prediction"),
        (
            {"draft_tokens": 2, "speculative": {"draft_tokens": 3, "acceptance_rate": 0.5}},
            "speculative says 3",
        ),
        ({"draft_tokens": 0}, "greater than or equal to 1"),
        ({"enable_prefix_caching": False, "shared_prefix_tokens": 9}, "needs prefix caching"),
    ],
)
def test_what_does_not_belong_together_is_refused(fields: dict[str, object], said: str):
    with pytest.raises(InferplanError, match=said):
        fitted(**fields)


def test_the_command_line_takes_what_a_case_takes():
    arguments = [
        "--model", QWEN["model"], "--gpu", QWEN["gpu"], "--lora-rank", "16", "--lora-targets", "attention",
        "--lora-targets", "mlp", "--max-loras", "4", "--draft-model", "Qwen/Qwen3-0.6B",
        "--draft-tokens", "4", "--no-enable-prefix-caching", "--json",
    ]  # fmt: skip
    case = {
        "model": QWEN["model"], "gpu": QWEN["gpu"], "lora_rank": 16, "lora_targets": ["attention", "mlp"],
        "max_loras": 4, "draft_model": "Qwen/Qwen3-0.6B", "draft_tokens": 4, "enable_prefix_caching": False,
    }  # fmt: skip
    by_options, by_case = answer(*arguments), answer("--cases", "-", stdin=json.dumps(case))
    assert by_options == by_case
    parts = ("weights", "draft", "adapter", "activation", "overhead", "state_pool", "kv_pool", "unused")
    total = sum(by_case[f"{part}_gib_per_gpu"] for part in parts)
    assert total == pytest.approx(by_case["total_gib_per_gpu"])
    assert by_case["adapter_gib_per_gpu"] > 0.3


def test_drafted_tokens_without_a_rate_count_in_memory_only():
    runner = CliRunner()
    load = ["--input-tokens", "1000", "--output-tokens", "200", "--concurrency", "4", "--json"]
    chosen = ["estimate", "--model", QWEN["model"], "--gpu", QWEN["gpu"], *load]
    plain = json.loads(runner.invoke(cli, chosen).output)
    drafted = json.loads(runner.invoke(cli, [*chosen, "--draft-tokens", "3"]).output)
    assert drafted["tpot_ms"] == plain["tpot_ms"]
    refused = runner.invoke(cli, [*chosen, "--acceptance-rate", "0.8"])
    assert "draft_tokens" in str(refused.exception or refused.output)


def test_vllm_is_told_everything():
    found = command(
        lora_rank=20, max_loras=4, draft_model="Qwen/Qwen3-0.6B", draft_tokens=3, enable_prefix_caching=False,
        block_size=32, tp=16, decode_context_parallel_size=2, disable_hybrid_kv_cache_manager=True,
        language_model_only=True,
    )  # fmt: skip
    options = dict(pairwise(found))
    assert options["--max-lora-rank"] == "32"
    assert options["--max-loras"] == "4"
    assert json.loads(options["--speculative-config"]) == {
        "model": "Qwen/Qwen3-0.6B",
        "num_speculative_tokens": 3,
    }
    assert options["--decode-context-parallel-size"] == "2"
    assert options["--block-size"] == "32"
    assert {"--enable-lora", "--no-enable-prefix-caching", "--language-model-only"} <= set(found)
    assert "--disable-hybrid-kv-cache-manager" in found
    assert "'{" in launch_line(
        Case.read({**QWEN, "draft_model": "Qwen/Qwen3-0.6B", "draft_tokens": 3}).deployment()
    )


def test_vllm_drafts_with_the_models_own_layers():
    case = Case.read({"model": "deepseek-ai/DeepSeek-V3", "gpu": "H200 SXM", "mtp": True, "draft_tokens": 1})
    options = dict(pairwise(launch_command(case.deployment())))
    assert json.loads(options["--speculative-config"]) == {"method": "mtp", "num_speculative_tokens": 1}


def test_sglang_is_told_adapters_and_drafts():
    found = command(
        engine="sglang", engine_version=None, lora_rank=16, max_loras=2, lora_targets=["attention"],
        draft_model="Qwen/Qwen3-0.6B", draft_tokens=4, enable_prefix_caching=False,
    )  # fmt: skip
    options = dict(pairwise(found))
    assert options["--speculative-algorithm"] == "STANDALONE"
    assert options["--speculative-draft-model-path"] == "Qwen/Qwen3-0.6B"
    assert options["--speculative-num-steps"] == "4"
    assert options["--speculative-num-draft-tokens"] == "5"
    assert options["--max-loras-per-batch"] == "2"
    start = found.index("--lora-target-modules")
    assert found[start + 1 : start + 5] == ["q_proj", "k_proj", "v_proj", "o_proj"]
    assert "--disable-radix-cache" in found


def test_what_the_command_cannot_say_is_noted():
    fields = {"engine": "tensorrt-llm", "engine_version": None, "lora_rank": 8, "block_size": 64}
    notes = " ".join(launch_notes(Case.read({**QWEN, **fields}).deployment()))
    assert "LoRA slots" in notes
    assert "the page size" in notes
    undrafted = launch_notes(Case.read({**QWEN, "draft_model": "Qwen/Qwen3-0.6B"}).deployment())
    assert any("how many tokens are drafted" in note for note in undrafted)
    assert launch_notes(Case.read(QWEN).deployment()) == ()
