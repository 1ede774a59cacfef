"""What is served in other ways than prompt in, answer out: reasoning, agents, drafts, pools, targets."""

import json
from dataclasses import replace

import numpy as np
import pytest

from inferplan.dashboard.commands.estimate import answer as command_answer
from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.planner.calls import mean_call
from inferplan.planner.case import Case
from inferplan.planner.memory import fit
from inferplan.planner.performance import Estimate, delivered, estimate, serve
from inferplan.planner.performance.batching import room, steady_state
from inferplan.planner.performance.loads import load_of

BASE = {
    "model": "meta-llama/Llama-3.3-70B-Instruct", "weights_dtype": "fp8", "gpu": "H200 SXM",
    "max_model_len": 32768, "input_tokens": 2000, "output_tokens": 400,
}  # fmt: skip


def case(**fields: object) -> Case:
    return Case.read({**BASE, **fields})


def answer(**fields: object) -> Estimate:
    asked = case(**fields)
    return estimate(asked.deployment(), asked.workload())


def test_max_is_the_largest_concurrency_that_keeps_the_latency_target() -> None:
    slo = {"tpot_s": 0.04, "ttft_s": 2.0}
    found = answer(concurrency="max", slo=slo)
    running = round(found.running_sequences)
    assert found.tpot_s.expected <= 0.04
    assert not found.saturated
    assert answer(concurrency=running).tpot_s.expected <= 0.04
    assert answer(concurrency=running + 1).tpot_s.expected > 0.04
    assert f"allows {running} requests in flight" in found.notes[0]
    assert "No load keeps the latency target" in answer(concurrency="max", slo={"tpot_s": 0.001}).notes[0]


def test_the_largest_rate_is_where_the_queue_or_the_target_ends_it() -> None:
    most = answer(request_rate=1).largest_request_rate_per_s
    assert most
    below, above = answer(request_rate=0.999 * most), answer(request_rate=1.001 * most)
    assert not below.saturated
    assert above.saturated
    assert "KV cache" in above.saturated_reason
    assert above.ttft_s.expected > below.ttft_s.expected
    kept = answer(request_rate=1, slo={"ttft_s": 0.5}).largest_request_rate_per_s
    assert kept
    assert kept < most
    assert answer(request_rate=kept).ttft_s.expected <= 0.5
    assert answer(request_rate=kept * 1.1).ttft_s.expected > 0.5


@pytest.mark.parametrize("variation", [0.0, 0.5, 1.5])
def test_latency_rises_with_the_rate_through_saturation(variation: float) -> None:
    most = answer(request_rate=1).largest_request_rate_per_s or 0
    served = serve(case(request_rate=1).deployment())
    rates = np.geomspace(0.001, 3, 80) * most
    load = load_of(served, case(request_rate=1, length_variation=variation).workload())
    load = replace(load.take(np.zeros(80, dtype=np.intp)), request_rate_per_s=rates)
    found = steady_state(
        served.work.take(np.zeros(80, dtype=np.intp)),
        served.constants.take(np.zeros(80, dtype=np.intp)),
        load,
        slowest=True,
    )
    for figure in (found.ttft_s, found.ttft_p99_s, found.tpot_s, found.tpot_p99_s, found.running):
        assert np.all(np.isfinite(figure))
        assert np.all(np.diff(figure) >= -(1e-3 if variation else 1e-9) * figure[1:])
    assert np.all(found.ttft_p99_s >= found.ttft_s)
    assert np.all(found.tpot_p99_s >= found.tpot_s * 0.999)
    assert np.all(found.running <= room(served.work, load).sequences)


def test_which_limit_is_reached_is_said() -> None:
    assert "max_num_seqs" in answer(concurrency=64, max_num_seqs=8).saturated_reason
    assert answer(concurrency=64, max_num_seqs=8).bound_by == "scheduler"
    admission = answer(
        concurrency="max", input_tokens=30000, output_tokens=1, max_num_batched_tokens=512, tp=8
    )
    assert "max_num_batched_tokens" in admission.saturated_reason
    assert "does not say" not in answer(request_rate=1).p99_reason
    assert "published runs do not say" in answer(concurrency=4).p99_reason


