"""Errors against published runs at a rate: first and each token, in the middle and the slowest hundredth.

python tests/benchmarks/published_rates.py

Only runs below the capacity that is expected of them; the constants are those in use, fitted with these runs
among others, so this shows the queues and the spread between requests, not how new models fare. The spread is
P99 over the middle, which leaves the error of the middle out. Sources do not say how lengths vary: both ends
are told.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inferplan.datasets.benchmarks import benchmarks
from inferplan.planner.performance import estimate
from inferplan.planner.performance.measurements import Run, usable_runs
from inferplan.planner.workload import Workload

VARIATIONS = {"lengths all alike": 0.0, "lengths as varied as exponential ones": 1.0}
NAMES = ("first token", "its P99", "its spread", "each token", "P99 of it", "spread of it")


class Compared(NamedTuple):
    """A run's engine, and expected over measured figures by ``NAMES``; NaN where not published."""

    engine: str
    ratios: tuple[float, ...]


def main() -> None:
    """Print the errors of all runs, and the spreads by engine version."""
    offered = [run for run in usable_runs(benchmarks())[0] if not math.isnan(run.request_rate_per_s)]
    for said, variation in VARIATIONS.items():
        rows = [row for run in offered if (row := compared(run, variation)) is not None]
        print(f"{len(rows)} of {len(offered)} runs at a rate lie below their capacity; {said}")
        _print_errors(rows, NAMES)
        for engine in sorted({row.engine for row in rows}):
            print(f" {engine}")
            _print_errors([row for row in rows if row.engine == engine], ("its spread", "spread of it"))


def compared(run: Run, variation: float) -> Compared | None:
    """Return a run beside its estimate, ``None`` for a rate beyond its capacity."""
    published = run.benchmark
    load = Workload(
        input_tokens=round(published.input_tokens or 0),
        output_tokens=round(published.output_tokens or 0),
        request_rate_per_s=run.request_rate_per_s,
        length_variation=variation,
    )
    found = estimate(run.deployment, load)
    if found.saturated or found.ttft_p99_s is None or found.tpot_p99_s is None:
        return None
    first = found.ttft_s.expected / run.ttft_s, _ratio(found.ttft_p99_s.expected, published.ttft_p99_ms)
    each = found.tpot_s.expected / run.tpot_s, _ratio(found.tpot_p99_s.expected, published.tpot_p99_ms)
    ratios = (*first, first[1] / first[0], *each, each[1] / each[0])
    return Compared(f"{published.engine} {published.engine_version}", ratios)


def _ratio(expected_s: float, measured_ms: float | None) -> float:
    return expected_s * 1000 / (measured_ms or math.nan)


def _print_errors(rows: Sequence[Compared], names: Sequence[str]) -> None:
    for name in names:
        ratios = np.array([row.ratios[NAMES.index(name)] for row in rows])
        known = ratios[~np.isnan(ratios)]
        if not known.size:
            continue
        off, p90 = np.quantile(np.abs(known - 1), [0.5, 0.9])
        middle = f"{name}: {known.size} runs, expected over measured {np.median(known):.2f}"
        print(f"  {middle}, off by {off:.0%}, P90 {p90:.0%}")


if __name__ == "__main__":
    main()
