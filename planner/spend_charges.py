"""The SQL that brings bill and telemetry together: of which machine a line is, for how many GPU-hours.

Each statement makes a temporary table of the caller's transaction. A resource of the bill is joined to a
machine by its id, the last part of its id, or its name; what people linked goes before that.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

from inferplan.datasets import catalog
from inferplan.planner.mig_slices import share_of_gpu

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor

MACHINES = """
CREATE TEMP TABLE spend_machines AS
SELECT unnest($types::VARCHAR[]) AS instance_type, unnest($gpus::DOUBLE[]) AS gpus
"""

# A newer import of the same account and day replaces an older one: when at least half of the older one's
# lines are in it again (files that a bill is cut into share none), or when it is in another format.
LINES = """
CREATE TEMP TABLE spend_lines AS
WITH chosen AS (
    SELECT b.* EXCLUDE (commitment_id, contracted_cost, charge_class), i.format,
        coalesce(b.resource_id, b.resource_name) AS key
    FROM bill_lines AS b JOIN imports AS i USING (import_id)
    WHERE ($imports IS NULL OR list_contains($imports::BIGINT[], b.import_id))
),
days AS (
    SELECT DISTINCT import_id, format, account, CAST(period_start AS DATE) AS day FROM chosen
),
pairs AS (  -- none where every day is in one import
    SELECT o.import_id AS older, n.import_id AS newer, o.account, o.day, o.format <> n.format AS other_format
    FROM days AS o JOIN days AS n ON o.day = n.day AND o.account IS NOT DISTINCT FROM n.account
        AND o.import_id < n.import_id
),
keyed AS (
    SELECT DISTINCT import_id, c.account, CAST(period_start AS DATE) AS day, hash(period_start, period_end,
        coalesce(key, description), quantity_unit, service, charge_category, currency) AS line_key
    FROM chosen AS c SEMI JOIN pairs AS p ON p.day = CAST(c.period_start AS DATE)
        AND p.account IS NOT DISTINCT FROM c.account AND c.import_id IN (p.older, p.newer)
),
repeated AS (
    SELECT p.older, p.newer, p.account, p.day,
        count(n.line_key) >= 0.5 * count(*) OR (p.other_format AND p.account IS NOT NULL) AS is_restated
    FROM pairs AS p
    JOIN keyed AS o ON o.import_id = p.older AND o.day = p.day AND o.account IS NOT DISTINCT FROM p.account
    LEFT JOIN keyed AS n ON n.import_id = p.newer AND n.day = p.day AND n.line_key = o.line_key
        AND n.account IS NOT DISTINCT FROM o.account
    GROUP BY p.older, p.newer, p.account, p.day, p.other_format
),
restated AS (
    SELECT older AS import_id, account, day, max(newer) AS newer FROM repeated WHERE is_restated GROUP BY ALL
)
SELECT c.*, r.newer AS restated_by FROM chosen AS c LEFT JOIN restated AS r
    ON r.import_id = c.import_id AND r.day = CAST(c.period_start AS DATE)
    AND r.account IS NOT DISTINCT FROM c.account
"""

RESOURCES = """
CREATE TEMP TABLE spend_resources AS
WITH distinct_lines AS (
    SELECT DISTINCT key, resource_name, lower(instance_type) AS instance_type, gpu_count, service_category,
        region,
        CASE WHEN instance_type IS NULL THEN lower(description) END AS description
    FROM spend_lines WHERE key IS NOT NULL
),
told AS (  -- the machine's type where only the line's description names it
    SELECT d.key, max(m.instance_type) AS instance_type
    FROM (SELECT key, unnest(string_split(description, ' ')) AS word FROM distinct_lines) AS d
    JOIN spend_machines AS m ON m.instance_type = d.word GROUP BY d.key
),
named AS (
    SELECT key, max(resource_name) AS name, max(coalesce(d.instance_type, t.instance_type)) AS instance_type,
        max(gpu_count) AS gpu_count,
        CASE WHEN count(DISTINCT region) = 1 THEN max(region) END AS region,
        bool_or(regexp_matches(lower(service_category), $gpu_services)) AS may_hold_gpus
    FROM distinct_lines AS d LEFT JOIN told AS t USING (key) GROUP BY key
),
linked AS (
    SELECT DISTINCT n.key, bool_or(l.target IS NULL) AS without_gpu FROM named AS n
    JOIN resource_links AS l ON lower(l.resource) IN (lower(n.key), lower(n.name)) GROUP BY n.key
)
SELECT row_number() OVER (ORDER BY n.key) AS resource, n.key, n.name, coalesce(n.name, n.key) AS label,
    n.instance_type, n.region, coalesce(n.gpu_count, m.gpus) AS known_gpus, l.key IS NOT NULL AS is_linked,
    coalesce(l.without_gpu, false) OR (m.gpus IS NULL AND n.gpu_count IS NULL AND (
        NOT n.may_hold_gpus
        OR (regexp_matches(n.instance_type, $machine_types)
            AND NOT regexp_matches(n.instance_type, $gpu_types))
    )) IS TRUE AS without_gpu
