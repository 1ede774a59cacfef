"""Configurations per second of one vectorised estimate, and its ratio to plain NumPy.

python tests/benchmarks/estimate_speed.py

A configuration is a deployment under a load: how many sequences its memory holds, TTFT, TPOT and
throughput with their intervals, and the cost of a million tokens. The yardstick is a bare roofline (bytes
over bandwidth, operations over peak, cost) on the same columns, so that a slow machine does not matter.
"""

import itertools
import time
from collections.abc import Callable, Sequence

import numpy as np

from inferplan.datasets import catalog
from inferplan.planner.architecture import parse
from inferplan.planner.deployment import Deployment
from inferplan.planner.performance import Served, estimate_many, serve
from inferplan.planner.performance.work import Work, stack

ROWS = 1_000_000
MODELS = ("meta-llama/Llama-3.1-8B-Instruct", "openai/gpt-oss-120b", "Qwen/Qwen3-32B")
GPUS = ("H100 SXM", "H200 SXM", "B200", "MI300X")
REPEATS = 5


def main() -> None:
    """Print both speeds and their ratio."""
    served = [
        serve(Deployment(parse(catalog.model_config(model), name=model), catalog.gpu(gpu), tp=tp))
        for model, gpu, tp in itertools.product(MODELS, GPUS, (2, 4, 8))
    ]
    random = np.random.default_rng(0)
    index = random.integers(0, len(served), ROWS)
    load = {
        "input_tokens": random.integers(16, 16_384, ROWS).astype(float),
        "output_tokens": random.integers(16, 2_048, ROWS).astype(float),
        "concurrency": random.integers(1, 1_024, ROWS).astype(float),
    }
    usd_per_hour = random.uniform(2, 40, ROWS)
    table = stack([one.work for one in served])
    ours = min(_timed(lambda: _estimates(served, index, load, usd_per_hour)) for _ in range(REPEATS))
    bare = min(_timed(lambda: _bare(table.take(index), load, usd_per_hour)) for _ in range(REPEATS))
    print(
        f"{len(served)} deployments, {ROWS:,} configurations, processor time on one core, best of {REPEATS}"
    )
    print(f"estimate_many and cost: {ours:.3f} s, {ROWS / ours:,.0f} configurations per second")
    print(f"bare roofline in NumPy: {bare:.3f} s, {ROWS / bare:,.0f} configurations per second")
    print(f"ratio: {ours / bare:.1f}")


def _timed(call: Callable[[], object]) -> float:
    """Return the processor's seconds: other processes of a shared machine do not count."""
    start = time.process_time()
    call()
    return time.process_time() - start


def _estimates(
    served: Sequence[Served], index: np.ndarray, load: dict[str, np.ndarray], usd_per_hour: np.ndarray
) -> np.ndarray:
    found = estimate_many(served, index, **load)
    return usd_per_hour / 3600 / found.output_tokens_per_s * 1e6


def _bare(work: Work, load: dict[str, np.ndarray], usd_per_hour: np.ndarray) -> np.ndarray:
    batch, context = load["concurrency"], load["input_tokens"] + load["output_tokens"] / 2
    weights = work.dense_bytes + work.head_bytes + work.expert_bytes
    cache = work.cache_bytes * context
    running = np.minimum(batch, work.pool_bytes / cache)
    step = np.maximum(
        (weights + running * cache) / work.bandwidth,
        running * (work.dense_flops + work.expert_flops + work.attention_flops * context) / work.dense_peak,
    )
    prompt = load["input_tokens"] * (work.dense_flops + work.expert_flops) / work.dense_peak
    token = step + running * prompt / load["output_tokens"]
    return usd_per_hour / 3600 / (running / token) * 1e6


if __name__ == "__main__":
    main()
