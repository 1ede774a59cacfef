"""Pasted start-up logs: what is read, and how it is laid beside the prediction."""

from pathlib import Path

import pytest

from inferplan.datasets import catalog
from inferplan.datasets.schema import GIB
from inferplan.planner.architecture import parse
from inferplan.planner.case import Case
from inferplan.planner.deployment import Deployment
from inferplan.planner.engine_log import EngineLogError, differences, read_log
from inferplan.planner.memory import fit

LOGS = Path(__file__).parent / "data" / "engine_logs"
V0_WORKER = (LOGS / "vllm_v0_worker.txt").read_text(encoding="utf-8")
V0_PROFILE = (LOGS / "vllm_v0_profile.txt").read_text(encoding="utf-8")
V1 = (LOGS / "vllm_v1_two_ranks.txt").read_text(encoding="utf-8")
V1_DEBUG = (
    "Free memory on device (177.66/178.36 GiB) on startup. Desired GPU memory utilization is (0.9, 160.53"
    " GiB). Actual usage is 8.58 GiB for weight, 9.96 GiB for peak activation, 0.07 GiB for non-torch memory,"
    " and 0.65 GiB for CUDAGraph memory. Replace gpu_memory_utilization config"
)
SGLANG = (LOGS / "sglang_hybrid.txt").read_text(encoding="utf-8")
TENSORRT = (LOGS / "tensorrt_llm.txt").read_text(encoding="utf-8")
LLAMA_CPP = (LOGS / "llama_cpp.txt").read_text(encoding="utf-8")


def gib(size: int | None) -> float | None:
    return None if size is None else round(size / GIB, 2)


def test_v0_worker_lines():
    log = read_log(V0_WORKER)
    assert (log.engine, gib(log.weights_bytes), gib(log.non_torch_bytes)) == ("vllm", 7.51, 0.39)
    assert (gib(log.activation_bytes), gib(log.kv_bytes), gib(log.total_bytes)) == (2.53, 3.76, 15.77)
    assert (log.kv_tokens, log.concurrency, log.max_model_len, log.memory_share) == (
        3852 * 16,
        1.54,
        40000,
        0.9,
    )


def test_v0_profiling_results_give_the_activation_as_a_difference():
    log = read_log(V0_PROFILE)
    assert (gib(log.weights_bytes), gib(log.kv_bytes), gib(log.total_bytes)) == (14.99, 3.81, 23.58)
    assert gib(log.activation_bytes) == 2.07
    assert log.memory_share == 0.9


def test_v1_lines_of_two_ranks():
    log = read_log(V1)
    assert (log.version, log.model, log.tp, log.pp) == ("0.10.1.1", "Qwen/Qwen2-7B-Instruct", 2, 1)
    assert (gib(log.weights_bytes), gib(log.kv_bytes)) == (7.12, 12.02)
    assert (log.kv_tokens, log.concurrency, log.max_model_len) == (450_192, 27.48, 16_384)
    assert gib(log.cuda_graph_bytes) == 0.65
    assert log.kv_dtype == "auto"
    assert log.eager is False
    assert log.kv_bytes_per_token == pytest.approx(28_672, rel=0.001)
    assert "450,192" in log.evidence["kv_tokens"]


def test_v1_debug_breakdown():
    log = read_log(V1_DEBUG)
    assert (gib(log.total_bytes), log.memory_share) == (178.36, 0.9)
    assert (gib(log.weights_bytes), gib(log.activation_bytes)) == (8.58, 9.96)
    assert (gib(log.non_torch_bytes), gib(log.cuda_graph_bytes)) == (0.07, 0.65)


def test_refusal_gives_the_pool():
    log = read_log(
        "ValueError: To serve at least one request with the models's max seq len (131072), (4.54 GiB KV cache"
        " is needed, which is larger than the available KV cache memory (1.71 GiB). Based on the available"
        " memory, the estimated maximum model length is 49152. vllm"
    )
    assert (gib(log.kv_bytes), log.max_model_len) == (1.71, 131_072)


def test_sglang_lines():
    log = read_log(SGLANG)
    assert (log.engine, log.tp, log.memory_share, log.batch_tokens) == ("sglang", 1, 0.85, 8192)
    assert (gib(log.weights_bytes), gib(log.kv_bytes), gib(log.state_bytes)) == (28.47, 20.16, 17.92)
    assert (log.kv_tokens, gib(log.cuda_graph_bytes)) == (330_323, 0.1)


def test_tensorrt_llm_lines():
    log = read_log(TENSORRT)
    assert (log.engine, gib(log.weights_bytes), gib(log.activation_bytes)) == ("tensorrt-llm", 6.54, 1.11)
    assert (gib(log.kv_bytes), log.kv_tokens, log.block_tokens) == (63.44, 259_840, 64)
    assert (log.max_model_len, log.sequences, log.batch_tokens) == (131_072, 2048, 8192)


