"""The SQL that divides the bill by what the telemetry saw of its machines, exactly.

A charge's parts are its cost times seconds over seconds. They are summed over the charges of a resource and
day, rounded at the tenth decimal, and what rounding leaves goes to the largest part where all was seen, else
to the unknown part: the parts sum to the cost. Hours are counted from 1970, as whole numbers.
"""

from typing import TYPE_CHECKING

from inferplan.planner.spend_charges import ACTIVITY

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor

SM_TARGET = 0.8
"""Activity (0-1) that counts as fully used; the rest of a busy GPU is headroom."""
STILL = 0.01
"""Activity (0-1) below which a GPU does nothing."""

# A process serves what its engine says, else what the labels of its GPUs say. Of several models together none
# has GPUs of its own: they are one row, named for all of them.
PROCESSES = """
CREATE TEMP TABLE spend_processes AS
SELECT replica, row_number() OVER (ORDER BY replica) AS process,
    coalesce(string_agg(DISTINCT model, ' + ' ORDER BY model) FILTER (entity_kind = 'replica'), max(model))
        AS model,
    max(team) AS team, max(namespace) AS namespace
FROM usage_series WHERE replica IS NOT NULL GROUP BY replica
"""

# A slot is a GPU with the process on it; an owner is who that is for.
SERIES = """
CREATE TEMP TABLE spend_series AS
WITH placed AS (
    SELECT u.series_id, u.step_s, g.gpu, g.node, g.size, g.rank, p.process,
        coalesce(p.model, u.model) AS model, coalesce(u.team, p.team) AS team,
        coalesce(u.namespace, p.namespace) AS namespace
    FROM usage_series AS u JOIN spend_gpus AS g USING (entity) LEFT JOIN spend_processes AS p USING (replica)
    WHERE u.metric = $activity[g.rank] AND u.step_s > 0
)
SELECT *, process IS NOT NULL OR model IS NOT NULL AS is_taken,
    dense_rank() OVER (ORDER BY model, team, namespace) AS owner,
    dense_rank() OVER (ORDER BY gpu, process, model, team, namespace) AS slot
FROM placed
"""

OWNERS = """
CREATE TEMP TABLE spend_owners AS
SELECT owner, any_value(model) AS model, any_value(team) AS team, any_value(namespace) AS namespace
FROM spend_series GROUP BY owner
"""

