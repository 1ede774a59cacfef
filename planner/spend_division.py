"""The SQL that divides each charge by what the telemetry saw of its machine, exactly.

A charge's parts are its cost times seconds over seconds, rounded at the tenth decimal; what rounding leaves
goes to the largest part of a charge that was seen whole, else to the unknown part: the parts sum to the cost.
"""

from typing import TYPE_CHECKING

from inferplan.planner.spend_charges import ACTIVITY

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor

SM_TARGET = 0.8
"""Activity (0-1) that counts as fully used; the rest of a busy GPU is headroom."""
STILL = 0.01
"""Activity (0-1) below which a GPU does nothing."""

SERIES = """
CREATE TEMP TABLE spend_series AS
WITH processes AS (
    SELECT replica, max(model) AS model, max(team) AS team, max(namespace) AS namespace
    FROM usage_series WHERE replica IS NOT NULL GROUP BY replica
)
SELECT u.series_id, g.gpu, g.node, g.size, g.rank, u.step_s, u.replica, coalesce(u.model, p.model) AS model,
    coalesce(u.team, p.team) AS team, coalesce(u.namespace, p.namespace) AS namespace,
    dense_rank() OVER (ORDER BY coalesce(u.model, p.model), coalesce(u.team, p.team),
        coalesce(u.namespace, p.namespace), u.replica IS NULL) AS owner
FROM usage_series AS u JOIN spend_gpus AS g USING (entity) LEFT JOIN processes AS p USING (replica)
WHERE u.metric = $activity[g.rank] AND u.step_s > 0
"""

OWNERS = """
CREATE TEMP TABLE spend_owners AS
SELECT owner, any_value(model) AS model, any_value(team) AS team, any_value(namespace) AS namespace
FROM spend_series GROUP BY owner
"""

# Seconds of each machine and hour: without anybody on the GPU, idle (a process, no work, no request), busy
# but below the target, useful, and busy by GPU_UTIL only, which does not tell how much.
HOURS = """
CREATE TEMP TABLE spend_hours AS
WITH served AS (
    SELECT DISTINCT u.replica, date_trunc('hour', s.measured_at) AS hour
    FROM usage_samples AS s JOIN usage_series AS u USING (series_id)
    WHERE u.metric = 'requests_running' AND u.replica IS NOT NULL AND s.value > 0
),
sampled AS (
    SELECT s.series_id, date_trunc('hour', s.measured_at) AS hour, count(*) AS n, avg(s.value) AS activity,
        count(*) FILTER (s.value < $still) AS n_still
    FROM usage_samples AS s JOIN spend_series AS c USING (series_id) GROUP BY ALL
),
summed AS (
    SELECT c.gpu, c.node, c.owner, c.replica, c.rank, c.size, c.model IS NOT NULL AS has_model, s.hour,
        sum(s.n * c.step_s) AS sampled_s, sum(s.n_still * c.step_s) AS still_s,
        sum(s.n * c.step_s * s.activity) AS work_s
    FROM sampled AS s JOIN spend_series AS c USING (series_id) GROUP BY ALL
),
hourly AS (  -- exports that overlap: an hour has 3600 seconds
    SELECT * EXCLUDE (still_s, work_s), least(3600, sampled_s) * size AS seen_s,
        seen_s * still_s / sampled_s AS still_s, seen_s * work_s / sampled_s AS work_s
    FROM summed
),
judged AS (
    SELECT h.node, h.owner, h.hour, h.seen_s, h.replica IS NOT NULL OR h.has_model AS is_taken,
        CASE WHEN is_taken THEN 0 ELSE h.still_s END AS unallocated_s,
        CASE WHEN is_taken AND r.replica IS NULL THEN h.still_s ELSE 0 END AS idle_s,
        greatest(h.seen_s - unallocated_s - idle_s, 0) AS busy_s,
        CASE WHEN h.rank <= 2 THEN least(busy_s, h.work_s / $target) ELSE 0 END AS useful_s,
        CASE WHEN h.rank <= 2 THEN busy_s - useful_s ELSE 0 END AS headroom_s,
        CASE WHEN h.rank <= 2 THEN 0 ELSE busy_s END AS unclear_s,
        CASE WHEN h.rank <= 2 THEN h.work_s ELSE 0 END AS work_s,
        CASE WHEN h.rank <= 2 THEN h.seen_s ELSE 0 END AS measured_s
    FROM hourly AS h LEFT JOIN served AS r ON r.replica = h.replica AND r.hour = h.hour
)
SELECT node, owner, hour, CAST(hour AS DATE) AS day, sum(seen_s) AS seen_s,
    sum(unallocated_s) AS unallocated_s, sum(idle_s) AS idle_s, sum(headroom_s) AS headroom_s,
    sum(useful_s) AS useful_s, sum(unclear_s) AS unclear_s, sum(work_s) AS work_s,
    sum(measured_s) AS measured_s
FROM judged GROUP BY node, owner, hour
"""

