"""One prefill replica, one decode replica and the way between them, at any load and in any number.

A prefill replica reads one prompt after the other; its cache is sent when it is read, over the links of the
GPUs that hold it; a decode replica is slowed by no prompt. Requests come to replicas at random.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from inferplan.planner.deployment import Deployment, Pools
from inferplan.planner.kv_cache import layout
from inferplan.planner.kv_dtypes import cache_dtype
from inferplan.planner.performance import queueing
from inferplan.planner.performance.batching import Load, Steady, prompt_time, room
from inferplan.planner.performance.estimating import Served, serve
from inferplan.planner.performance.links import link
from inferplan.planner.performance.loads import load_of
from inferplan.planner.performance.result import Stage
from inferplan.planner.performance.roofline import Time, decode_step
from inferplan.planner.performance.slowest import Wait, slowest_first_tokens_s
from inferplan.planner.performance.work import Column
from inferplan.planner.workload import Workload

SEARCH_STEPS = 40
ENDLESS = 1e12
"""Requests in flight that fill any stage."""


@dataclass(frozen=True)
class Split:
    """Replicas of each pool."""

    prefill: int
    decode: int


class _Passage(NamedTuple):
    """How requests pass the stages; the 99th percentiles are NaN where they are not known."""

    running: Column
    """Sequences in each decoding batch."""
    ttft_s: Column
    rate_per_s: Column
    ttft_p99_s: Column
    running_p99: Column


@dataclass(frozen=True, eq=False)
class Stages:
    """One prefill replica, one decode replica, and the way between them."""

    prefilling: Served
    decoding: Served
    load: Load
    prompt_s: float
    transfer_s: float
    transfer_bytes: int
    link: str
    places: float
    """Sequences that a decoding batch runs at most."""

    def batches(self, split: Split) -> Split:
        """Return the batches of each pool: one per replica, or one per rank of data-parallel attention."""
        return Split(
            split.prefill * self.prefilling.deployment.dp, split.decode * self.decoding.deployment.dp
        )

    def step(self, running: Column) -> Time:
        """Return the time per token with ``running`` sequences in each decoding batch."""
        context = self.load.input_tokens + self.load.output_tokens / 2
        return decode_step(self.decoding.work, self.decoding.constants, running, context)

    @property
    def decoded_tokens(self) -> float:
        """Tokens of a request that the decode pool makes: all but the prompt's own."""
        return max(1.0, float(self.load.output_tokens[0]) - 1)

    def capacities(self, split: Split) -> dict[Stage, float]:
        """Return the requests per second that each stage serves at most."""
        full = float(self.step(np.array([self.places])).total_s[0])
        batches = self.batches(split)
        return {
            "prefill": batches.prefill / self.prompt_s,
            "kv_transfer": batches.prefill / self.transfer_s,
            "decode": batches.decode * self.places / (self.decoded_tokens * full),
        }

    def capacity(self, split: Split) -> float:
        """Return the requests per second that the slowest stage serves."""
        return min(self.capacities(split).values())

    def steady(self, split: Split, load: Load) -> Steady:
        """Return the steady state at each row of ``load``; all rows have a rate, or all a concurrency."""
        by_rate = bool(np.isnan(load.concurrency).all())
        found = (self._at_rate if by_rate else self._at_concurrency)(split, load)
        batches = self.batches(split).decode
        tpot_s = found.running / (found.rate_per_s / batches * self.decoded_tokens)
        full = load.request_rate_per_s > self.capacity(split)
        if not by_rate:
            full = load.concurrency >= self.in_flight(split)
        gpus = split.prefill * self.prefilling.deployment.gpu_count
        share = gpus / (gpus + split.decode * self.decoding.deployment.gpu_count)
        return Steady(
            found.ttft_s, tpot_s, found.rate_per_s * load.output_tokens, found.rate_per_s,
            found.running * batches, np.full_like(found.running, share), full, found.ttft_p99_s,
            self.step(found.running_p99).total_s, self.step(found.running),
        )  # fmt: skip

    def in_flight(self, split: Split) -> int:
        """Return the requests that are in flight when the slowest stage is just full."""
        endless = replace(self.load, concurrency=np.array([ENDLESS]))
        found = self._at_concurrency(split, endless)
        decoding = float(found.running[0]) * self.batches(split).decode
        return math.ceil(decoding + float(found.rate_per_s[0]) * (self.prompt_s + self.transfer_s))

    def _at_rate(self, split: Split, load: Load) -> _Passage:
        offered, variation = load.request_rate_per_s, load.length_variation
        rate, batches = np.minimum(offered, self.capacity(split)), self.batches(split)

        def ends_per_s(running: Column) -> Column:
            return running / (self.decoded_tokens * self.step(running).total_s)

        places = np.full_like(rate, self.places)
        found = queueing.running(rate / batches.decode, places, ends_per_s, variation)
        each = rate / batches.prefill
        waits = [
            Wait(queueing.single_server_wait_s(each, np.full_like(rate, stage_s), variation), each * stage_s)
            for stage_s in (self.prompt_s, self.transfer_s)
        ]
        waits.append(Wait(found.place_wait_s, found.full_share))
        passing_s = self.prompt_s + self.transfer_s + self.step(found.mean).total_s
        own_s = self.decoding.constants.first_token_s + passing_s
        capacities = self.capacities(split)
        decode_binds = capacities["decode"] == min(capacities.values())
        filled = np.full_like(rate, batches.decode * self.places if decode_binds else 0.0)
        each_s = 1 / rate - 1 / offered
        backlog_s = queueing.late(0.5, filled) * each_s
        slow_s = slowest_first_tokens_s(own_s, self.prompt_s, variation, np.zeros_like(rate), waits)
        return _Passage(
            found.mean,
            own_s + sum(wait.mean_s for wait in waits) + backlog_s,
            rate,
            slow_s + queueing.late(0.99, filled) * each_s,
            np.minimum(found.p99 + 1, self.places),
        )

    def _at_concurrency(self, split: Split, load: Load) -> _Passage:
        """Return how those in flight pass: who does not decode is read, sent, or waits."""
        flight, batches = load.concurrency, self.batches(split)
        fixed_s = self.prompt_s + self.transfer_s
        most_per_s = batches.prefill / max(self.prompt_s, self.transfer_s)

        def fed_per_s(decoding: Column) -> Column:
            return np.minimum(most_per_s, (flight - decoding) / fixed_s)

        low = np.zeros_like(flight)
        high = np.minimum(flight, batches.decode * self.places)
        for _ in range(SEARCH_STEPS):
            middle = (low + high) / 2
            leaves = middle / (self.decoded_tokens * self.step(middle / batches.decode).total_s)
            low, high = (
                np.where(leaves < fed_per_s(middle), middle, low),
                np.where(leaves < fed_per_s(middle), high, middle),
            )
        running = high / batches.decode
        rate = high / (self.decoded_tokens * self.step(running).total_s)
        first_s = self.decoding.constants.first_token_s + self.step(running).total_s
        each = np.maximum(0.0, flight / batches.prefill - 1)
        together_s = self.prompt_s * (1 + self.prefilling.constants.wave * each)
        before_s = np.maximum((flight - high) / rate, together_s + self.transfer_s)
        unknown = np.full_like(flight, np.nan)
        return _Passage(running, first_s + before_s, rate, unknown, unknown)


