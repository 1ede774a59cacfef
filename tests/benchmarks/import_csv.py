"""Time of importing a large CSV beside DuckDB's own read_csv into a table: prints the ratios.

Of the shapes the narrow one has the most samples per byte; a million lines of the bill are 1,105 MB. Where
others use the machine too, the ratio of CPU times tells more than that of times.

Run: python tests/benchmarks/import_csv.py [megabytes] [narrow | labelled | long | wide | bill]...
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
ROWS = "SELECT (SELECT count(*) FROM usage_samples) + (SELECT count(*) FROM bill_lines)"
TIME = "strftime(TIMESTAMP '2026-10-05' + INTERVAL 1 MINUTE * m, '%Y-%m-%dT%H:%M:%SZ') AS timestamp"
VALUE = "round(0.5 + 0.4 * sin(m / 100 + g), 4)"
GAUGES = [metric.name for metric in METRICS.values() if not metric.counter][:20]
WIDE = [*GAUGES, *(f"other_{n}" for n in range(178))]
HOUR = "TIMESTAMP '2026-10-01' + INTERVAL 1 HOUR * m"
COST = "round(1 + hash(m * 1000 + g) % 1000000 / 7919, 10)"
SAVINGS_PLAN = "'arn:aws:savingsplans::123456789012:savingsplan/aaaa1111-bbbb-2222-cccc-333344445555'"
BILL = {
    "ChargePeriodStart": f"strftime({HOUR}, '%Y-%m-%dT%H:%M:%SZ')",
    "ChargePeriodEnd": f"strftime({HOUR} + INTERVAL 1 HOUR, '%Y-%m-%dT%H:%M:%SZ')",
    "BilledCost": COST, "EffectiveCost": COST, "ListCost": COST, "ContractedCost": COST,
    "BillingCurrency": "'USD'", "ChargeCategory": "'Usage'", "SubAccountId": "'123456789012'",
    "ChargeDescription": "'p5.48xlarge Linux on demand'", "ConsumedQuantity": "1", "ConsumedUnit": "'Hours'",
    "ResourceId": "'i-' || left(md5(g::VARCHAR), 17)", "ResourceName": "'node-' || g",
    "RegionId": "'us-east-1'", "ServiceName": "'Amazon Elastic Compute Cloud'",
    "ServiceCategory": "'Compute'",
    "CommitmentDiscountStatus": "CASE WHEN g % 3 = 0 THEN 'Used' END",
    "CommitmentDiscountId": f"CASE WHEN g % 3 = 0 THEN {SAVINGS_PLAN} END",
    "SkuPriceDetails": """'{"InstanceType":"p5.48xlarge","GpuCount":8,"CoreCount":192}'""",
    "Tags": """'{"team":"team-' || (g + m) % 37 || '","env":"prod","service":"svc-' || g || '"}'""",
    **{f"x_Other{n}": "'Amazon Web Services, Inc.'" if n % 3 else "NULL" for n in range(36)},
}  # fmt: skip
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
    "bill": (1105, ", ".join(f"{text} AS {name}" for name, text in BILL.items())),
}
"""Bytes of a GPU's minute or a machine's hour, and what they say."""


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
            [(rows,)] = warehouse.rows(ROWS)
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{shape}: {path.stat().st_size / 1e6:,.0f} MB, {rows:,} rows: read_csv {theirs[0]:.2f} s, "
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
