"""Percentiles and advice on a large fleet beside the bare DuckDB query: prints ratios and peak memory.

Run: python tests/benchmarks/fleet_percentiles.py [million samples] [GPUs] [memory limit such as 2GB]
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import usage
from inferplan.planner.rightsizing import recommend

METRICS = ("sm_active_ratio", "dram_active_ratio", "fb_used_bytes", "power_w")
BARE = """
SELECT u.entity, u.metric, count(*), avg(s.value), quantile_cont(s.value, [0.5, 0.9, 0.95, 0.99, 0.999]),
    max(s.value) FROM usage_samples AS s JOIN usage_series AS u USING (series_id) GROUP BY ALL
"""


def fill(warehouse: Warehouse, samples: int, gpus: int) -> None:
    """Write series and samples straight into the tables: importing is measured elsewhere."""
    steps = samples // gpus // len(METRICS)
    warehouse.execute(
        "INSERT INTO imports (digest, file_name, format, imported_at, report) "
        "VALUES ('bench', 'bench', 'bench', TIMESTAMP '2026-11-21', '{}')"
    )
    warehouse.execute(
        "INSERT INTO usage_series BY NAME SELECT g * 4 + m AS series_id, 1 AS import_id, "
        "list[m + 1] AS metric, "
        "'' AS variant, 'gpu' AS entity_kind, 'GPU-' || g AS entity, 'GPU-' || g AS gpu_uuid, "
        "'fleet/pod' || g AS replica, 'n' || (g // 8) AS host, "
        "'NVIDIA L40S' AS gpu_name, 'g6e.xlarge' AS instance_type, "
        "$steps AS samples, TIMESTAMP '2026-10-05' AS first_at, "
        "TIMESTAMP '2026-10-05' + INTERVAL 5 MINUTE * ($steps - 1) AS last_at, 300.0 AS step_s, "
        "1.0 AS coverage, "
        "false AS irregular FROM range($gpus) AS a(g), range(4) AS b(m), (SELECT $metrics AS list)",
        {"steps": steps, "gpus": gpus, "metrics": list(METRICS)},
    )
    warehouse.execute(
        "INSERT INTO usage_samples SELECT i, TIMESTAMP '2026-10-05' + INTERVAL 5 MINUTE * t, "
        "CASE i % 4 WHEN 2 THEN 2e10 WHEN 3 THEN 100 + 100 * random() ELSE random() * 0.4 END "
        "FROM range($series) AS a(i), range($steps) AS b(t)",
        {"series": gpus * 4, "steps": steps},
    )


def main() -> None:
    """Fill, ask, print."""
    millions = float(sys.argv[1]) if len(sys.argv) > 1 else 100
    gpus = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    limit = sys.argv[3] if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory() as name, Warehouse.open(Path(name) / "fleet.duckdb") as warehouse:
        fill(warehouse, round(millions * 1e6), gpus)
        if limit:
            warehouse.rows(f"SET memory_limit = '{limit}'")
        timings = {}
        for label, work in (
            ("percentiles", lambda: usage.percentiles(warehouse)),
            ("percentiles by node", lambda: usage.percentiles(warehouse, "node")),
            ("advice", lambda: recommend(warehouse, offers=())),
            ("bare query, without the limit", lambda: warehouse.query(BARE)),
        ):
            if label.startswith("bare"):
                warehouse.rows("RESET memory_limit")
            begin = time.perf_counter()
            found = work()
            timings[label] = time.perf_counter() - begin
            peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{label}: {len(found):,} rows in {timings[label]:.2f} s, peak memory {peak_mib:,.0f} MiB",
                flush=True,
            )
        print(f"percentiles / bare query: {timings['percentiles'] / timings[label]:.2f}")


if __name__ == "__main__":
    main()