def stages(deployment: Deployment, pools: Pools, workload: Workload) -> Stages:
    """Return the stages that each request of ``workload`` passes; raises as ``serve`` does."""
    prefilling, decoding = (serve(_replica(deployment, gpus)) for gpus in (pools.prefill_tp, pools.decode_tp))
    load = load_of(decoding, workload.model_copy(update={"speculative": None}))
    both = [one.deployment.tp * one.deployment.pp for one in (prefilling, decoding)]
    between = link(deployment.gpu, prefilling.deployment.gpu_count + decoding.deployment.gpu_count)
    given = pools.link_bytes_per_s
    per_gpu = given or between.bytes_per_s
    cache = layout(deployment.architecture, kv_dtype=cache_dtype(deployment), tp=1)
    tokens = workload.input_tokens
    sent = (
        cache.growing_bytes_per_token * tokens
        + cache.window_bytes_per_sequence(tokens)
        + cache.state_bytes_per_sequence
    )
    reading = prompt_time(prefilling.work, prefilling.constants, load)
    decode_only = replace(load, prefix_cache_hit_rate=np.ones(1))
    return Stages(
        prefilling,
        decoding,
        load,
        float(reading.total_s[0]),
        sent / (per_gpu * min(both)),
        sent,
        f"{'given' if given else between.kind}, {per_gpu / 1e9:,.4g} GB/s from each of {min(both)} GPUs",
        math.floor(float(room(decoding.work, decode_only).sequences[0])),
    )


def _replica(deployment: Deployment, gpus: int) -> Deployment:
    """Return one replica of a pool; with expert parallelism its attention keeps the deployment's ``tp``."""
    if deployment.ep == 1:
        return replace(deployment, tp=gpus, dp=1, pools=None)
    tp = math.gcd(deployment.tp, gpus)
    return replace(deployment, tp=tp, dp=gpus // tp, ep=gpus, pools=None)
