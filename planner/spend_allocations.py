"""What OpenCost or Kubecost allocate to each pod, divided by what the telemetry saw of its GPUs.

An allocation is no bill: it is the tool's own price of what a pod asked for. It makes a statement of its
own, ``allocation``, and is never added to a bill's. Every pod is a resource; its GPUs, as the telemetry names
them, are its machine. A pod's CPU and memory are divided with its GPUs, as a machine's are on a bill.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inferplan.datasets.warehouse import Cursor

CURRENCY = "USD"
"""The exports name none: it is that of the tool's price sheet, US dollars unless somebody changed it."""

# A newer import replaces what an older one says of the same pod and time.
_ALLOCATED = """
CREATE TEMP TABLE spend_allocated AS
WITH chosen AS (
    SELECT *, CASE WHEN is_idle THEN concat_ws('/', '__idle__', cluster, node)
        ELSE concat_ws('/', namespace, coalesce(pod, controller)) END AS key
    FROM cost_allocations
    WHERE $imports IS NULL OR list_contains($imports::BIGINT[], import_id)
),
newest AS (
    SELECT * FROM chosen AS c WHERE NOT EXISTS (
        SELECT 1 FROM chosen AS n WHERE n.key = c.key AND n.import_id > c.import_id
            AND n.period_start < c.period_end AND n.period_end > c.period_start
            AND coalesce(n.cluster, c.cluster, '') = coalesce(c.cluster, n.cluster, '')
    )
),
grouped AS (
    SELECT key, pod, namespace, team, is_idle, period_start AS first_at, period_end AS end_at,
        bool_or(coalesce(gpu_hours, 0) > 0 OR coalesce(gpu_cost, 0) > 0) AS has_gpu,
        sum(gpu_hours) AS gpu_hours, sum(total_cost) AS cost,
        json_object('cluster', max(cluster), 'controller', max(controller)) AS tags
    FROM newest WHERE period_end > period_start GROUP BY ALL
),
processes AS (
    SELECT regexp_replace(p.replica, '#\\d+$', '') AS replica, min(p.process) AS process
    FROM spend_processes AS p SEMI JOIN spend_series AS s USING (process) GROUP BY 1
)
SELECT g.*, (SELECT coalesce(max(resource), 0) FROM spend_resources) + dense_rank() OVER (ORDER BY key)
        AS resource,
    coalesce(f.process, s.process) AS process,
    CASE WHEN NOT has_gpu THEN 'no_gpu' WHEN is_idle THEN 'idle'
        WHEN coalesce(f.process, s.process) IS NULL THEN 'no_process' ELSE 'usage' END AS kind
FROM grouped AS g LEFT JOIN processes AS f ON f.replica = concat_ws('/', g.namespace, g.pod)
    LEFT JOIN processes AS s ON s.replica = g.pod
"""
_ADD = (
    "INSERT INTO spend_resources BY NAME SELECT DISTINCT resource, key, key AS label, false AS is_linked, "
    "false AS without_gpu FROM spend_allocated",
    "INSERT INTO spend_nodes BY NAME SELECT DISTINCT resource, -process AS node FROM spend_allocated "
    "WHERE process IS NOT NULL",
    "INSERT INTO spend_hours BY NAME SELECT * REPLACE (-process AS node) FROM spend_hours "
    "WHERE process IN (SELECT process FROM spend_allocated)",
)
_CHARGES = (
    "INSERT INTO spend_charges BY NAME SELECT (SELECT coalesce(max(charge), 0) FROM spend_charges) "
    "+ row_number() OVER () AS charge, hash('allocation', resource, first_at, end_at, team, kind) AS bundle, "
    "'allocation' AS basis, $currency AS currency, resource, tags, team, namespace, first_at, end_at, "
    "CAST(first_at AS DATE) AS first_day, CAST(end_at - INTERVAL 1 MICROSECOND AS DATE) AS last_day, kind, "
    "cost, 0 AS billed_cost, true AS has_unit, process IS NOT NULL AS is_joined, "
    "epoch(end_at - first_at) AS window_s, gpu_hours AS paid_hours FROM spend_allocated"
)
TABLES = ("spend_allocated",)


def add_allocated(cursor: "Cursor", import_ids: "Sequence[int] | None") -> None:
    """Add a charge per pod and period, after ``make_hours`` and before ``make_amounts``."""
    cursor.execute(_ALLOCATED, {"imports": list(import_ids) if import_ids is not None else None})
    for statement in _ADD:
        cursor.execute(statement)
    cursor.execute(_CHARGES, {"currency": CURRENCY})
