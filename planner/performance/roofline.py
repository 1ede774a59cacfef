"""Time of one decode step and of one prompt, from bytes, operations and messages.

A part of a step takes the larger of its bytes over the memory's bandwidth and its operations over the
arithmetic peak, each times the share of the ceiling that is reached; layers, collectives and sequences add
fixed times, and all-reduces add their bytes over the link.
"""

from dataclasses import dataclass

import numpy as np

from inferplan.planner.performance.constants import Constants
from inferplan.planner.performance.work import Column, Work

COLLECTIVES_PER_LAYER = 2  # one all-reduce after attention, one after the MLP: Megatron-LM, arXiv 1909.08053
RING_FACTOR = 2  # a ring all-reduce sends 2 (n - 1) / n of the vector per GPU: NCCL tests, PERFORMANCE.md


@dataclass(frozen=True, eq=False)
class Time:
    """Seconds of one step or prompt and where they go; the parts sum to ``total_s``."""

    total_s: Column
    memory_s: Column
    compute_s: Column
    communication_s: Column
    overhead_s: Column


def scaled(time: Time, factor: Column) -> Time:
    """Return ``time`` with each part times ``factor``."""
    return Time(*(getattr(time, name) * factor for name in Time.__dataclass_fields__))


def added(first: Time, second: Time) -> Time:
    """Return both times after each other."""
    return Time(*(getattr(first, name) + getattr(second, name) for name in Time.__dataclass_fields__))


def touched_experts(work: Work, tokens: Column) -> Column:
    """Return the share of the experts that at least one of ``tokens`` tokens chooses, choices being even."""
    share = np.minimum(work.experts_per_token / work.experts, 1.0)
    return -np.expm1(tokens * work.expert_batches * np.log1p(-np.minimum(share, 1 - 1e-12)))


def decode_step(
    work: Work, constants: Constants, sequences: Column, context: Column, tokens_each: Column | float = 1.0
) -> Time:
    """Return the time of a step that computes ``tokens_each`` tokens of each of ``sequences`` sequences.

    One token each is plain decoding; more are the drafts that a step of speculative decoding checks at once.

    Pipeline stages hold a share of the sequences each, so that a token passes all layers at the batch of one
    stage.
    """
    batch = np.maximum(1.0, sequences / work.pp)
    tokens = batch * tokens_each
    bandwidth = work.bandwidth
    dense_s = (work.dense_bytes + work.head_bytes) / (constants.bandwidth_dense * bandwidth)
    dense_flops_s = tokens * (
        work.dense_flops / (constants.arithmetic_dense * work.dense_peak)
        + (work.head_flops + work.state_flops) / (constants.arithmetic_dense * work.attention_peak)
    )
    experts_s = work.expert_bytes * touched_experts(work, tokens) / (constants.bandwidth_experts * bandwidth)
    experts_flops_s = tokens * work.expert_flops / (constants.arithmetic_experts * work.expert_peak)
    in_window = np.minimum(context, work.window_tokens)
    cache = work.cache_bytes * context + work.window_bytes * in_window + 2 * work.state_bytes
    cache_s = batch * cache / (constants.bandwidth_cache * bandwidth)
    attention = work.attention_flops * context + work.window_flops * in_window
    attention_s = tokens * attention / (constants.prompt_attention * work.attention_peak)
    memory_s = (
        np.where(dense_s >= dense_flops_s, dense_s, 0.0)
        + np.where(experts_s >= experts_flops_s, experts_s, 0.0)
        + np.where(cache_s >= attention_s, cache_s, 0.0)
    )
    total = (
        np.maximum(dense_s, dense_flops_s)
        + np.maximum(experts_s, experts_flops_s)
        + np.maximum(cache_s, attention_s)
    )
    communication_s = _communication(work, constants, tokens, 1.0)
    overhead_s = (
        constants.layer_s * work.layers
        + constants.expert_layer_s * work.expert_layers
        + constants.step_s
        + constants.sequence_s * batch
    )
    return Time(total + communication_s + overhead_s, memory_s, total - memory_s, communication_s, overhead_s)


def prompt(work: Work, constants: Constants, tokens: Column, cached: Column) -> Time:
    """Return the GPU time of one prompt of ``tokens`` new tokens after ``cached`` reused ones."""
    dense_s = tokens * work.dense_flops / (constants.prompt_dense * work.dense_peak)
    rows = work.batch_tokens * work.expert_batches * work.experts_per_token / work.experts
    few_rows = 1 + constants.expert_rows / rows
    experts_s = tokens * work.expert_flops * few_rows / (constants.prompt_experts * work.expert_peak)
    full = tokens * (cached + tokens / 2)
    in_window = tokens * np.minimum(cached + tokens / 2, work.window_tokens)
    pairs = work.prompt_attention_flops * full + work.window_flops * in_window
    attention_s = (pairs + tokens * work.state_flops) / (constants.prompt_attention * work.attention_peak)
    compute_s = dense_s + experts_s + attention_s
    chunks = np.maximum(1.0, tokens / work.batch_tokens)
    communication_s = _communication(work, constants, tokens, chunks)
    overhead_s = chunks * (constants.layer_s * work.layers + constants.expert_layer_s * work.expert_layers)
    zero = np.zeros_like(compute_s)
    return Time(compute_s + communication_s + overhead_s, zero, compute_s, communication_s, overhead_s)


def _communication(work: Work, constants: Constants, tokens: Column, steps: Column | float) -> Column:
    """Return the time of the all-reduces of ``tokens`` tokens in ``steps`` steps."""
    gpus = work.tp * work.expert_batches
    shared = np.where(gpus > 1, 1.0, 0.0)
    calls = COLLECTIVES_PER_LAYER * work.layers * shared
    moved = RING_FACTOR * (gpus - 1) / gpus * work.message_bytes * tokens
    hops = work.pp - 1
    passed = work.message_bytes * tokens * hops / (constants.link * work.link_bytes_per_s)
    return (
        calls * (steps * constants.collective_s + moved / (constants.link * work.link_bytes_per_s)) + passed
    )