# Seconds of each machine and hour: without anybody on the GPU, idle (a process, no work, no request), busy
# but below the target, useful, and busy by GPU_UTIL only, which does not tell how much. Exports may overlap
# and processes share a GPU: an hour of it has 3600 seconds, of which those go first that name a process.
# Processes are kept apart only for allocations, which are of them.
HOURS = """
CREATE TEMP TABLE spend_hours AS
WITH served AS (
    SELECT DISTINCT p.process, epoch_us(s.measured_at) // 3600000000 AS hour
    FROM usage_samples AS s JOIN usage_series AS u USING (series_id) JOIN spend_processes AS p USING (replica)
    WHERE u.metric = 'requests_running' AND s.value > 0
),
sampled AS (
    SELECT c.slot, epoch_us(s.measured_at) // 3600000000 AS hour, sum(c.step_s) AS sampled_s,
        sum(c.step_s * s.value) AS work_s, sum(CASE WHEN s.value < $still THEN c.step_s ELSE 0 END) AS still_s
    FROM usage_samples AS s JOIN spend_series AS c USING (series_id) GROUP BY c.slot, hour
),
slots AS (
    SELECT DISTINCT slot, gpu, node, owner, process, size, is_taken, rank <= $measures AS is_measured
    FROM spend_series
),
crowded AS (  -- GPUs of which more than one slot is known, with what is left of an hour for each
    SELECT slot, hour, CASE WHEN is_taken THEN least(1, 3600 / taken_s)
        ELSE least(1, greatest(0, 3600 - coalesce(taken_s, 0)) / untaken_s) END AS room
    FROM (
        SELECT t.slot, s.hour, t.is_taken,
            sum(least(3600, s.sampled_s)) FILTER (t.is_taken) OVER one AS taken_s,
            sum(least(3600, s.sampled_s)) FILTER (NOT t.is_taken) OVER one AS untaken_s
        FROM sampled AS s
        JOIN (FROM slots QUALIFY count(*) OVER (PARTITION BY gpu) > 1) AS t USING (slot)
        WINDOW one AS (PARTITION BY t.gpu, s.hour)
    ) WHERE coalesce(taken_s, 0) + coalesce(untaken_s, 0) > 3600
),
hourly AS (
    SELECT t.node, t.owner,
        CASE WHEN (SELECT count(*) > 0 FROM cost_allocations) THEN t.process END AS process, s.hour,
        t.is_taken, t.is_measured, r.process IS NOT NULL AS is_serving,
        least(3600, s.sampled_s) * t.size * coalesce(c.room, 1) AS seen_s, seen_s / s.sampled_s AS scale,
        s.still_s * scale AS still_s, s.work_s * scale AS work_s
    FROM sampled AS s JOIN slots AS t USING (slot)
    LEFT JOIN crowded AS c ON c.slot = s.slot AND c.hour = s.hour
    LEFT JOIN served AS r ON r.process = t.process AND r.hour = s.hour
),
judged AS (
    SELECT *, CASE WHEN is_taken THEN 0 ELSE still_s END AS unallocated_s,
        CASE WHEN is_taken AND NOT is_serving THEN still_s ELSE 0 END AS idle_s,
        greatest(seen_s - unallocated_s - idle_s, 0) AS busy_s,
        CASE WHEN is_measured THEN least(busy_s, work_s / $target) ELSE 0 END AS useful_s
    FROM hourly
)
SELECT node, owner, process, hour, sum(seen_s) AS seen_s, sum(unallocated_s) AS unallocated_s,
    sum(idle_s) AS idle_s,
    sum(CASE WHEN is_measured THEN busy_s - useful_s ELSE 0 END) AS headroom_s, sum(useful_s) AS useful_s,
    sum(CASE WHEN is_measured THEN 0 ELSE busy_s END) AS unclear_s,
    sum(CASE WHEN is_measured THEN work_s ELSE 0 END) AS work_s,
    sum(CASE WHEN is_measured THEN seen_s ELSE 0 END) AS measured_s
FROM judged GROUP BY node, owner, process, hour
"""

# The hours of machines that a charge is for, each with the share of it: a charge within one hour meets that
# hour, a longer one all that it overlaps.
MET = """
CREATE TEMP TABLE spend_met AS
WITH placed AS (
    SELECT c.charge, n.node, epoch(c.first_at) AS first_s, epoch(c.end_at) AS end_s,
        CAST(floor(first_s / 3600) AS BIGINT) AS first_hour, end_s <= (first_hour + 1) * 3600 AS is_short
    FROM spend_charges AS c JOIN spend_nodes AS n USING (resource) WHERE c.kind = 'usage'
),
machine_hours AS (SELECT node, hour, sum(seen_s) AS seen_s FROM spend_hours GROUP BY node, hour)
SELECT p.charge, p.node, h.hour, (p.end_s - p.first_s) / 3600 AS share, h.seen_s * share AS seen_s
FROM placed AS p JOIN machine_hours AS h ON h.node = p.node AND h.hour = p.first_hour WHERE p.is_short
UNION ALL
SELECT p.charge, p.node, h.hour,
    (least(p.end_s, (h.hour + 1) * 3600) - greatest(p.first_s, h.hour * 3600)) / 3600 AS share,
    h.seen_s * share AS seen_s
FROM placed AS p JOIN machine_hours AS h ON h.node = p.node AND h.hour * 3600 < p.end_s
    AND (h.hour + 1) * 3600 > p.first_s
WHERE NOT p.is_short
"""

