"""Continuous batching in steady state: who runs, who waits, and how long.

Every running sequence gets one token per step; while a prompt is read, the others wait or share the step.
With O output tokens per request, a token comes with 1/O prompts of every other running sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inferplan.planner.performance import queueing
from inferplan.planner.performance.constants import Constants
from inferplan.planner.performance.result import BoundBy
from inferplan.planner.performance.roofline import Time, added, decode_step, prompt, scaled
from inferplan.planner.performance.slowest import Wait, slowest_first_tokens_s, slowest_tokens_s
from inferplan.planner.performance.work import Column, Work

DRAFTER_LAYERS = 2.0  # one layer and a head per drafted token: EAGLE, arXiv 2401.15077, section 3


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
    draft_step_share: Column
    """Time of drafting one token over that of a step of the model; NaN is that of ``DRAFTER_LAYERS``."""
    length_variation: Column
    """Standard deviation of the requests' lengths over their mean; counts under a rate."""

    def take(self, index: NDArray[np.intp]) -> "Load":
        """Return the rows at ``index``."""
        return Load(*(np.take(getattr(self, field.name), index) for field in fields(self)))

    def rows(self, window: slice) -> "Load":
        """Return the rows in ``window``, without copying."""
        return Load(*(getattr(self, field.name)[window] for field in fields(self)))


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
    ttft_p99_s: Column
    """NaN where a concurrency is given, not a rate, or nobody asked; that of a token likewise."""
    tpot_p99_s: Column
    step: Time

    def largest_part(self, row: int = 0) -> BoundBy:
        """Return what takes most of a token's time in one row; prompts of others count as arithmetic."""
        parts: dict[BoundBy, float] = {
            "memory_bandwidth": float(self.step.memory_s[row]),
            "compute": float(self.step.compute_s[row] + self.tpot_s[row] - self.step.total_s[row]),
            "communication": float(self.step.communication_s[row]),
            "overhead": float(self.step.overhead_s[row]),
        }
        return max(parts, key=lambda part: parts[part])


@dataclass(frozen=True, eq=False)
class Room:
    """Sequences per replica that each limit lets run."""

    pool: Column
    admission: Column
    """A step starts new prompts of ``batch_tokens`` at most, and a request stays for as many steps as it has
    output tokens: more than ``output_tokens * batch_tokens / new_tokens`` cannot run at once."""
    scheduler: Column

    @property
    def sequences(self) -> Column:
        """What all of them let run, at least one."""
        return np.maximum(1.0, np.minimum(np.minimum(self.pool, self.admission), self.scheduler))


def room(work: Work, load: Load) -> Room:
    """Return the sequences per replica that pool and scheduler let run."""
    tokens = load.input_tokens + load.output_tokens * work.output_held
    held = (
        work.held_token_bytes * tokens
        + work.held_window_bytes * np.minimum(tokens, work.window_tokens)
        + work.held_state_bytes
    )
    return Room(
        work.pool_bytes / np.maximum(held, 1.0) * work.pp,
        load.output_tokens * work.batch_tokens / _new_tokens(load) * work.pp,
        work.max_sequences,
    )


def _new_tokens(load: Load) -> Column:
    """Return the tokens of a prompt that are not reused."""
    return np.maximum(1.0, load.input_tokens * (1 - load.prefix_cache_hit_rate))


def prompt_time(work: Work, constants: Constants, load: Load) -> Time:
    """Return the GPU time of one request's prompt."""
    new_tokens = _new_tokens(load)
    return prompt(work, constants, new_tokens, load.input_tokens - new_tokens)


def steady_state(work: Work, constants: Constants, load: Load, *, slowest: bool = False) -> Steady:
    """Return the steady state of each row; 99th percentiles, which take longer, only with ``slowest``."""
    by_rate = np.isnan(load.concurrency)
    if not np.any(by_rate):
        return _at_concurrency(work, constants, load)
    if np.all(by_rate):
        return _at_rate(work, constants, load, slowest)
    kinds = [np.flatnonzero(~by_rate), np.flatnonzero(by_rate)]
    parts = [
        steady_state(work.take(rows), constants.take(rows), load.take(rows), slowest=slowest)
        for rows in kinds
    ]
    return _joined(parts, np.argsort(np.concatenate(kinds)))


def _joined(parts: Sequence[Steady], order: NDArray[np.intp]) -> Steady:
    names = [field.name for field in fields(Steady) if field.name != "step"]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])[order] for name in names
    }
    times = [np.concatenate([getattr(part.step, f.name) for part in parts])[order] for f in fields(Time)]
    return Steady(**columns, step=Time(*times))


