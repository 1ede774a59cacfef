"""A comparison of a million configurations with every offer, and its ratio to plain NumPy.

python tests/benchmarks/compare_sweep.py

A configuration is a deployment (model, GPU, engine, parallel sizes, formats) under a load (tokens, requests
in flight). All are checked for fit, estimated, judged by a latency target, joined with the offers of the
bundled snapshot and ranked. The yardstick is one evaluation of the same estimates in NumPy and a cost per
token, without anything around it, so that a slow machine does not matter.
"""

import resource
import time
from datetime import date

import numpy as np

from inferplan.datasets import catalog
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.case import Case
from inferplan.planner.compare import Comparison, Search, Sweep
from inferplan.planner.compare.candidates import Candidates, ready
from inferplan.planner.performance import Served, estimate_many

CONFIGURATIONS = 1_000_000
MODELS = ("meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-32B", "openai/gpt-oss-120b")
GPUS = ("H100 SXM", "H200 SXM", "B200", "MI300X", "A100 SXM 80GB", "L40S", "GH200 96GB", "RTX PRO 6000")
LOADS = ((500, 200), (2_000, 300), (8_000, 500), (1_000, 1_000))
TODAY = date(2026, 11, 21)
REPEATS = 3
MB = 1024  # ru_maxrss is in KiB on Linux


def main() -> None:
    """Print wall-clock and processor seconds, peak memory and the ratio."""
    gpus = tuple(sorted({offer.gpu for offer in catalog.offers()} & {*GPUS}))
    cases = [
        Case(
            model=model, gpu="H100 SXM", max_model_len=16_384, input_tokens=tokens, output_tokens=answer,
            slo={"ttft_s": 2.0, "tpot_s": 0.05},
        )
        for model in MODELS
        for tokens, answer in LOADS
    ]  # fmt: skip
    search = _search(cases, gpus)
    with Warehouse.open(":memory:") as warehouse:
        timed = [_timed(warehouse, cases, search) for _ in range(REPEATS)]
    wall_s, cpu_s, prepare_s, found = min(timed, key=lambda one: one[0])
    configurations = int(found.outcomes["configurations"].sum())
    print(f"{configurations:,} configurations of {len(found.tried):,} deployments")
    print(f"{len(found.ranked):,} rows of {len(catalog.offers())} offers ranked; best of {REPEATS}")
    print(f"wall-clock {wall_s:.2f} s (of which deployments and estimates {prepare_s:.2f} s)")
    print(f"processor {cpu_s:.2f} s")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MB:,.0f} MB")
    plain_s = min(_plain(cases, search) for _ in range(REPEATS))
    print(f"the same estimates in plain NumPy: processor {plain_s:.2f} s; ratio {cpu_s / plain_s:.1f}")


def _search(cases: list[Case], gpus: tuple[str, ...]) -> Search:
    """Return a search of a million configurations: as many loads per deployment as that takes."""
    search = Search(
        gpus=gpus,
        engines=("vllm", "sglang"),
        weights_dtypes=(None, "fp8"),
        kv_dtypes=("auto", "fp8"),
        concurrencies=(1,),
    )
    loads = -(-CONFIGURATIONS // Sweep(cases, catalog.offers(), search).configurations)
    return search.model_copy(update={"concurrencies": tuple(range(1, loads + 1))})


def _timed(warehouse: Warehouse, cases: list[Case], search: Search) -> tuple[float, float, float, Comparison]:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    sweep = Sweep(cases, catalog.offers(), search, TODAY)
    while sweep.step():
        pass
    prepared_s = time.perf_counter() - wall_s
    found = sweep.comparison(warehouse)
    return time.perf_counter() - wall_s, time.process_time() - cpu_s, prepared_s, found


def _plain(cases: list[Case], search: Search) -> float:
    """Return the processor's seconds of the bare formula on ready deployments."""
    offers = search.wanted(catalog.offers())
    found = [(one.case_indexes, ready(one.deployment)) for one in Candidates(cases, offers, search)]
    fitting = [(cases[i], served) for i_s, served in found if isinstance(served, Served) for i in i_s]
    loads = np.array(search.concurrencies, dtype=np.float64)
    index = np.repeat(np.arange(len(fitting)), len(loads))
    shapes = [(case.input_tokens, case.output_tokens) for case, _ in fitting]
    tokens, answers = np.array(shapes, dtype=np.float64)[index].T
    concurrency = np.tile(loads, len(fitting))
    start_s = time.process_time()
    estimates = estimate_many(
        [served for _, served in fitting], index,
        input_tokens=tokens, output_tokens=answers, concurrency=concurrency,
    )  # fmt: skip
    usd_per_mtok = 2.0 / 3600 / estimates.output_tokens_per_s * 1e6
    keeps = (estimates.ttft_s <= 2.0) & (estimates.tpot_s <= 0.05)
    np.argpartition(np.where(keeps, usd_per_mtok, np.inf), 1000)
    return time.process_time() - start_s


if __name__ == "__main__":
    main()