# What a second of a machine costs in a charge: over all that was paid for, or seen where it is not for time.
PRICED = """
CREATE TEMP TABLE spend_priced AS
WITH seen AS (SELECT charge, sum(seen_s) AS seen_s FROM spend_met GROUP BY charge HAVING sum(seen_s) > 0)
SELECT c.charge, c.bundle, c.paid_hours > 0 AS is_paid, greatest(s.seen_s, CASE
        WHEN c.paid_hours IS NOT NULL THEN c.paid_hours * 3600 WHEN c.has_unit THEN s.seen_s
        ELSE c.window_s * c.gpus END) AS scale_s,
    CAST(c.cost AS DOUBLE) / scale_s AS per_second, s.seen_s >= scale_s * (1 - 1e-9) AS is_whole
FROM spend_charges AS c JOIN seen AS s USING (charge)
"""

USE = """
CREATE TEMP TABLE spend_use AS
WITH hours AS (
    SELECT p.bundle, m.node, m.hour, sum(m.share * p.per_second) AS per_second,
        sum(CASE WHEN p.is_paid THEN m.share ELSE 0 END) AS paid_share,
        paid_share / greatest(1, sum(paid_share) OVER (PARTITION BY m.node, m.hour)) AS paid
    FROM spend_met AS m JOIN spend_priced AS p USING (charge) GROUP BY p.bundle, m.node, m.hour
)
SELECT c.bundle, h.owner, DATE '1970-01-01' + CAST(c.hour // 24 AS INTEGER) AS day,
    sum(per_second * unallocated_s) AS unallocated, sum(per_second * idle_s) AS idle,
    sum(per_second * headroom_s) AS headroom, sum(per_second * useful_s) AS useful,
    sum(per_second * unclear_s) AS unclear, sum(paid * seen_s) AS seen_s, sum(paid * work_s) AS work_s,
    sum(paid * measured_s) AS measured_s
FROM hours AS c JOIN spend_hours AS h USING (node, hour) GROUP BY c.bundle, h.owner, day
"""

BUNDLES = """
CREATE TEMP TABLE spend_bundles AS
SELECT c.bundle, any_value(c.basis) AS basis, any_value(c.currency) AS currency,
    any_value(c.resource) AS resource, any_value(c.kind) AS kind, bool_or(c.is_joined) AS is_joined,
    any_value(c.tags) AS tags, any_value(c.team) AS team, any_value(c.namespace) AS namespace,
    any_value(c.first_day) AS first_day,
    any_value(c.last_day) AS last_day, sum(c.cost) AS cost, bool_and(p.is_whole IS TRUE) AS is_whole
FROM spend_charges AS c LEFT JOIN spend_priced AS p USING (charge) GROUP BY c.bundle
"""