def test_reasoning_costs_what_as_many_more_output_tokens_cost() -> None:
    hidden = case(concurrency=8, reasoning_multiple=3, usd_per_gpu_hour=4)
    plain = case(concurrency=8, output_tokens=1600, usd_per_gpu_hour=4)
    thinking, spoken = command_answer(hidden), command_answer(plain)
    for name in ("ttft_ms", "tpot_ms", "output_tokens_per_s", "usd_per_mtok_output"):
        assert thinking[name] == spoken[name]
    assert thinking["usd_per_mtok_visible_output"] == pytest.approx(4 * spoken["usd_per_mtok_output"])
    assert thinking["visible_output_tokens_per_s"]["expected"] == pytest.approx(
        spoken["output_tokens_per_s"]["expected"] / 4
    )
    waited = thinking["ttft_ms"]["expected"] + 1200 * thinking["tpot_ms"]["expected"]
    assert thinking["first_visible_token_ms"]["expected"] == pytest.approx(waited)


def test_the_mean_call_of_a_chain_adds_up() -> None:
    """Against a walk through the chain, call by call."""
    context, seen, inputs = 5000, 0, []
    cached = 0.2 * context
    for _ in range(12):
        inputs.append(context)
        seen, context = context + 300, context + 1000
    cached += sum(before + 300 for before in inputs[:-1])
    found = mean_call(5000, 300, calls=12, growth_tokens=1000, first_cached_share=0.2)
    assert found.input_tokens == round(sum(inputs) / 12)
    assert found.cached_share == pytest.approx(cached / sum(inputs))
    assert found.longest_input_tokens == inputs[-1] == seen - 300
    assert mean_call(5000, 300, calls=12, growth_tokens=1000, prefix_caching=False).cached_share == 0
    thinking = mean_call(5000, 300, calls=12, growth_tokens=1000, reasoning_multiple=1)
    assert thinking.cached_share == pytest.approx(sum(inputs[:-1]) / sum(inputs))


def test_a_task_takes_its_calls_and_waits_one_after_the_other() -> None:
    asked = case(request_rate=0.4, calls_per_task=6, context_growth_tokens=1500, tool_wait_s=10)
    found = estimate(asked.deployment(), asked.workload())
    task = delivered(found, asked.workload()).task
    call_s = found.ttft_s.expected + 399 * found.tpot_s.expected
    assert task.duration_s.expected == pytest.approx(6 * call_s + 5 * 10)
    assert task.input_tokens == 6 * 2000 + 1500 * (1 + 2 + 3 + 4 + 5)
    assert task.cached_input_tokens == pytest.approx(task.input_tokens - 2000 - 5 * 1100, abs=6)
    assert task.tasks_per_s == pytest.approx(0.4 / 6)
    assert task.tasks_in_flight == pytest.approx(0.4 / 6 * task.duration_s.expected)
    cold = answer(request_rate=0.4, calls_per_task=6, context_growth_tokens=1500, enable_prefix_caching=False)
    assert cold.ttft_s.expected > found.ttft_s.expected
    paid = command_answer(asked.model_copy(update={"usd_per_gpu_hour": 4.0}))["task"]["usd_per_task"]
    assert paid == pytest.approx(4 / 3600 / task.tasks_per_s, rel=1e-4)


def test_tasks_that_wait_for_tools_are_told_when_the_cache_cannot_keep_them() -> None:
    chain = {"calls_per_task": 20, "context_growth_tokens": 1000, "request_rate": 0.5}
    assert not answer(**chain, tool_wait_s=0.5).notes
    assert "wait for a tool" in answer(**chain, tool_wait_s=600).notes[-1]
    too_long = answer(**{**chain, "calls_per_task": 40})
    assert "max_model_len is 32,768" in " ".join(too_long.notes)


def test_drafts_say_from_which_batch_they_hurt() -> None:
    drafts = {"draft_tokens": 4, "acceptance_rate": 0.4}
    found = answer(concurrency=4, speculative=drafts).drafting
    assert found
    assert found.tokens_per_step == pytest.approx(1 + 0.4 + 0.16 + 0.064 + 0.0256)
    assert found.speedup > 1
    assert found.break_even_sequences
    for sequences, better in ((found.break_even_sequences, True), (found.break_even_sequences + 8, False)):
        with_drafts = answer(concurrency=sequences, speculative=drafts).tpot_s.expected
        assert (with_drafts < answer(concurrency=sequences).tpot_s.expected) is better
    useless = answer(concurrency=4, speculative={"draft_tokens": 8, "acceptance_rate": 0.02})
    assert useless.drafting
    assert useless.drafting.break_even_sequences == 0
    assert "Drafts hurt at every load" in useless.notes[0]
    assert "not known" in answer(concurrency=4, draft_tokens=3, mtp=False).notes[0]


