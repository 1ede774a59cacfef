"""Errors against published runs with prefill and decode apart, none of which is in the calibration.

python tests/benchmarks/published_pools.py

The runs state workers and GPUs of both pools ("P 1x4 D 4x8") but not how a worker splits the model: its
attention is tensor parallel at low load as a rule, and data parallel at high load. Some first tokens waited
longer than reading all prompts in flight one after the other takes, with room left to decode: no queue of
pools explains those, so errors are told without them too. Runs of the same pools under the same load tell how
far measurements themselves differ.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from inferplan.datasets import catalog
from inferplan.datasets.benchmarks import Benchmark, benchmarks
from inferplan.datasets.errors import InferplanError
from inferplan.planner.architecture import parse
from inferplan.planner.deployment import Deployment, Pools
from inferplan.planner.performance.measurements import ENGINES
from inferplan.planner.performance.pool_stages import stages
from inferplan.planner.performance.pools import in_pools
from inferplan.planner.workload import Workload

LAYOUT = re.compile(r"P (\d+)x(\d+) D (\d+)x(\d+)")
NOT_TOGETHER = InferplanError("only the pools are looked at")
BOUNDS = ((0, 4), (4, 16), (16, np.inf))


def main() -> None:
    """Print the errors by requests in flight per GPU."""
    for attention, experts in (("tensor parallel", 1), ("data parallel", 2)):
        rows = np.array([row for benchmark in benchmarks() for row in errors(benchmark, experts)])
        print(f"{len(rows)} runs, attention taken for {attention}")
        _print_errors(rows)
    _print_repeats()


def _print_errors(rows: NDArray[np.float64]) -> None:
    for low, high in BOUNDS:
        inside = rows[(rows[:, 0] >= low) & (rows[:, 0] < high)]
        queues = inside[inside[:, 3] == 0]
        print(
            f"{low} to {high} requests per GPU, {len(inside)} runs, {len(queues)} without unexplained waits"
        )
        for name, ratio in (
            ("first token", inside[:, 1]),
            ("first token that a queue explains", queues[:, 1]),
            ("each token", inside[:, 2]),
        ):
            off = np.quantile(np.abs(ratio - 1), [0.5, 0.9])
            middle = np.median(ratio)
            print(f"  {name}: expected over measured {middle:.2f}, off by {off[0]:.0%}, P90 {off[1]:.0%}")


def _print_repeats() -> None:
    """Print by how much first tokens of the same pools under the same load differ."""
    same: defaultdict[tuple[object, ...], list[float]] = defaultdict(list)
    for one in benchmarks():
        layout = LAYOUT.search(one.notes)
        if one.speculative == "disagg" and layout and one.model and one.ttft_p50_ms:
            load = one.input_tokens, one.output_tokens, one.concurrency
            same[one.model, one.gpu, one.engine, layout.groups(), load].append(one.ttft_p50_ms)
    ratios = [max(pair) / min(pair) for times in same.values() for pair in combinations(times, 2)]
    middle, slow = np.quantile(ratios, [0.5, 0.9])
    print(f"{len(ratios)} pairs of repeats: first tokens {middle:.2f} times apart, P90 {slow:.2f} times")


def errors(benchmark: Benchmark, experts: int) -> Iterator[tuple[float, float, float, float]]:
    """Yield requests per GPU, and expected over measured time of the first and of each token.

    The last figure is 1 where no queue explains the first token.
    """
    layout = LAYOUT.search(benchmark.notes)
    if benchmark.speculative != "disagg" or layout is None or benchmark.model is None:
        return
    prefill, prefill_tp, decode, decode_tp = map(int, layout.groups())
    gpus = prefill * prefill_tp + decode * decode_tp
    pools = Pools(prefill * prefill_tp, prefill_tp, decode_tp)
    deployment = Deployment(
        parse(catalog.model_config(benchmark.model), name=benchmark.model),
        catalog.gpu(benchmark.gpu),
        engine=ENGINES[str(benchmark.engine).removesuffix("+Dynamo")],
        dp=gpus,
        ep=experts,
        weights_dtype=benchmark.weights_dtype,
        max_model_len=16384,
    )
    load = {
        "input_tokens": round(benchmark.input_tokens or 0),
        "output_tokens": round(benchmark.output_tokens or 0),
        "concurrency": int(benchmark.concurrency or 0),
    }
    found = in_pools(deployment, pools, Workload.model_validate(load), NOT_TOGETHER)
    all_read_s = stages(deployment, pools, Workload.model_validate(load)).prompt_s * load["concurrency"]
    waited_s = (benchmark.ttft_p50_ms or np.nan) / 1000 - found.ttft_s.expected
    yield (
        load["concurrency"] / gpus,
        found.ttft_s.expected * 1000 / (benchmark.ttft_p50_ms or np.nan),
        found.tpot_s.expected * 1000 / (benchmark.tpot_p50_ms or np.nan),
        float(waited_s > all_read_s and not found.saturated),
    )


if __name__ == "__main__":
    main()
