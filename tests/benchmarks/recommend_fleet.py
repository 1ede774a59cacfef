"""Advice on a large fleet beside the bare evidence query: prints wall clock, CPU time and ratios.

Run: python tests/benchmarks/recommend_fleet.py [GPUs] [days of five-minute samples] [profile]
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fleet_percentiles import BARE, METRICS, fill

from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.rightsizing import profile_named
from inferplan.planner.rightsizing.evidence import Measurements
from inferplan.planner.rightsizing.recommend import context_of, decide
from inferplan.pricing.offers import current_offers

SAMPLES_PER_DAY = 288
Answer = TypeVar("Answer")


def timed(label: str, work: Callable[[], Answer]) -> tuple[Answer, float]:
    """Run ``work``, print its wall-clock and CPU seconds, and return its answer with the CPU seconds."""
    begin, cpu = time.perf_counter(), time.process_time()
    found = work()
    cpu_s = time.process_time() - cpu
    print(f"{label}: {time.perf_counter() - begin:.2f} s, {cpu_s:.2f} s of CPU", flush=True)
    return found, cpu_s


def main() -> None:
    """Fill, ask, print."""
    gpus = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    days = float(sys.argv[2]) if len(sys.argv) > 2 else 7.2
    profile = profile_named(sys.argv[3] if len(sys.argv) > 3 else "production")
    with tempfile.TemporaryDirectory() as name, Warehouse.open(Path(name) / "fleet.duckdb") as warehouse:
        fill(warehouse, round(gpus * days * SAMPLES_PER_DAY * len(METRICS)), gpus)
        offers = current_offers(warehouse)
        _, bare = timed("bare evidence query", lambda: warehouse.query(BARE))
        measured = Measurements(warehouse, None, profile.window)
        units, gathering = timed("evidence", lambda: measured.units)
        findings, deciding = timed("rules", lambda: decide(context_of(measured, profile, offers)))
        actions = Counter(finding.action for finding in findings)
        print(f"{len(units):,} units, {len(findings):,} findings: {dict(actions)}")
        print(f"advice / bare evidence query: {(gathering + deciding) / bare:.2f} of CPU")


if __name__ == "__main__":
    main()
