"""The performance model: physics that must hold, published figures, and the answers' form."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from inferplan.datasets import catalog
from inferplan.datasets.benchmarks import benchmarks, calibration
from inferplan.datasets.errors import InferplanError
from inferplan.planner.architecture import parse
from inferplan.planner.case import Case
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory import fit
from inferplan.planner.performance import Estimate, estimate, estimate_many, nearest_measurements, serve
from inferplan.planner.performance.roofline import touched_experts

LLAMA_8B = {"model": "meta-llama/Llama-3.1-8B-Instruct", "max_model_len": 16384}
LOAD = {"input_tokens": 1000, "output_tokens": 500}
MODELS = (
    "meta-llama/Llama-3.3-70B-Instruct",
    "openai/gpt-oss-120b",
    "deepseek-ai/DeepSeek-R1",
    "Qwen/Qwen3.5-397B-A17B",
    "Qwen/Qwen3-8B",
)


def answer(**fields: object) -> Estimate:
    case = Case.read({**LLAMA_8B, **LOAD, "gpu": "H100 SXM", "concurrency": 16, **fields})
    return estimate(case.deployment(), case.workload())


def deployment(model: str, gpu: str, **fields: object) -> Deployment:
    return Deployment(parse(catalog.model_config(model), name=model), catalog.gpu(gpu), **fields)


# Medians that were published, in milliseconds.
PUBLISHED: tuple[tuple[Mapping[str, object], float], ...] = (
    ({"gpu": "L4", "concurrency": 1, "input_tokens": 200, "output_tokens": 128}, 61.2),
    ({"gpu": "RTX 4090", "concurrency": 1, "input_tokens": 200, "output_tokens": 128}, 20.1),
    ({"gpu": "H200 SXM", "concurrency": 1, "input_tokens": 200, "output_tokens": 128}, 7.6),
    (
        {"model": "meta-llama/Llama-3.1-70B-Instruct", "gpu": "H200 SXM", "weights_dtype": "fp8",
         "engine": "tensorrt-llm", "concurrency": 4, "input_tokens": 922, "output_tokens": 922},
        20.1,
    ),
    (
        {"model": "deepseek-ai/DeepSeek-R1", "gpu": "H200 SXM", "weights_dtype": "fp8", "tp": 8,
         "engine": "sglang", "concurrency": 64, "input_tokens": 922, "output_tokens": 922},
        33.0,
    ),
)  # fmt: skip


@pytest.mark.parametrize(("fields", "tpot_ms"), PUBLISHED)
def test_published_token_times_lie_near_the_estimate(fields: Mapping[str, object], tpot_ms: float) -> None:
    found = answer(**fields)
    assert found.tpot_s.expected * 1000 == pytest.approx(tpot_ms, rel=0.4)
    assert found.tpot_s.low * 1000 < tpot_ms * 1.3
    assert found.tpot_s.high * 1000 > tpot_ms * 0.8


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(MODELS), gpu=st.sampled_from(["H200 SXM", "B200", "L40S", "MI300X"]),
    engine=st.sampled_from(["vllm", "sglang", "tensorrt-llm", "llama.cpp"]), tp=st.sampled_from([1, 8]),
    faster=st.floats(1.01, 10), concurrency=st.integers(1, 2000), tokens=st.integers(1, 20000),
)  # fmt: skip
def test_more_bandwidth_never_makes_a_token_slower(
    model: str, gpu: str, engine: str, tp: int, faster: float, concurrency: int, tokens: int
) -> None:
    slow = deployment(model, gpu, engine=engine, tp=tp, weights_dtype="fp8")
    wide = slow.gpu.model_copy(
        update={"memory_bandwidth_bytes_per_s": slow.gpu.memory_bandwidth_bytes_per_s * faster}
    )
    assume(fit(slow).memory.weights_bytes < slow.gpu.memory_total_bytes)
    both = [serve(slow), serve(replace(slow, gpu=wide))]
    found = estimate_many(both, [0, 1], input_tokens=tokens, output_tokens=200, concurrency=concurrency)
    assert found.tpot_s[1] <= found.tpot_s[0] * (1 + 1e-12)
    assert found.output_tokens_per_s[1] >= found.output_tokens_per_s[0] * (1 - 1e-9)


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(MODELS), engine=st.sampled_from(["vllm", "sglang", "tensorrt-llm", "llama.cpp"]),
    tokens=st.integers(1, 30000), output=st.integers(1, 20000), hit=st.floats(0, 1),
)  # fmt: skip
def test_a_token_takes_longer_the_more_requests_run_and_answers_stay_in_order(
    model: str, engine: str, tokens: int, output: int, hit: float
) -> None:
    served = serve(deployment(model, "B200", engine=engine, tp=8, weights_dtype="fp8"))
    loads = np.unique(np.geomspace(1, 1e6, 60).round())
    found = estimate_many(
        [served], np.zeros(len(loads), dtype=int), input_tokens=tokens, output_tokens=output,
        concurrency=loads, prefix_cache_hit_rate=hit,
    )  # fmt: skip
    assert np.all(np.diff(found.tpot_s) >= -1e-12)
    for low, middle, high in (
        (found.tpot_low_s, found.tpot_s, found.tpot_high_s),
        (found.ttft_low_s, found.ttft_s, found.ttft_high_s),
        (found.output_tokens_per_s_low, found.output_tokens_per_s, found.output_tokens_per_s_high),
    ):
        assert np.all(np.isfinite(high))
        assert np.all((low > 0) & (low <= middle) & (middle <= high))


@pytest.mark.parametrize("model", MODELS)
def test_throughput_stays_below_the_roofline(model: str) -> None:
    """An independent bound: every step reads the active weights once, and 2 operations per parameter."""
    served = serve(deployment(model, "H200 SXM", tp=8, weights_dtype="fp8"))
    loads = np.geomspace(1, 4096, 40)
    found = estimate_many(
        [served], np.zeros(40, dtype=int), input_tokens=1, output_tokens=1000, concurrency=loads
    )
    gpu = served.deployment.gpu
    bytes_read = 0.9 * served.fit.active_parameters / 8
    step_s = bytes_read / gpu.memory_bandwidth_bytes_per_s
    assert np.all(found.output_tokens_per_s <= found.running_sequences / step_s)
    operations = 2 * 0.9 * served.fit.active_parameters / 8
    assert gpu.fp8_flops_per_s is not None
    assert np.all(found.output_tokens_per_s <= gpu.fp8_flops_per_s / operations)


def test_cost_per_token_falls_with_load_and_then_not_below_the_knee() -> None:
    loads = [1.0, 8.0, 64.0, 512.0]
    rates = [answer(concurrency=int(load)).output_tokens_per_s.expected for load in loads]
    assert rates == sorted(rates)
    assert rates[1] > 5 * rates[0]
    assert rates[3] < 6 * rates[2]


def test_max_is_what_runs_at_once_and_more_requests_only_wait() -> None:
    most = answer(concurrency="max")
    beyond = answer(concurrency=int(most.running_sequences * 3))
    assert beyond.saturated
    assert beyond.running_sequences == pytest.approx(most.running_sequences)
    assert beyond.output_tokens_per_s.expected == pytest.approx(most.output_tokens_per_s.expected, rel=0.05)
    assert beyond.ttft_s.expected > 5 * most.ttft_s.expected


def test_a_rate_keeps_as_many_running_as_littles_law_says() -> None:
    found = answer(concurrency=None, request_rate=4)
    assert found.requests_per_s == pytest.approx(4)
    decoding_s = LOAD["output_tokens"] * found.tpot_s.expected
    assert found.running_sequences == pytest.approx(4 * decoding_s, rel=0.02)
    assert not found.saturated
    swamped = answer(concurrency=None, request_rate=1000)
    assert swamped.saturated
    assert swamped.requests_per_s < 1000
    assert swamped.ttft_s.expected > 10 * found.ttft_s.expected


def test_reused_prefixes_save_prompt_time() -> None:
    cold = answer(input_tokens=8000)
    warm = answer(input_tokens=8000, prefix_cache_hit_rate=0.9)
    assert warm.ttft_s.expected < cold.ttft_s.expected
    assert warm.output_tokens_per_s.expected > cold.output_tokens_per_s.expected
    assert warm.prefill_share < cold.prefill_share


def test_experts_are_touched_as_often_as_even_choices_say() -> None:
    """Against a simulation: 4 of 128 experts, 32 tokens."""
    work = serve(deployment("openai/gpt-oss-120b", "H100 SXM")).work
    random = np.random.default_rng(1)
    seen = np.mean(
        [len({e for _ in range(32) for e in random.choice(128, 4, replace=False)}) / 128 for _ in range(300)]
    )
    assert float(touched_experts(work, np.array([32.0]))[0]) == pytest.approx(seen, rel=0.02)


def test_one_call_gives_what_single_estimates_give() -> None:
    cases = [
        Case.read({**LLAMA_8B, **LOAD, "gpu": gpu, "concurrency": c})
        for gpu in ("L4", "B200")
        for c in (1, 99)
    ]
    served = [serve(case.deployment()) for case in cases]
    found = estimate_many(
        served, np.arange(4), input_tokens=1000, output_tokens=500, concurrency=[1, 99, 1, 99]
    )
    for place, case in enumerate(cases):
        single = estimate(case.deployment(), case.workload())
        assert found.tpot_s[place] == pytest.approx(single.tpot_s.expected)
        assert found.ttft_high_s[place] == pytest.approx(single.ttft_s.high)
        assert found.output_tokens_per_s_low[place] == pytest.approx(single.output_tokens_per_s.low)


def test_weights_larger_than_the_gpu_are_refused() -> None:
    with pytest.raises(InferplanError, match="does not fit"):
        answer(model="deepseek-ai/DeepSeek-R1", gpu="L4")


def test_the_basis_says_what_was_measured() -> None:
    known = answer(
        model="deepseek-ai/DeepSeek-R1", gpu="H200 SXM", engine="sglang", weights_dtype="fp8", tp=8
    )
    assert "of deepseek-ai/DeepSeek-R1 on H200 SXM under sglang" in known.basis
    unknown = answer(gpu="MI325X")
    assert "none of meta-llama/Llama-3.1-8B-Instruct on MI325X" in unknown.basis
    width = [found.tpot_s.high / found.tpot_s.low for found in (known, unknown)]
    assert width[0] < width[1]


def test_nearest_measurements_come_nearest_first_with_their_source() -> None:
    case = Case.read(
        {"model": "deepseek-ai/DeepSeek-R1", "gpu": "H200 SXM", "engine": "sglang", "weights_dtype": "fp8",
         "tp": 8, "input_tokens": 922, "output_tokens": 922, "concurrency": 64}
    )  # fmt: skip
    found = nearest_measurements(case.deployment(), case.workload(), 5)
    assert found[0].distance == 0
    assert found[0].benchmark.tpot_p50_ms == pytest.approx(32.9872)
    assert [near.distance for near in found] == sorted(near.distance for near in found)
    assert all(near.benchmark.source for near in found)


def test_published_runs_are_complete_and_the_calibration_says_what_it_dropped() -> None:
    rows = benchmarks()
    assert len({row.run for row in rows}) == len(rows) == 5776
    figures = sum(
        value is not None
        for row in rows
        for name, value in row
        if name.endswith("_ms") or name.startswith(("output_tokens_per_s", "total_tokens"))
    )
    assert figures == 15351
    used = calibration()
    assert used.dropped["speculative decoding unknown"] == 1491
    assert used.dropped["marked as suspect: faster than the memory allows"] == 40
    assert set(used.spreads["new"]) == {"tpot", "ttft", "throughput"}
    for error in used.errors:
        if error.left_out in ("model", "gpu"):
            assert 0.75 <= error.coverage <= 0.85
            assert error.median < {"tpot": 0.14, "ttft": 0.4}.get(error.metric, 0.18)


def test_drafts_help_when_few_run_and_are_right_and_hurt_when_they_are_wrong() -> None:
    plain = answer(concurrency=1)
    good = answer(concurrency=1, speculative={"draft_tokens": 3, "acceptance_rate": 0.8})
    assert good.tpot_s.expected == pytest.approx(
        plain.tpot_s.expected / 2.952, rel=0.25
    )  # 1 + .8 + .64 + .512
    bad = answer(concurrency=1, speculative={"draft_tokens": 8, "acceptance_rate": 0.05})
    assert bad.tpot_s.expected > plain.tpot_s.expected
