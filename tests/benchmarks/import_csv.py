"""Time of importing a large CSV beside DuckDB's own read_csv into a table: prints the ratio.

Run: python tests/benchmarks/import_csv.py [megabytes]
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from inferplan.datasets.exports import import_file
from inferplan.datasets.warehouse import Warehouse

GPUS = 1000
BYTES_PER_ROW = 37


def write(path: Path, megabytes: int) -> None:
    """Write a long table: one row per GPU and minute, in order of time."""
    minutes = megabytes * 1_000_000 // BYTES_PER_ROW // GPUS
    duckdb.execute(
        "COPY (SELECT strftime(TIMESTAMP '2026-10-05' + INTERVAL 1 MINUTE * m, '%Y-%m-%dT%H:%M:%SZ') "
        "AS timestamp, "
        "'gpu-' || g AS gpu_uuid, round(0.5 + 0.4 * sin(m / 100 + g), 4) AS sm_active_ratio "
        f"FROM range({minutes}) AS t(m), range({GPUS}) AS u(g)) TO '{path}' (HEADER)"
    )


def main() -> None:
    """Write, import twice - ours and bare - and print both."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "samples.csv"
        write(path, megabytes)
        with duckdb.connect(str(folder / "bare.duckdb")) as bare:
            begin = time.perf_counter()
            bare.execute(f"CREATE TABLE t AS FROM read_csv('{path}')")
            theirs_s = time.perf_counter() - begin
        with Warehouse.open(folder / "ours.duckdb") as warehouse:
            begin = time.perf_counter()
            report = import_file(warehouse, path).parsed
            ours_s = time.perf_counter() - begin
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{path.stat().st_size / 1e6:,.0f} MB, {report.values_kept:,} samples: "
            f"read_csv {theirs_s:.2f} s, "
            f"import {ours_s:.2f} s, ratio {ours_s / theirs_s:.2f}, peak memory {peak_mib:,.0f} MiB"
        )


if __name__ == "__main__":
    main()
