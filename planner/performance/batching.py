"""Continuous batching in steady state: who runs, who waits, and how long.

Every running sequence gets one token per step; while a prompt is read, the others wait or share the step.
With O output tokens per request, a token comes with 1/O prompts of every other running sequence.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inferplan.planner.performance.constants import Constants
from inferplan.planner.performance.roofline import Time, decode_step, prompt, scaled
from inferplan.planner.performance.work import Column, Work

SEARCH_STEPS = 18
WAVE_POWER = 0.6  # prompts before a new one grow slower than the requests in flight: seen in 1,900 runs
DRAFTER_LAYERS = 2.0  # one layer and a head per drafted token: EAGLE, arXiv 2401.15077, section 3
OVERLOAD_REQUESTS = 300  # an overloaded queue grows for ever: told for a run of so many requests


@dataclass(frozen=True, eq=False)
class Load:
    """What is asked of each deployment; ``inf`` sequences are "as many as it can run"."""

    input_tokens: Column
    output_tokens: Column
    concurrency: Column
    """Requests in flight over all replicas; NaN where a rate is given instead."""
    request_rate_per_s: Column
    prefix_cache_hit_rate: Column
    draft_tokens: Column
    """Tokens that a drafter proposes per step; 0 is decoding without one."""
    acceptance_rate: Column
    """Chance that a proposed token is right, given that those before it were."""


@dataclass(frozen=True, eq=False)
class Steady:
    """The steady state, per deployment."""

    ttft_s: Column
    tpot_s: Column
    output_tokens_per_s: Column
    requests_per_s: Column
    running: Column
    prefill_share: Column
    saturated: NDArray[np.bool_]
    step: Time


def room(work: Work, load: Load) -> Column:
    """Return the sequences per replica that pool and scheduler let run, at least one.

    A step starts new prompts of ``batch_tokens`` at most, and a request stays for as many steps as it has
    output tokens: more than ``output_tokens * batch_tokens / new_tokens`` cannot run at once.
    """
    tokens = load.input_tokens + load.output_tokens / 2
    held = (
        work.held_token_bytes * tokens
        + work.held_window_bytes * np.minimum(tokens, work.window_tokens)
        + work.held_state_bytes
    )
    fitting = work.pool_bytes / np.maximum(held, 1.0)
    admitted = load.output_tokens * work.batch_tokens / _new_tokens(load)
    return np.maximum(1.0, np.minimum(np.minimum(fitting, admitted) * work.pp, work.max_sequences))


def _new_tokens(load: Load) -> Column:
    """Return the tokens of a prompt that are not reused."""
    return np.maximum(1.0, load.input_tokens * (1 - load.prefix_cache_hit_rate))


def steady_state(work: Work, constants: Constants, load: Load) -> Steady:
    """Return the steady state of each row."""
    new_tokens = _new_tokens(load)
    reading = prompt(work, constants, new_tokens, load.input_tokens - new_tokens)
    most = room(work, load)
    by_rate = np.isnan(load.concurrency)
    offered = load.request_rate_per_s / work.dp
    concurrency = np.where(by_rate, np.inf, load.concurrency / work.dp)
    running = np.minimum(np.maximum(concurrency, 1.0), most)
    if np.any(by_rate):
        running = np.where(by_rate, _running_at(work, constants, load, reading, most, offered), running)
    step, tpot_s = _token_time(work, constants, load, reading, running)
    first_s = constants.first_token_s + step.total_s
    waiting = constants.wave * np.maximum(0.0, running - 1) ** WAVE_POWER
    ttft_s = first_s + reading.total_s * (1 + waiting)
    decode_s = (load.output_tokens - 1) * tpot_s
    possible = running / (load.output_tokens * tpot_s)
    overloaded = by_rate & (offered > possible) & (running > most * (1 - 1e-4))
    saturated = overloaded | (~by_rate & (concurrency > most))
    closed = np.where(np.isfinite(concurrency), concurrency, most)
    rate = np.minimum(np.where(saturated, possible, np.inf), closed / (ttft_s + decode_s))
    rate = np.where(by_rate, np.minimum(offered, possible), np.minimum(rate, possible))
    queued = np.isfinite(concurrency) & (concurrency > most)
    ttft_s = np.where(queued, np.maximum(ttft_s, closed / rate - decode_s), ttft_s)
    with np.errstate(divide="ignore", invalid="ignore"):
        backlog = OVERLOAD_REQUESTS / 2 * (1 / possible - 1 / offered)
    ttft_s = np.where(overloaded, ttft_s + backlog, ttft_s)
    share = np.clip(1 - step.total_s / tpot_s, 0.0, 1.0)
    return Steady(
        ttft_s, tpot_s, rate * load.output_tokens * work.dp, rate * work.dp, running * work.dp, share,
        saturated, step,
    )  # fmt: skip


def _token_time(
    work: Work, constants: Constants, load: Load, reading: Time, running: Column
) -> tuple[Time, Column]:
    """Return the step and the time per token, prompts of the others and drafts included."""
    context = load.input_tokens + load.output_tokens / 2
    others = np.maximum(0.0, running - 1)
    prompts_s = constants.interference * others * reading.total_s / load.output_tokens
    if not np.any(load.draft_tokens > 0):
        step = decode_step(work, constants, running, context)
        return step, step.total_s + prompts_s
    checked = decode_step(work, constants, running, context, 1 + load.draft_tokens)
    drafting = 1 + load.draft_tokens * DRAFTER_LAYERS / work.layers
    step = scaled(checked, drafting / tokens_per_step(load))
    return step, step.total_s + prompts_s


def tokens_per_step(load: Load) -> Column:
    """Return the tokens that a step yields: 1 + a + a^2 + ... + a^drafts (arXiv 2211.17192, eq. 1)."""
    rate = np.minimum(load.acceptance_rate, 1 - 1e-9)
    return np.asarray((1 - rate ** (load.draft_tokens + 1)) / (1 - rate))


def _running_at(
    work: Work, constants: Constants, load: Load, reading: Time, most: Column, offered: Column
) -> Column:
    """Return the sequences that run at ``offered`` requests per second: Little's law, solved by halving."""
    low, high = np.zeros_like(most), most
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        _, tpot_s = _token_time(work, constants, load, reading, middle)
        enough = middle / (load.output_tokens * tpot_s) >= offered
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.maximum(high, 1e-9)