# A charge of at most a whole hour meets one hour of its machine, a longer one all that it overlaps.
USE = """
CREATE TEMP TABLE spend_use AS
WITH placed AS (
    SELECT c.charge, n.node, c.first_at, c.end_at, date_trunc('hour', c.first_at) AS first_hour,
        c.end_at <= date_trunc('hour', c.first_at) + INTERVAL 1 HOUR AS is_short
    FROM spend_charges AS c JOIN spend_nodes AS n USING (resource) WHERE c.kind = 'usage'
),
met AS (
    SELECT p.charge, h.* EXCLUDE (node, hour), epoch(p.end_at - p.first_at) / 3600 AS share
    FROM placed AS p JOIN spend_hours AS h ON h.node = p.node AND h.hour = p.first_hour WHERE p.is_short
    UNION ALL
    SELECT p.charge, h.* EXCLUDE (node, hour),
        epoch(least(p.end_at, h.hour + INTERVAL 1 HOUR) - greatest(p.first_at, h.hour)) / 3600 AS share
    FROM placed AS p JOIN spend_hours AS h ON h.node = p.node
        AND h.hour < p.end_at AND h.hour + INTERVAL 1 HOUR > p.first_at
    WHERE NOT p.is_short
)
SELECT charge, owner, day, sum(seen_s * share) AS seen_s, sum(unallocated_s * share) AS unallocated_s,
    sum(idle_s * share) AS idle_s, sum(headroom_s * share) AS headroom_s, sum(useful_s * share) AS useful_s,
    sum(unclear_s * share) AS unclear_s, sum(work_s * share) AS work_s,
    sum(measured_s * share) AS measured_s
FROM met GROUP BY charge, owner, day
"""

