"""The largest context and concurrency, the fewest GPUs, and what to change."""

from dataclasses import replace

import pytest

from inferplan.datasets import catalog
from inferplan.planner.answers import (
    changes_to_fit,
    fewest_gpus,
    fit_all_gpus,
    largest_concurrency,
    largest_context,
    tensor_parallel_sizes,
)
from inferplan.planner.architecture import parse
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory import fit


def deploy(model: str, gpu: str = "H100 SXM", **fields: object) -> Deployment:
    return Deployment(parse(catalog.model_config(model), name=model), catalog.gpu(gpu), **fields)


@pytest.mark.parametrize("concurrency", [1, 4, 32])
@pytest.mark.parametrize("model", ["Qwen/Qwen3-32B", "openai/gpt-oss-120b", "Qwen/Qwen3.6-35B-A3B"])
def test_largest_context_fits_and_one_page_more_does_not(model, concurrency):
    deployment = deploy(model, "H200 SXM")
    tokens = largest_context(deployment, concurrency)
    assert tokens
    assert fit(replace(deployment, max_model_len=tokens)).max_concurrency >= concurrency
    limit = deployment.architecture.max_position_tokens
    if tokens < limit:
        assert fit(replace(deployment, max_model_len=tokens + 1)).max_concurrency < concurrency


def test_no_context_fits_when_the_weights_do_not():
    assert largest_context(deploy("meta-llama/Llama-3.3-70B-Instruct")) is None
    assert largest_concurrency(deploy("meta-llama/Llama-3.3-70B-Instruct"), 1024) == 0


def test_replicas_multiply_concurrency():
    one = largest_concurrency(deploy("Qwen/Qwen3-8B"), 8192)
    assert one == int(fit(deploy("Qwen/Qwen3-8B", max_model_len=8192)).max_concurrency)
    assert largest_concurrency(deploy("Qwen/Qwen3-8B", dp=3), 8192) == 3 * one


def test_fewest_gpus_are_enough_and_legal_and_one_shape_smaller_is_not():
    deployment = deploy("Qwen/Qwen2.5-72B-Instruct", "L40S", max_model_len=8192)
    found = fewest_gpus(deployment)
    assert found
    assert fit(found).fits
    legal = {size.tp for size in tensor_parallel_sizes(deployment.architecture) if size.reason is None}
    assert found.tp in legal
    smaller = [
        replace(deployment, tp=tp, pp=pp)
        for tp in sorted(legal)
        for pp in range(1, 9)
        if tp * pp < found.gpu_count
    ]
    assert smaller
    assert not any(fit(candidate).fits for candidate in smaller)


def test_illegal_sizes_say_why():
    sizes = tensor_parallel_sizes(deploy("Qwen/Qwen2.5-7B-Instruct").architecture)
    reasons = {size.tp: size.reason for size in sizes}
    assert [tp for tp, reason in reasons.items() if reason is None] == [1, 2, 4]  # 28 heads, 4 KV heads
    assert reasons[8] == "28 attention heads do not divide among 8 GPUs"


def test_every_gpu_is_answered_those_that_fit_first():
    found = fit_all_gpus(deploy("meta-llama/Llama-3.3-70B-Instruct", max_model_len=8192, weights_dtype="fp8"))
    assert len(found) == len(catalog.gpus())
    fits = [entry.fit.fits for entry in found]
    assert fits == sorted(fits, reverse=True)
    by_name = {entry.gpu.name: entry for entry in found}
    assert by_name["H200 SXM"].fit.fits
    assert not by_name["L4"].fit.fits
    assert by_name["L4"].fewest
    assert by_name["L4"].fewest.gpu_count >= 4  # 67.7 GiB of weights on cards of 22 GiB


def test_changes_make_it_fit_in_the_order_promised():
    deployment = deploy("meta-llama/Llama-3.3-70B-Instruct", max_model_len=32768)
    changes = changes_to_fit(deployment)
    assert changes
    order = ["kv_dtype", "weights_dtype", "tp", "max_model_len", "gpu"]
    ranks = [order.index(change.kind) for change in changes]
    assert ranks == sorted(ranks)
    for change in changes:
        assert change.fit.fits, change.words
        assert change.deployment != deployment
    assert {"weights_dtype", "tp", "gpu"} <= {change.kind for change in changes}


def test_a_cache_in_fp8_is_offered_when_it_is_enough():
    deployment = deploy("Qwen/Qwen3-32B", max_model_len=40960)
    assert not fit(deployment).fits
    first = changes_to_fit(deployment)[0]
    assert first.kind == "kv_dtype"
    assert first.deployment.kv_dtype == "fp8"


def test_only_tensor_parallel_sizes_that_divide_are_offered():
    deployment = deploy("Qwen/Qwen2.5-7B-Instruct", "T4", max_model_len=32768)
    assert {change.deployment.tp for change in changes_to_fit(deployment) if change.kind == "tp"} <= {2, 4}