FROM named AS n LEFT JOIN linked AS l USING (key)
LEFT JOIN spend_machines AS m ON m.instance_type = regexp_replace(n.instance_type, '^ml\\.', '')
"""
# FOCUS ServiceCategory and AWS product families that GPUs are in. Machine types by their maker's naming:
# AWS accelerators are in families p, g, gr, trn, inf, dl, vt and f (docs.aws.amazon.com/ec2/latest/
# instancetypes), Azure's in N (learn.microsoft.com/azure/virtual-machines/vm-naming-conventions).
GPU_SERVICES = r"gpu|machine learning|^ml |^compute$|^compute instance|accelerat|^virtual machines"
MACHINE_TYPES = r"^(ml\.)?[a-z]+\d[a-z0-9-]*\.[a-z0-9-]+$|^standard_"
GPU_TYPES = r"^(ml\.)?(p\d|g\d|gr\d|trn|inf|dl|vt|f\d)|^standard_n"

SLICES = """
CREATE TEMP TABLE spend_slices AS
SELECT unnest($names::VARCHAR[]) AS gpu_name, unnest($profiles::VARCHAR[]) AS mig_profile,
    unnest($shares::DOUBLE[]) AS share
"""
_SLICES_SEEN = """
SELECT DISTINCT max(gpu_name), max(mig_profile) FROM usage_series
WHERE entity_kind = 'mig' AND list_contains($activity::VARCHAR[], metric) GROUP BY entity
"""

# A GPU's activity is SM activity, else the graphics engine's; GPU_UTIL shows idleness and nothing more. A MIG
# slice is as large as its share of the compute slices. A GPU that the bill or a link names is on its own.
GPUS = """
CREATE TEMP TABLE spend_gpus AS
WITH entities AS (
    SELECT entity, max(entity_kind) AS kind, max(gpu_uuid) AS gpu_uuid, max(host) AS host,
        max(instance_id) AS instance_id, max(instance_type) AS instance_type, max(gpu_name) AS gpu_name,
        max(mig_profile) AS mig_profile,
        min(list_position($activity::VARCHAR[], metric)) AS rank
    FROM usage_series WHERE list_contains($activity::VARCHAR[], metric) AND entity_kind IN ('gpu', 'mig')
    GROUP BY entity
),
whole AS (
    SELECT * FROM entities WHERE kind = 'mig' OR gpu_uuid IS NULL
        OR gpu_uuid NOT IN (SELECT gpu_uuid FROM entities WHERE kind = 'mig' AND gpu_uuid IS NOT NULL)
),
hosts AS (
    SELECT instance_id, max(host) AS known_host FROM entities
    WHERE instance_id IS NOT NULL AND host IS NOT NULL GROUP BY 1
),
called AS (
    SELECT lower(key) AS alias FROM spend_resources UNION SELECT lower(name) FROM spend_resources
    UNION SELECT lower(target) FROM resource_links
),
single AS (
    SELECT DISTINCT entity FROM (SELECT entity, unnest([lower(entity), lower(gpu_uuid)]) AS alias FROM whole)
    JOIN called USING (alias)
)
SELECT row_number() OVER (ORDER BY whole.entity) AS gpu, whole.entity, gpu_uuid, host, instance_id,
    instance_type, whole.gpu_name, rank, single.entity IS NOT NULL AS is_single,
    lower(CASE WHEN is_single THEN whole.entity
        ELSE coalesce(host, known_host, instance_id, whole.entity) END) AS machine,
    dense_rank() OVER (ORDER BY machine) AS node,
    CASE kind WHEN 'gpu' THEN 1.0 ELSE slices.share END AS size