AMOUNTS = """
CREATE TEMP TABLE spend_amounts AS
WITH seen AS (SELECT charge, sum(seen_s) AS seen_s FROM spend_use GROUP BY charge HAVING sum(seen_s) > 0),
sized AS (
    SELECT c.charge, c.cost, s.seen_s, greatest(s.seen_s, CASE WHEN c.paid_hours IS NOT NULL
        THEN c.paid_hours * 3600 WHEN c.has_unit THEN s.seen_s ELSE c.window_s * c.gpus END) AS scale_s
    FROM spend_charges AS c JOIN seen AS s USING (charge)
),
parts AS (
    SELECT charge, owner, day, unnest([
        {'part': 'unallocated', 'seconds': unallocated_s}, {'part': 'allocated_idle', 'seconds': idle_s},
        {'part': 'loaded_headroom', 'seconds': headroom_s}, {'part': 'useful', 'seconds': useful_s},
        {'part': 'unknown', 'seconds': unclear_s}
    ], recursive := true) FROM spend_use
),
known AS (
    SELECT p.charge, p.owner, p.day, p.part,
        CAST(round(CAST(z.cost AS DOUBLE) * p.seconds / z.scale_s, 10) AS DECIMAL(38, 10)) AS amount
    FROM parts AS p JOIN sized AS z USING (charge) WHERE p.seconds > 0
),
rests AS (
    SELECT z.charge, z.cost - sum(k.amount) AS amount, z.seen_s >= z.scale_s * (1 - 1e-9) AS is_whole,
        arg_max({'owner': k.owner, 'day': k.day, 'part': k.part}, abs(k.amount)) AS largest
    FROM sized AS z JOIN known AS k USING (charge) GROUP BY z.charge, z.cost, z.seen_s, z.scale_s
),
undivided AS (
    SELECT charge, 'unknown' AS part, 'not_seen' AS reason, amount FROM rests WHERE NOT is_whole
    UNION ALL
    SELECT c.charge, CASE WHEN c.kind = 'unused' THEN 'unused_commitment' WHEN c.kind <> 'usage' OR
        (r.without_gpu AND NOT c.is_joined) THEN 'shared' ELSE 'unknown' END,
        CASE WHEN c.kind <> 'usage' THEN c.kind WHEN c.is_joined THEN 'not_seen'
            WHEN r.without_gpu THEN 'no_gpu' ELSE 'no_usage' END, c.cost
    FROM spend_charges AS c LEFT JOIN spend_resources AS r USING (resource)
    WHERE c.charge NOT IN (SELECT charge FROM rests)
),
days AS (  -- evenly over the days of the charge
    SELECT u.*, unnest(generate_series(CAST(c.first_at AS DATE),
        CAST(c.end_at - INTERVAL 1 MICROSECOND AS DATE), INTERVAL 1 DAY)) AS day, c.first_at, c.end_at
    FROM undivided AS u JOIN spend_charges AS c USING (charge)
),
until AS (
    SELECT charge, part, reason, CAST(day AS DATE) AS day,
        CASE WHEN day + INTERVAL 1 DAY >= end_at THEN amount ELSE CAST(round(CAST(amount AS DOUBLE)
            * epoch(day + INTERVAL 1 DAY - first_at) / epoch(end_at - first_at), 10) AS DECIMAL(38, 10))
        END AS reached
    FROM days
),
dated AS (
    SELECT charge, NULL AS owner, day, part, reason,
        reached - coalesce(lag(reached) OVER (PARTITION BY charge ORDER BY day), 0) AS amount FROM until
    UNION ALL
    SELECT charge, owner, day, part, CASE part WHEN 'unknown' THEN 'gpu_util_only' END, amount FROM known
    UNION ALL
    SELECT charge, largest.owner, largest.day, largest.part,
        CASE largest.part WHEN 'unknown' THEN 'gpu_util_only' END, amount FROM rests WHERE is_whole
)
SELECT c.basis, c.currency, c.resource, c.tags, d.day, d.part, d.reason, o.model, o.namespace,
    coalesce(o.team, c.team) AS team, sum(d.amount) AS amount
FROM dated AS d JOIN spend_charges AS c USING (charge) LEFT JOIN spend_owners AS o USING (owner)
GROUP BY ALL
"""

HOUR_TABLES = ("spend_series", "spend_owners", "spend_hours")
AMOUNT_TABLES = ("spend_use", "spend_amounts")


def make_hours(cursor: "Cursor") -> None:
    """Make the tables of what was seen of each machine in each hour, after ``make_charges``."""
    cursor.execute(SERIES, {"activity": list(ACTIVITY)})
    cursor.execute(OWNERS)
    cursor.execute(HOURS, {"still": STILL, "target": SM_TARGET})


def make_amounts(cursor: "Cursor") -> None:
    """Divide the charges: ``spend_use`` in seconds and ``spend_amounts`` in money, after ``make_hours``."""
    cursor.execute(USE)
    cursor.execute(AMOUNTS)