def _at_concurrency(work: Work, constants: Constants, load: Load) -> Steady:
    reading = prompt_time(work, constants, load)
    most = room(work, load).sequences
    concurrency = load.concurrency / work.dp
    running = np.minimum(np.maximum(concurrency, 1.0), most)
    step, tpot_s = _token_time(work, constants, load, reading, running)
    first_s = constants.first_token_s + step.total_s
    waiting = constants.wave * np.maximum(0.0, running - 1)
    ttft_s = first_s + reading.total_s * (1 + waiting)
    decode_s = (load.output_tokens - 1) * tpot_s
    closed = np.where(np.isfinite(concurrency), concurrency, most)
    rate = np.minimum(running / (load.output_tokens * tpot_s), closed / (ttft_s + decode_s))
    saturated = concurrency > most
    queued = np.isfinite(concurrency) & saturated
    ttft_s = np.where(queued, np.maximum(ttft_s, closed / rate - decode_s), ttft_s)
    unknown = np.full_like(ttft_s, np.nan)
    return Steady(
        ttft_s, tpot_s, rate * load.output_tokens * work.dp, rate * work.dp, running * work.dp,
        _prefill_share(constants, load, reading, step, running), saturated, unknown, unknown, step,
    )  # fmt: skip


def _at_rate(work: Work, constants: Constants, load: Load, with_slowest: bool) -> Steady:
    reading = prompt_time(work, constants, load)
    places = np.floor(room(work, load).sequences)
    offered = load.request_rate_per_s / work.dp

    def ends_per_s(running: Column) -> Column:
        return running / (load.output_tokens * _token_time(work, constants, load, reading, running)[1])

    possible = ends_per_s(places)
    rate = np.minimum(offered, possible)
    found = queueing.running(rate, places, ends_per_s, load.length_variation)
    step, _ = _token_time(work, constants, load, reading, found.mean)
    budget_share, held_s = _new_tokens(load) / work.batch_tokens, constants.interference * reading.total_s
    before = queueing.prompt_wait(rate, held_s, step.total_s, budget_share, load.length_variation)
    own_s = constants.first_token_s + step.total_s * np.maximum(1.0, budget_share) + reading.total_s
    each_s = 1 / rate - 1 / offered  # what a request beyond the capacity waits longer than the one before
    backlog_s = queueing.late(0.5, places) * each_s
    tpot_s = found.mean / (rate * load.output_tokens)
    ttft_p99_s = tpot_p99_s = np.full_like(tpot_s, np.nan)
    if with_slowest:
        _, crowded_s = _token_time(work, constants, load, reading, np.minimum(found.p99 + 1, places))
        waits = (Wait(before.queue_s, before.busy_share), Wait(found.place_wait_s, found.full_share))
        ttft_p99_s = queueing.late(0.99, places) * each_s + slowest_first_tokens_s(
            own_s, reading.total_s, load.length_variation, before.step_rest_s, waits
        )
        tpot_p99_s = slowest_tokens_s(
            tpot_s, crowded_s, rate, held_s, load.output_tokens, load.length_variation
        )
    return Steady(
        own_s + before.step_rest_s / 2 + before.queue_s + found.place_wait_s + backlog_s,
        tpot_s,
        rate * load.output_tokens * work.dp, rate * work.dp, found.mean * work.dp,
        _prefill_share(constants, load, reading, step, found.mean), offered > possible,
        ttft_p99_s, tpot_p99_s, step,
    )  # fmt: skip


def largest_rate_per_s(work: Work, constants: Constants, load: Load) -> Column:
    """Return the requests per second of the whole deployment beyond which a queue grows for ever."""
    places = np.floor(room(work, load).sequences)
    _, tpot_s = _token_time(work, constants, load, prompt_time(work, constants, load), places)
    return places / (load.output_tokens * tpot_s) * work.dp


def _prefill_share(constants: Constants, load: Load, reading: Time, step: Time, running: Column) -> Column:
    """Return the share of the GPUs' busy time that goes into prompts."""
    prompts_s = constants.interference * running * reading.total_s
    return prompts_s / (prompts_s + load.output_tokens * step.total_s)


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
    share = np.where(np.isnan(load.draft_step_share), DRAFTER_LAYERS / work.layers, load.draft_step_share)
    drafting = scaled(decode_step(work, constants, running, context), load.draft_tokens * share)
    checking = decode_step(work, constants, running, context, 1 + load.draft_tokens)
    step = scaled(added(checking, drafting), 1 / tokens_per_step(load))
    return step, step.total_s + prompts_s


def tokens_per_step(load: Load) -> Column:
    """Return the tokens that a step yields: 1 + a + a^2 + ... + a^drafts (arXiv 2211.17192, eq. 1)."""
    rate = np.minimum(load.acceptance_rate, 1 - 1e-9)
    return np.asarray((1 - rate ** (load.draft_tokens + 1)) / (1 - rate))