AMOUNTS = """
CREATE TEMP TABLE spend_amounts AS
WITH parts AS (
    SELECT bundle, owner, day, unnest([
        {'part': 'unallocated', 'money': unallocated}, {'part': 'allocated_idle', 'money': idle},
        {'part': 'loaded_headroom', 'money': headroom}, {'part': 'useful', 'money': useful},
        {'part': 'unknown', 'money': unclear}
    ], recursive := true) FROM spend_use
),
known AS (
    SELECT bundle, owner, day, part, CASE part WHEN 'unknown' THEN 'gpu_util_only' END AS reason,
        CAST(round(money, 10) AS DECIMAL(38, 10)) AS amount
    FROM parts WHERE money <> 0
),
summed AS (
    SELECT bundle, sum(amount) AS amount, arg_max({
        'owner': owner, 'day': day, 'part': part, 'reason': reason}, abs(amount)) AS largest
    FROM known GROUP BY bundle
),
rests AS (
    SELECT b.*, s.largest, b.cost - coalesce(s.amount, 0) AS amount
    FROM spend_bundles AS b LEFT JOIN summed AS s USING (bundle)
),
undivided AS (
    SELECT bundle, first_day, last_day, cost, amount,
        CASE WHEN kind = 'unused' THEN 'unused_commitment' WHEN kind = 'idle' THEN 'unallocated'
            WHEN kind = 'no_process' THEN 'unknown' WHEN kind <> 'usage' OR is_no_gpu THEN 'shared'
            ELSE 'unknown' END AS part,
        CASE WHEN kind <> 'usage' THEN kind WHEN is_joined THEN 'not_seen' WHEN is_no_gpu THEN 'no_gpu'
            ELSE 'no_usage' END AS reason
    FROM (SELECT r.*, s.without_gpu IS TRUE AND NOT r.is_joined AS is_no_gpu
        FROM rests AS r LEFT JOIN spend_resources AS s USING (resource)
        WHERE r.largest IS NULL OR NOT r.is_whole)
),
days AS (  -- so that each day costs the same, as far as what was seen of it does not cost more
    SELECT u.*, u.last_day - u.first_day + 1 AS n_days,
        greatest(abs(CAST(u.cost AS DOUBLE)) / n_days - abs(CAST(coalesce(k.amount, 0) AS DOUBLE)), 0) AS lack
    FROM (
        SELECT *, CAST(unnest(generate_series(first_day, last_day, INTERVAL 1 DAY)) AS DATE) AS day
        FROM undivided
    ) AS u LEFT JOIN (SELECT bundle, day, sum(amount) AS amount FROM known GROUP BY ALL) AS k
        USING (bundle, day)
),
reached AS (  -- by the end of each day
    SELECT *, coalesce(sum(lack) OVER so_far / nullif(sum(lack) OVER (PARTITION BY bundle), 0),
            (day - first_day + 1) / n_days) AS share,
        CASE WHEN day = last_day THEN amount
            ELSE CAST(round(CAST(amount AS DOUBLE) * share, 10) AS DECIMAL(38, 10)) END AS reached
    FROM days WINDOW so_far AS (PARTITION BY bundle ORDER BY day)
),
dated AS (
    SELECT bundle, NULL AS owner, day, part, reason,
        reached - lag(reached, 1, 0) OVER (PARTITION BY bundle ORDER BY day) AS amount
    FROM reached
    UNION ALL
    SELECT bundle, owner, day, part, reason, amount FROM known
    UNION ALL
    SELECT bundle, largest.owner, largest.day, largest.part, largest.reason, amount
    FROM rests WHERE largest IS NOT NULL AND is_whole
)
SELECT b.basis, b.currency, b.resource, b.tags, d.day, d.part, d.reason, o.model,
    coalesce(o.namespace, b.namespace) AS namespace, coalesce(o.team, b.team) AS team, sum(d.amount) AS amount
FROM dated AS d JOIN spend_bundles AS b USING (bundle) LEFT JOIN spend_owners AS o USING (owner)
GROUP BY ALL
"""

HOUR_TABLES = ("spend_processes", "spend_series", "spend_owners", "spend_hours")
AMOUNT_TABLES = ("spend_met", "spend_priced", "spend_use", "spend_bundles", "spend_amounts")


def make_hours(cursor: "Cursor") -> None:
    """Make the tables of what was seen of each machine in each hour, after ``make_charges``."""
    cursor.execute(PROCESSES)
    cursor.execute(SERIES, {"activity": list(ACTIVITY)})
    cursor.execute(OWNERS)
    cursor.execute(HOURS, {"still": STILL, "target": SM_TARGET, "measures": len(ACTIVITY) - 1})


def make_amounts(cursor: "Cursor") -> None:
    """Divide the charges: ``spend_use`` in seconds and ``spend_amounts`` in money, after ``make_hours``."""
    for statement in (MET, PRICED, USE, BUNDLES, AMOUNTS):
        cursor.execute(statement)