FROM whole LEFT JOIN hosts USING (instance_id) LEFT JOIN single USING (entity)
LEFT JOIN spend_slices AS slices ON slices.gpu_name IS NOT DISTINCT FROM whole.gpu_name
    AND slices.mig_profile IS NOT DISTINCT FROM whole.mig_profile
"""
ACTIVITY: Sequence[str] = ("sm_active_ratio", "gr_engine_active_ratio", "gpu_util_ratio")

NODES = """
CREATE TEMP TABLE spend_nodes AS
WITH places AS (
    SELECT DISTINCT lower(alias) AS alias, node FROM (
        SELECT node, unnest(CASE WHEN is_single THEN [entity, gpu_uuid] ELSE [host, instance_id, entity] END)
            AS alias FROM spend_gpus
    ) WHERE alias IS NOT NULL
),
wanted AS (
    SELECT resource, unnest([lower(key), lower(name), lower(regexp_extract(key, '[^/]+$'))]) AS alias
    FROM spend_resources WHERE NOT is_linked
    UNION SELECT r.resource, lower(l.target) FROM resource_links AS l
    JOIN spend_resources AS r ON lower(l.resource) IN (lower(r.key), lower(r.name))
)
SELECT DISTINCT resource, node FROM wanted JOIN places USING (alias)
"""

UNITS = """
CREATE TEMP TABLE spend_units AS
SELECT unnest($units::VARCHAR[]) AS quantity_unit, unnest($machine_hours::DOUBLE[]) AS machine_hours,
    unnest($gpu_hours::DOUBLE[]) AS gpu_hours
"""
_UNITS_SEEN = "SELECT DISTINCT quantity_unit FROM spend_lines WHERE quantity_unit IS NOT NULL"

# Hours of a machine times its GPUs, or GPU-hours where the bill counts those; lines in another unit (GB,
# requests) pay for no hours; a line without a unit pays for its whole period.
CHARGES = """
CREATE TEMP TABLE spend_charges AS
WITH sizes AS (
    SELECT n.resource, sum(g.size) AS seen_gpus FROM spend_nodes AS n
    JOIN spend_gpus AS g USING (node) GROUP BY n.resource
),
grouped AS (
    SELECT l.currency, r.resource, l.tags, l.team, l.period_start AS first_at,
        greatest(l.period_end, l.period_start + INTERVAL 1 MICROSECOND) AS end_at,
        CAST(l.period_start AS DATE) AS first_day, CAST(end_at - INTERVAL 1 MICROSECOND AS DATE) AS last_day,
        CASE WHEN l.commitment_status = 'unused' THEN 'unused'
            WHEN l.charge_category = 'Usage' AND r.resource IS NULL THEN 'no_resource'
            WHEN l.charge_category = 'Usage' THEN 'usage'
            ELSE lower(l.charge_category) END AS kind,
        sum(l.effective_cost) AS cost, sum(l.billed_cost) AS billed_cost,
        sum(l.list_cost) AS list_cost,
        sum(l.effective_cost) FILTER (l.commitment_status = 'used') AS committed_cost,
        sum(CAST(l.quantity AS DOUBLE) * u.machine_hours) AS machine_hours,
        sum(CAST(l.quantity AS DOUBLE) * u.gpu_hours) AS gpu_hours,
        bool_and(l.quantity_unit IS NOT NULL) AS has_unit
    FROM spend_lines AS l LEFT JOIN spend_resources AS r USING (key)
    LEFT JOIN spend_units AS u USING (quantity_unit)
    WHERE l.restated_by IS NULL GROUP BY ALL
)
SELECT row_number() OVER () AS charge,
    hash('bill', currency, resource, kind, tags, team, first_day, last_day) AS bundle, 'bill' AS basis,
    g.* EXCLUDE (machine_hours, gpu_hours), NULL::VARCHAR AS namespace,
    s.seen_gpus IS NOT NULL AS is_joined,
    epoch(end_at - first_at) AS window_s, coalesce(r.known_gpus, s.seen_gpus) AS gpus,
    CASE WHEN kind <> 'usage' OR gpus IS NULL THEN NULL
        WHEN gpu_hours > 0 THEN gpu_hours
        WHEN machine_hours > 0 THEN least(machine_hours, window_s / 3600) * gpus
        WHEN NOT has_unit AND cost > 0 THEN window_s / 3600 * gpus END AS paid_hours
