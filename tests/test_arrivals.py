"""Requests at a rate, held against a simulation of every step of an engine with continuous batching."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from inferplan.planner.case import Case
from inferplan.planner.performance import Served, estimate, serve
from inferplan.planner.performance.batching import prompt_time, room
from inferplan.planner.performance.loads import load_of
from inferplan.planner.performance.roofline import decode_step, prompt

REQUESTS = 4000
SEEDS = (8, 9)
WARM_UP = REQUESTS // 10
LLAMA_8B = {"model": "meta-llama/Llama-3.1-8B-Instruct", "max_model_len": 32768}
LLAMA_70B = {"model": "meta-llama/Llama-3.3-70B-Instruct", "max_model_len": 32768, "weights_dtype": "fp8"}


@dataclass(frozen=True)
class Seen:
    ttft_s: NDArray[np.float64]
    tpot_s: NDArray[np.float64]


def simulated(served: Served, case: Case, rate_per_s: float, seed: int) -> Seen:
    """Serve random arrivals step by step: each step decodes what runs and reads prompts up to its budget."""
    work, constants, variation = served.work, served.constants, case.length_variation
    assert case.input_tokens
    assert case.output_tokens
    random = np.random.default_rng(seed)
    places = math.floor(float(room(work, load_of(served, case.workload())).sequences[0]))
    context = np.full(places, case.input_tokens + case.output_tokens / 2)
    steps_s = [0.0, *decode_step(work, constants, np.arange(1.0, places + 1), context).total_s]
    reading_s = prompt(work, constants, np.array([float(case.input_tokens)]), np.zeros(1)).total_s[0]
    token_s = float(reading_s * constants.interference[0]) / case.input_tokens
    budget = int(work.batch_tokens[0])

    def lengths(mean: int) -> NDArray[np.int64]:
        if not variation:
            return np.full(REQUESTS, mean)
        drawn = random.gamma(1 / variation**2, mean * variation**2, REQUESTS)
        return np.maximum(1, np.rint(drawn)).astype(int)

    arrived = np.cumsum(random.exponential(1 / rate_per_s, REQUESTS))
    inputs, outputs = lengths(case.input_tokens), lengths(case.output_tokens)
    first, done = np.full(REQUESTS, np.nan), np.full(REQUESTS, np.nan)
    now, coming, left = 0.0, 0, inputs.copy()
    waiting: deque[int] = deque()
    reading: deque[int] = deque()
    decoding: dict[int, int] = {}
    while np.isnan(done[-1]) or decoding:
        while coming < REQUESTS and arrived[coming] <= now:
            waiting.append(coming)
            coming += 1
        while waiting and len(decoding) + len(reading) < places:
            reading.append(waiting.popleft())
        if not decoding and not reading:
            if coming == REQUESTS:
                break
            now = float(arrived[coming])
            continue
        free, taken, read = budget - len(decoding), 0, []
        while reading and free > taken:
            part = min(free - taken, int(left[reading[0]]))
            left[reading[0]] -= part
            taken += part
            if not left[reading[0]]:
                read.append(reading.popleft())
        now += steps_s[len(decoding)] + token_s * taken
        for request in list(decoding):
            decoding[request] -= 1
            if not decoding[request]:
                del decoding[request]
                done[request] = now
        for request in read:
            first[request] = now
            if outputs[request] > 1:
                decoding[request] = int(outputs[request]) - 1
            else:
                done[request] = now
    kept = slice(WARM_UP, None)
    return Seen((first - arrived)[kept], ((done - first) / np.maximum(outputs - 1, 1))[kept])


LOADS = (
    ("H100 SXM", 1000, 200, {}, (0.3, 0.85)),
    ("H100 SXM", 1000, 200, {"max_num_seqs": 16}, (0.4, 0.8)),
    ("H100 SXM", 8000, 200, {}, (0.3, 0.7)),
    ("H100 SXM", 200, 500, {"max_num_seqs": 64}, (0.5,)),
    ("H100 SXM", 1000, 200, {"length_variation": 1.0}, (0.6,)),
    ("H100 SXM", 8000, 200, {"length_variation": 1.0}, (0.5,)),
    ("H200 SXM", 2000, 400, {**LLAMA_70B, "length_variation": 1.0}, (0.4, 0.8)),
    ("L4", 1000, 200, {}, (0.5, 0.85)),
    ("H200 SXM", 2000, 400, LLAMA_70B, (0.4, 0.8)),
)


@pytest.mark.parametrize(
    ("gpu", "input_tokens", "output_tokens", "fields", "share"),
    [(*load[:4], share) for load in LOADS for share in load[4]],
)
def test_queues_are_as_long_as_in_a_simulation_of_every_step(
    gpu: str, input_tokens: int, output_tokens: int, fields: dict[str, object], share: float
) -> None:
    """Within 25 % for first tokens and 15 % for each on average, 50 % for the slowest first tokens,
    25 % for the slowest requests.
    """
    shape = {
        **LLAMA_8B,
        "gpu": gpu,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        **fields,
    }
    idle = Case.read({**shape, "request_rate": 0.001})
    most = estimate(idle.deployment(), idle.workload()).largest_request_rate_per_s
    assert most
    case = Case.read({**shape, "request_rate": share * most})
    found, served = estimate(case.deployment(), case.workload()), serve(case.deployment())
    runs = [simulated(served, case, share * most, seed) for seed in SEEDS]
    ttft_s = np.concatenate([run.ttft_s for run in runs])
    tpot_s = np.concatenate([run.tpot_s for run in runs])
    load = load_of(served, case.workload())
    reading_s = prompt_time(served.work, served.constants, load).total_s
    outside = served.constants.first_token_s + (1 - served.constants.interference) * reading_s
    fixed_s = float(outside[0])  # what a first token takes beside the steps that all requests feel
    assert found.ttft_p99_s
    assert found.tpot_p99_s
    assert found.ttft_s.expected - fixed_s == pytest.approx(ttft_s.mean(), rel=0.25)
    assert found.tpot_s.expected == pytest.approx(tpot_s.mean(), rel=0.15)
    assert found.ttft_p99_s.expected - fixed_s == pytest.approx(np.quantile(ttft_s, 0.99), rel=0.5)
    assert found.tpot_p99_s.expected == pytest.approx(np.quantile(tpot_s, 0.99), rel=0.25)
