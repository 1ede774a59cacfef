"""Spend of a large fleet: prints how long its division takes beside bare hourly means of the same samples.

Run: python tests/benchmarks/spend_speed.py [bill lines] [GPUs] [days]
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.spend import spend
from inferplan.planner.spend_rates import effective_rates

GPUS_PER_NODE = 8
STEP_S = 300
BARE = """
SELECT sum(activity) FROM (SELECT series_id, date_trunc('hour', measured_at) AS hour, avg(value) AS activity
FROM usage_samples GROUP BY ALL)
"""


def fill(warehouse: Warehouse, lines: int, gpus: int, days: int) -> None:
    """Write hourly bill lines and five-minute samples straight into the tables."""
    nodes, steps = gpus // GPUS_PER_NODE, days * 86400 // STEP_S
    size = {"lines": lines, "nodes": nodes, "gpus": gpus, "steps": steps, "hours": days * 24}
    for statement in _FILL:
        wanted = {name: value for name, value in size.items() if f"${name}" in statement}
        warehouse.execute(statement, wanted)


_FILL = (
    "INSERT INTO imports (import_id, digest, file_name, format, imported_at, report) "
    "VALUES (1, 'bench', 'bench', 'focus', TIMESTAMP '2026-11-21', '{}')",
    "INSERT INTO usage_series BY NAME SELECT g AS series_id, 1 AS import_id, 'sm_active_ratio' AS metric, "
    "'' AS variant, 'gpu' AS entity_kind, 'GPU-' || g AS entity, 'GPU-' || g AS gpu_uuid, "
    "'node-' || (g // 8) AS host, 'i-' || (g // 8) AS instance_id, 'NVIDIA H100' AS gpu_name, "
    "'team-' || (g % 7) AS team, 'model-' || (g % 20) AS model, 'ns/pod-' || g AS replica, "
    "$steps AS samples, TIMESTAMP '2026-10-01' AS first_at, TIMESTAMP '2026-10-31' AS last_at, "
    "300.0 AS step_s, 1.0 AS coverage, false AS irregular FROM range($gpus) AS a(g)",
    "INSERT INTO usage_samples SELECT g, TIMESTAMP '2026-10-01' + INTERVAL 5 MINUTE * t, random() * 0.9 "
    "FROM range($gpus) AS a(g), range($steps) AS b(t)",
    "INSERT INTO bill_lines BY NAME SELECT 1 AS import_id, n AS line, "
    "TIMESTAMP '2026-10-01' + INTERVAL 1 HOUR * ((n // $nodes) % $hours) AS period_start, "
    "period_start + INTERVAL 1 HOUR AS period_end, 'Usage' AS charge_category, "
    "'i-' || (n % $nodes) AS resource_id, 'p5.48xlarge' AS instance_type, 1 AS quantity, "
    "'Hours' AS quantity_unit, 55.04 AS billed_cost, 55.04 AS effective_cost, 'USD' AS currency, "
    '\'{"team": "t"}\' AS tags FROM range($lines) AS a(n)',
)


def main() -> None:
    """Fill, ask, print."""
    given = [int(text) for text in sys.argv[1:]]
    lines, gpus, days = given + [1_000_000, 10_000, 30][len(given) :]
    with tempfile.TemporaryDirectory() as name, Warehouse.open(Path(name) / "fleet.duckdb") as warehouse:
        fill(warehouse, lines, gpus, days)
        timings = {}
        for label, work in (
            ("bare means", lambda: warehouse.rows(BARE)),
            ("rates", lambda: effective_rates(warehouse)),
            ("spend", lambda: spend(warehouse)),
        ):
            begin, begin_cpu = time.perf_counter(), time.process_time()
            work()
            timings[label] = time.perf_counter() - begin
            cpu_s = time.process_time() - begin_cpu
            peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{label}: {timings[label]:.2f} s, {cpu_s:.2f} s of processors, "
                f"peak memory {peak_mib:,.0f} MiB",
                flush=True,
            )
        print(f"spend / bare means: {timings['spend'] / timings['bare means']:.1f}")


if __name__ == "__main__":
    main()