FROM grouped AS g LEFT JOIN spend_resources AS r USING (resource) LEFT JOIN sizes AS s USING (resource)
"""
_OF_TIME = re.compile(
    r"(?:1 )?(?:instance|machine|vm|node|(gpu))?[-_ ]?"
    r"(?:(h|hrs?|hours?)|(min|mins|minutes?)|(s|secs?|seconds?)|(d|days?))",
    re.IGNORECASE,
)
_HOURS = (1.0, 1 / 60, 1 / 3600, 24.0)

TABLES = (
    "spend_machines", "spend_lines", "spend_resources", "spend_slices", "spend_gpus", "spend_nodes",
    "spend_units", "spend_charges",
)  # fmt: skip


def make_charges(cursor: "Cursor", import_ids: Sequence[int] | None) -> None:
    """Make the tables above in the caller's transaction; drop ``TABLES`` when done."""
    machines = _machines()
    cursor.execute(MACHINES, {"types": list(machines), "gpus": list(machines.values())})
    cursor.execute(LINES, {"imports": list(import_ids) if import_ids is not None else None})
    cursor.execute(
        RESOURCES,
        {
            "gpu_services": GPU_SERVICES,
            "machine_types": MACHINE_TYPES,
            "gpu_types": GPU_TYPES,
        },
    )
    slices = cursor.execute(_SLICES_SEEN, {"activity": list(ACTIVITY)}).fetchall()
    cursor.execute(
        SLICES,
        {
            "names": [name for name, _ in slices],
            "profiles": [profile for _, profile in slices],
            "shares": [float(_share_of_gpu(name, profile)) for name, profile in slices],
        },
    )
    cursor.execute(GPUS, {"activity": list(ACTIVITY)})
    cursor.execute(NODES)
    units = [unit for (unit,) in cursor.execute(_UNITS_SEEN).fetchall()]
    machine_hours, gpu_hours = zip(*map(hours_of, units), strict=True) if units else ((), ())
    cursor.execute(
        UNITS, {"units": units, "machine_hours": list(machine_hours), "gpu_hours": list(gpu_hours)}
    )
    cursor.execute(CHARGES)


def hours_of(unit: str) -> tuple[float | None, float | None]:
    """Return how many hours of a machine, or of a GPU, one of ``unit`` is; ``None`` where it is no time.

    >>> hours_of("Hours"), hours_of("GPU-Hours"), hours_of("seconds"), hours_of("GB-Hours")
    ((1.0, None), (None, 1.0), (0.0002777777777777778, None), (None, None))
    """
    found = _OF_TIME.fullmatch(unit.strip())
    if found is None:
        return None, None
    gpu, *kinds = found.groups()
    hours = next(each for each, kind in zip(_HOURS, kinds, strict=True) if kind)
    return (None, hours) if gpu else (hours, None)


def drop(cursor: "Cursor", tables: Sequence[str]) -> None:
    """Drop temporary tables, the newest first."""
    for table in reversed(tables):
        cursor.execute(f'DROP TABLE "{table}"')


def _share_of_gpu(gpu_name: str | None, profile: str | None) -> Decimal:
    return share_of_gpu(profile, catalog.gpu_by_driver_name(gpu_name) if gpu_name else None)


@cache
def _machines() -> Mapping[str, float]:
    """Return how many GPUs a machine type has; names that stand for several sizes are left out."""
    sizes: dict[str, set[float]] = {}
    for offer in catalog.offers():
        sizes.setdefault(offer.instance_type.casefold(), set()).add(offer.gpu_count)
    return {name: counts.pop() for name, counts in sizes.items() if len(counts) == 1}