def test_tensorrt_llm_lines_of_its_pytorch_backend():
    # wording of tensorrt_llm/_torch/pyexecutor/_util.py, 1.0 to 1.2
    log = read_log(
        "[TRT-LLM] [I] TensorRT LLM version: 1.2.0rc1\n"
        "[TRT-LLM] [I] Memory used after loading model weights (inside torch) in memory usage profiling:"
        " 63.61 GiB\n"
        "[TRT-LLM] [I] Memory dynamically allocated during inference (inside torch) in memory usage"
        " profiling: 1.16 GiB\n"
        "[TRT-LLM] [I] Memory used outside torch (e.g., NCCL and CUDA graphs) in memory usage profiling:"
        " 1.57 GiB\n"
        "[TRT-LLM] [I] Peak memory during memory usage profiling (torch + non-torch): 66.34 GiB, available KV"
        " cache memory when calculating max tokens: 9.88 GiB, fraction is set 0.9, kv size is 73728. device"
        " total memory 79.11 GiB, , tmp kv_mem 0.56 GiB\n"
    )
    assert (log.engine, log.version, log.memory_share) == ("tensorrt-llm", "1.2.0rc1", 0.9)
    assert (gib(log.weights_bytes), gib(log.activation_bytes), gib(log.non_torch_bytes)) == (
        63.61,
        1.16,
        1.57,
    )
    assert (gib(log.kv_bytes), gib(log.total_bytes)) == (9.88, 79.11)


def test_what_was_asked_for_is_taken_over():
    # wording of vllm-project/vllm #51454, 2026-08-07
    log = read_log(
        "INFO 08-07 21:32:22 [api_utils.py:273] non-default args: {'model_tag': '/root/.cache/huggingface/"
        "hub/models--deepseek-ai--DeepSeek-V4-Flash-0731/snapshots/7872f01b', 'data_parallel_size': 8,"
        " 'enable_expert_parallel': True, 'block_size': 256, 'enable_prefix_caching': True}\n"
        "(EngineCore_DP0 pid=1) INFO [gpu_worker.py:508] Available KV cache memory: 140.98 GiB\n"
    )
    fields = log.case_fields()
    assert (fields["model"], fields["dp"], fields["ep"]) == ("deepseek-ai/DeepSeek-V4-Flash-0731", 8, 8)
    assert (fields["block_size"], fields["enable_prefix_caching"]) == (256, True)


def test_a_draft_models_smaller_pool_does_not_stand_for_the_models():
    # two pools a rank with a draft: noonghunna/club-3090 #1261, 2026-09-12
    line = "[TP0] KV Cache is allocated. #tokens: 454112, K size: {0} GB, V size: {0} GB"
    log = read_log("\n".join(line.format(size) for size in ("3.46", "1.08")))
    assert gib(log.kv_bytes) == 6.92


def test_llama_cpp_lines():
    log = read_log(LLAMA_CPP)
    assert (log.engine, log.model, log.kv_tokens) == ("llama.cpp", "Qwen3 0.6B", 4096)
    assert (gib(log.weights_bytes), gib(log.kv_bytes), gib(log.activation_bytes)) == (0.59, 0.44, 0.29)
    assert log.kv_bytes_per_token == 114_688


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no start-up lines"),
        ("hello\nworld", "no start-up lines"),
        ("INFO vllm is starting", "no line says how much memory"),
        ("\x00\x01" * 1000, "no start-up lines"),
        ("x" * 1_000_001, "at most 1,000,000"),
    ],
)
def test_a_text_without_memory_lines_is_refused(text, words):
    with pytest.raises(EngineLogError, match=words):
        read_log(text)


def test_the_log_lies_beside_the_prediction_term_by_term():
    log = read_log(V1)
    fields = {**log.case_fields(), "gpu": "A100 SXM 80GB", "gpu_memory_utilization": 0.25}
    case = Case.read(fields)
    found = {entry.term: entry for entry in differences(log, fit(case.deployment()))}
    assert found["weights"].explanation == "agrees"
    assert found["weights"].relative == pytest.approx(0, abs=0.01)
    assert found["KV cache pool"].predicted == pytest.approx(12.02, rel=0.02)
    assert found["cache per printed token"].predicted == pytest.approx(28_672, rel=1e-4)
    assert found["sequences at once"].logged == 27.48


def test_a_difference_is_explained():
    log = read_log(V1)
    name = "Qwen/Qwen2-7B-Instruct"
    other = Deployment(parse(catalog.model_config(name), name=name), catalog.gpu("A100 SXM 80GB"), tp=1)
    weights = next(entry for entry in differences(log, fit(other)) if entry.term == "weights")
    assert weights.relative == pytest.approx(1, abs=0.02)
    assert "more GPUs" in weights.explanation