def test_a_draft_model_costs_its_own_bytes_and_a_given_cost_replaces_it() -> None:
    drafts = {"draft_tokens": 4, "acceptance_rate": 0.6}
    small, large = (
        answer(concurrency=1, speculative=drafts, draft_model=name, draft_weights_dtype="fp8").drafting
        for name in ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.1-8B-Instruct")
    )
    assert small
    assert large
    assert 0.01 < small.step_share < large.step_share < 0.4
    assert large.step_share > 8 / 71  # its parameters over the model's: the rest is time per layer
    assert large.speedup < small.speedup
    given = answer(concurrency=1, speculative={**drafts, "draft_step_share": 0.5}).drafting
    assert given
    assert given.step_share == 0.5


POOLS = {"tp": 2, "dp": 4}


def test_pools_send_the_cache_and_are_not_slowed_by_prompts() -> None:
    found = answer(**POOLS, prefill_gpus=4, request_rate=4, kv_transfer_gb_per_s=25)
    pools = found.disaggregated
    assert pools
    per_token = 2 * 80 * 8 * 128 * 2  # keys and values of 80 layers with 8 heads of 128, in 16 bits
    assert pools.kv_transfer_bytes == 2000 * per_token
    assert pools.kv_transfer_s == pytest.approx(2000 * per_token / (25e9 * 2))
    assert (pools.prefill_replicas, pools.decode_replicas) == (2, 2)
    together = pools.aggregated
    assert together == answer(**POOLS, request_rate=4)
    assert together
    assert found.tpot_s.expected < together.tpot_s.expected
    fast, slow = (
        answer(**POOLS, prefill_gpus=4, request_rate=0.01, kv_transfer_gb_per_s=rate) for rate in (25, 0.25)
    )
    more_s = 99 * pools.kv_transfer_s
    assert slow.ttft_s.expected - fast.ttft_s.expected == pytest.approx(more_s, rel=0.01)
    assert slow.disaggregated
    assert slow.disaggregated.bound_by == "kv_transfer"
    assert slow.bound_by == "communication"


def test_the_best_split_serves_more_than_every_other() -> None:
    rates = {}
    for gpus in (2, 4, 6):
        found = answer(**POOLS, prefill_gpus=gpus, concurrency="max")
        assert found.disaggregated
        rates[gpus] = found.largest_request_rate_per_s
        assert dict(found.disaggregated.busy)[found.disaggregated.bound_by] == pytest.approx(1, abs=0.02)
    best = answer(**POOLS, prefill_gpus="best", concurrency="max").disaggregated
    assert best
    assert best.prefill_gpus == best.best_prefill_gpus == max(rates, key=lambda gpus: rates[gpus] or 0)
    assert answer(**POOLS, prefill_gpus=2, request_rate=100).saturated


def test_pools_with_experts_apart_keep_attention_data_parallel() -> None:
    shape = {"model": "deepseek-ai/DeepSeek-R1", "gpu": "B200", "weights_dtype": "nvfp4", "concurrency": 256}
    wide = answer(**shape, dp=16, ep=16, prefill_gpus=8)
    assert wide.disaggregated
    assert (wide.disaggregated.prefill_replicas, wide.disaggregated.decode_replicas) == (1, 1)
    latent = 61 * (512 + 64) * 2  # one copy of the latents of 61 layers, in 16 bits
    assert wide.disaggregated.kv_transfer_bytes == 2000 * latent
    narrow = answer(**shape, tp=8, dp=2, prefill_gpus=8)
    assert wide.running_sequences > narrow.running_sequences * 0.9
    # Published: DeepSeek-R1 FP8 on B200 under TensorRT-LLM, P 1x8 D 1x8, 256 in flight, 33.6 ms per token.
    seen = answer(
        **{**shape, "weights_dtype": "fp8"}, engine="tensorrt-llm", dp=16, ep=16, prefill_gpus=8,
        input_tokens=7373, output_tokens=922,
    )  # fmt: skip
    assert seen.tpot_s.expected == pytest.approx(0.0336, rel=0.4)


