"""Time and memory of a fleet's histogram: reduced by DuckDB, imported, percentiles and advice; prints each.

Run on Linux: python tests/benchmarks/reduce_fleet.py [GPUs] [samples of each]
"""

import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from inferplan.datasets.exports import import_file
from inferplan.datasets.fleets import SampleTable
from inferplan.datasets.fleets.local import reduce_on_this_machine
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import usage
from inferplan.planner.rightsizing import recommend

METRICS = {
    "sm_active_ratio": "random() * random()",
    "dram_active_ratio": "random() * 0.6",
    "fb_used_bytes": "round(2e10 + 4e10 * random())",
    "power_w": "round(300 + 300 * random())",
    "requests_running": "round(20 * random())",
    "kv_cache_usage_ratio": "random() * 0.7",
}


def write(path: Path, gpus: int, samples: int) -> None:
    """Write random samples every five minutes: they fill more buckets than a real fleet's."""
    values = ", ".join(f"{text} AS {metric}" for metric, text in METRICS.items())
    duckdb.execute(
        f"COPY (SELECT TIMESTAMP '2026-10-05' + to_seconds(t * 300) AS ts, 'GPU-' || g AS uuid, "
        f"'n' || (g // 8) AS node, 'llm' AS ns, 'chat-' || g AS pod, {values} "
        f"FROM range({gpus}) AS a(g), range({samples}) AS b(t)) TO '{path}'"
    )


def timed(label: str, work: Callable[[], object]) -> None:
    """Run ``work`` and print how long it took and the most memory that it held."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far (proc(5))
    begin, used = time.perf_counter(), time.process_time()
    work()
    took_s, cpu_s = time.perf_counter() - begin, time.process_time() - used
    status = Path("/proc/self/status").read_text()
    peak_mib = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024
    print(f"{label}: {took_s:.1f} s, {cpu_s:.1f} s of CPU, peak memory {peak_mib:,.0f} MiB", flush=True)


def main() -> None:
    """Write, reduce, import, ask."""
    gpus = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    samples = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    with tempfile.TemporaryDirectory() as name, Warehouse.open(Path(name) / "w.duckdb") as warehouse:
        path, histogram = Path(name) / "samples.parquet", Path(name) / "histogram.parquet"
        write(path, gpus, samples)
        table = SampleTable.model_validate(
            {
                "path": str(path),
                "measured_at": "ts",
                "step_s": 300,
                "labels": {"gpu_uuid": "uuid", "host": "node", "namespace": "ns", "pod": "pod"},
                "metrics": [{"metric": metric, "column": metric} for metric in METRICS],
            }
        )
        timed("reduction", lambda: reduce_on_this_machine(table, histogram))
        [(rows,)] = duckdb.execute("SELECT count(*) FROM read_parquet(?)", [str(histogram)]).fetchall()
        print(
            f"{gpus * samples * len(METRICS):,} values in {path.stat().st_size / 1e6:,.0f} MB -> "
            f"{rows:,} rows in {histogram.stat().st_size / 1e6:,.0f} MB"
        )
        timed("import", lambda: import_file(warehouse, histogram))
        timed("percentiles", lambda: usage.by_entity(warehouse))
        timed("advice", lambda: recommend(warehouse))


if __name__ == "__main__":
    main()
