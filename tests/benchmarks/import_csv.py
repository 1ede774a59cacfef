"""Time of importing a large CSV beside DuckDB's own read_csv into a table: prints the ratios.

Of the shapes the narrow one has the most samples per byte. Where others use the machine too, the ratio of CPU
times tells more than that of times.

Run: python tests/benchmarks/import_csv.py [megabytes] [narrow | labelled | long | wide]...
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from inferplan.datasets.exports import import_file
from inferplan.datasets.uploads.metrics import METRICS
from inferplan.datasets.warehouse import Warehouse

GPUS = 1000
TIME = "strftime(TIMESTAMP '2026-10-05' + INTERVAL 1 MINUTE * m, '%Y-%m-%dT%H:%M:%SZ') AS timestamp"
VALUE = "round(0.5 + 0.4 * sin(m / 100 + g), 4)"
GAUGES = [metric.name for metric in METRICS.values() if not metric.counter][:20]
WIDE = [*GAUGES, *(f"other_{n}" for n in range(178))]
SHAPES = {
    "narrow": (37, f"'gpu-' || g AS gpu_uuid, {VALUE} AS sm_active_ratio"),
    "labelled": (
        139,
        "'GPU-' || md5(g::VARCHAR) AS gpu_uuid, 'node-' || (g // 8) AS hostname, g % 8 AS gpu, "
        f"'NVIDIA H100 80GB HBM3' AS modelName, {VALUE} AS sm_active_ratio, "
        "CAST(50 + 40 * sin(m + g) AS INT) AS DCGM_FI_DEV_GPU_UTIL, 40000 + m AS DCGM_FI_DEV_FB_USED",
    ),
    "long": (
        268,
        "unnest(['DCGM_FI_PROF_SM_ACTIVE', 'DCGM_FI_DEV_POWER_USAGE', 'DCGM_FI_PROF_DRAM_ACTIVE', "
        f"'DCGM_FI_DEV_FB_USED']) AS metric, {VALUE} AS value, 'gpu-' || g AS gpu_uuid, "
        "'node-' || (g // 8) AS hostname",
    ),
    "wide": (1400, "'gpu-' || g AS gpu_uuid, " + ", ".join(f"{VALUE} AS {name}" for name in WIDE)),
}
"""Bytes of a GPU's minute, and what it says."""


def write(path: Path, megabytes: int, shape: str) -> None:
    """Write a table of ``GPUS`` in order of time."""
    bytes_each, columns = SHAPES[shape]
    minutes = megabytes * 1_000_000 // bytes_each // GPUS
    duckdb.execute(
        f"COPY (SELECT {TIME}, {columns} FROM range({minutes}) AS t(m), range({GPUS}) AS u(g)) "
        f"TO '{path}' (HEADER)"
    )


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds, and those of the CPUs, that ``work`` takes."""
    begin, begin_cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - begin_cpu


def compare(megabytes: int, shape: str) -> None:
    """Write, import twice - bare and ours - and print both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "samples.csv"
        write(path, megabytes, shape)
        with duckdb.connect(str(folder / "bare.duckdb")) as bare:
            theirs = timed(lambda: bare.execute(f"CREATE TABLE t AS FROM read_csv('{path}')"))
        with Warehouse.open(folder / "ours.duckdb") as warehouse:
            ours = timed(lambda: import_file(warehouse, path))
            [(samples,)] = warehouse.rows("SELECT count(*) FROM usage_samples")
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{shape}: {path.stat().st_size / 1e6:,.0f} MB, {samples:,} samples: read_csv {theirs[0]:.2f} s, "
            f"import {ours[0]:.2f} s, ratio {ours[0] / theirs[0]:.2f}, "
            f"of CPU times {ours[1] / theirs[1]:.2f}, peak memory {peak_mib:,.0f} MiB",
            flush=True,
        )


def main() -> None:
    """Compare the shapes that are named, else all."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for shape in sys.argv[2:] or SHAPES:
        compare(megabytes, shape)


if __name__ == "__main__":
    main()