def test_pools_of_own_sizes_and_pools_that_cannot_be() -> None:
    found = answer(tp=8, prefill_gpus=4, prefill_tp=4, decode_tp=2, concurrency=8)
    assert found.disaggregated
    assert (found.disaggregated.prefill_replicas, found.disaggregated.decode_replicas) == (1, 2)
    with pytest.raises(InferplanError, match="take best or one of 2, 4, 6"):
        answer(**POOLS, prefill_gpus=3, concurrency=8)
    with pytest.raises(InferplanError, match="does not divide"):
        answer(tp=8, prefill_gpus=4, concurrency=8)
    with pytest.raises(InferplanError, match="need prefill_gpus"):
        case(kv_transfer_gb_per_s=50)


def test_answers_with_every_feature_are_json_for_machines() -> None:
    found = command_answer(
        case(**POOLS, prefill_gpus="best", request_rate=1, reasoning_multiple=1, calls_per_task=3)
    )
    read = json.loads(json.dumps(found, allow_nan=False))
    assert read["disaggregated"]["aggregated"]["largest_request_rate_per_s"] > 0
    assert read["disaggregated"]["busy"].keys() == {"prefill", "kv_transfer", "decode"}
    assert read["task"]["calls"] == 3
    assert read["ttft_p99_ms"]["expected"] > read["ttft_ms"]["expected"]


EXTREMES: tuple[dict[str, object], ...] = (
    {"request_rate": 1e-8},
    {"request_rate": 1e9},
    {"request_rate": 1, "length_variation": 10},
    {"request_rate": 1, "input_tokens": 1, "output_tokens": 1},
    {"request_rate": 1, "slo": {"e2e_s": 1e-9}},
    {"concurrency": "max", "reasoning_multiple": 1000, "output_tokens": 10**9},
    {"concurrency": 1, "calls_per_task": 10_000, "context_growth_tokens": 10**9},
    {"request_rate": 3, "calls_per_task": 3, "prefix_cache_hit_rate": 1},
    {"request_rate": 1, "speculative": {"draft_tokens": 64, "acceptance_rate": 1}},
    {"request_rate": 1e9, "dp": 4, "prefill_gpus": "best"},
    {"concurrency": 10**9, "dp": 4, "prefill_gpus": "best", "kv_transfer_gb_per_s": 1e-9},
    {"concurrency": "max", "dp": 4096, "prefill_gpus": "best", "slo": {"tpot_s": 0.05, "ttft_s": 1}},
)


@pytest.mark.parametrize("fields", EXTREMES)
def test_extremes_are_answered_in_numbers(fields: dict[str, object]) -> None:
    found = command_answer(case(**fields))
    json.dumps(found, allow_nan=False)
    for name in ("ttft_ms", "tpot_ms", "output_tokens_per_s"):
        assert 0 < found[name]["low"] <= found[name]["expected"] <= found[name]["high"]


def test_what_the_figures_leave_out_is_said() -> None:
    notes = answer(enforce_eager=True, concurrency=1).notes
    assert any("enforce_eager" in note for note in notes)
    config = {**catalog.model_config("Qwen/Qwen3-8B"), "model_type": "unheard_of"}
    (note,) = answer(model=None, config=config, concurrency=1).notes
    assert note.startswith("The model_type 'unheard_of' is not known here")


def test_tensorrt_llm_keeps_one_type_of_cache_in_memory_and_in_time() -> None:
    auto, stated = (
        case(engine="tensorrt-llm", kv_dtype=kv_dtype, concurrency=4) for kv_dtype in ("auto", "fp8")
    )
    assert fit(auto.deployment()).kv_bytes_per_token_per_gpu == 80 * 2 * 8 * 128
    assert float(serve(auto.deployment()).work.cache_bytes[0]) == 80 * 2 * 8 * 128
    assert fit(auto.deployment()).kv_pool_tokens == fit(stated.deployment()).kv_pool_tokens
    assert "give kv_dtype for another" in " ".join(fit(auto.deployment()).memory.notes)
    wide = case(engine="tensorrt-llm", weights_dtype="bf16", tp=4).deployment()
    assert fit(wide).kv_bytes_per_token_per_gpu == 80 * 2 * 2 * 128 * 2
