"""The SQL behind ``usage``: first which series make up which group, small; then one pass over the samples.

Groups and members are numbered, so that the pass joins and groups by integers.
"""

# When the chosen imports begin and end. A clock that runs ahead of the import does not say how late it is.
ENDS = """
SELECT min(u.first_at), coalesce(
    max(u.last_at) FILTER (u.last_at <= i.imported_at + INTERVAL 1 DAY), max(u.last_at))
FROM usage_series AS u JOIN imports AS i USING (import_id)
WHERE $imports IS NULL OR list_contains($imports::BIGINT[], import_id)
"""
CHOSEN = """
CREATE TEMP TABLE chosen AS
WITH seen AS (SELECT entity, min(first_at) AS seen_at FROM usage_series GROUP BY entity),
processes AS (  -- model and team of a serving process, carried to its GPUs by the pod
    SELECT replica, any_value(model) AS model, any_value(team) AS team
    FROM usage_series WHERE replica IS NOT NULL GROUP BY replica
),
mapped AS (SELECT unnest($members::VARCHAR[]) AS entity, unnest($groups::VARCHAR[]) AS mapped),
placed AS (
    SELECT s.series_id, s.metric, s.variant, s.entity, s.entity_kind, s.host, s.replica, s.gpu_name,
        s.gpu_index, s.samples, s.first_at, s.last_at, s.step_s, s.irregular, s.binned,
        greatest(
            $latest::TIMESTAMP - to_seconds($lookback_s),
            CASE WHEN list_contains($activity::VARCHAR[], s.metric)
                AND seen.seen_at > $begins::TIMESTAMP + to_seconds($warm_up_s)
            THEN seen.seen_at + to_seconds($warm_up_s) END
        ) AS window_at,
        coalesce(s.model, p.model) AS model, coalesce(s.team, p.team) AS team,
        CASE $grouping
            WHEN 'gpu' THEN CASE WHEN s.entity_kind IN ('gpu', 'mig') THEN s.entity END
            WHEN 'node' THEN coalesce(s.host, s.instance_id)
            WHEN 'replica' THEN coalesce(s.replica, CASE s.entity_kind WHEN 'replica' THEN s.entity END)
            WHEN 'entity' THEN s.entity
            WHEN 'mapped' THEN m.mapped
            WHEN 'model' THEN coalesce(s.model, p.model)
            ELSE coalesce(s.team, p.team)
        END AS grp
    FROM usage_series AS s JOIN seen USING (entity)
        LEFT JOIN processes AS p USING (replica) LEFT JOIN mapped AS m USING (entity)
    WHERE ($imports IS NULL OR list_contains($imports::BIGINT[], s.import_id))
        AND ($metrics IS NULL OR list_contains($metrics::VARCHAR[], s.metric))
        AND NOT list_contains($increases::VARCHAR[], s.metric)
)
SELECT * EXCLUDE (window_at, first_at),  -- a histogram counts whole or not at all
    CASE WHEN window_at > first_at AND NOT binned THEN window_at END AS from_at,
    CASE WHEN binned THEN first_at ELSE greatest(first_at, window_at) END AS first_at,
    dense_rank() OVER (ORDER BY grp, metric) AS g,
    dense_rank() OVER (ORDER BY grp, metric, entity, variant) AS member,
    placed.first_at <= max(last_at) OVER (
        PARTITION BY grp, metric ORDER BY placed.first_at, series_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS meets_another
FROM placed WHERE grp IS NOT NULL AND (window_at IS NULL OR last_at >= window_at)
"""
HELD = "SELECT coalesce(sum(CASE WHEN binned THEN $histogram ELSE samples END), 0) FROM chosen"
# Groups of neighbouring series are one piece: samples of a series lie together, so that a pass over a piece
# reads little else.
FACTS = """
CREATE TEMP TABLE facts AS
SELECT g, any_value(grp) AS grp, any_value(metric) AS metric, min(first_at) AS first_at,
    max(last_at) AS last_at, median(step_s) AS step_s, count(DISTINCT member) AS members,
    max(step_s) > 1.5 * min(step_s) AND NOT bool_or(binned) AS mixed,
    bool_or(irregular) OR coalesce(mixed, false) AS irregular, bool_and(binned) AS binned,
    count(*) > count(DISTINCT member) AND bool_or(meets_another) AS repeats,
    any_value(gpu_name) AS gpu_name,
    any_value(gpu_index) AS gpu_index, any_value(host) AS host, any_value(replica) AS replica,
    any_value(model) AS model, any_value(team) AS team, any_value(entity_kind) AS entity_kind,
    ntile($pieces) OVER (ORDER BY min(series_id)) - 1 AS piece
FROM chosen GROUP BY g
"""
KINDS = """
SELECT coalesce(bool_or(repeats AND NOT irregular), false), coalesce(bool_or(irregular), false),
    coalesce(bool_or(binned), false)
FROM facts
"""

# One entity at a time: every sample counts once. In pieces, because a quantile holds all of its values.
SINGLE = """
WITH wanted AS MATERIALIZED (
    SELECT c.series_id, c.g, coalesce(c.from_at, '-infinity') AS from_at
    FROM chosen AS c JOIN facts AS f USING (g)
    WHERE NOT f.repeats AND NOT f.irregular AND f.piece = $piece
),
found AS (
    SELECT w.g, count(*) AS n, avg(s.value) AS mean,
        quantile_cont(s.value, [0.5, 0.9, 0.95, 0.99, 0.999]) AS q, max(s.value) AS max
    FROM usage_samples AS s JOIN wanted AS w USING (series_id)
    WHERE s.measured_at >= w.from_at GROUP BY w.g
)
SELECT facts.*, found.* EXCLUDE (g) FROM facts JOIN found USING (g)
"""

# Exports that overlap: a time that two of them share counts once, with its larger value.
OVERLAPPING = """
WITH wanted AS MATERIALIZED (
    SELECT c.series_id, c.g, coalesce(c.from_at, '-infinity') AS from_at
    FROM chosen AS c JOIN facts AS f USING (g) WHERE f.repeats AND NOT f.irregular
),
answers AS (
    SELECT w.g, s.measured_at, max(s.value) AS value
    FROM usage_samples AS s JOIN wanted AS w USING (series_id)
    WHERE s.measured_at >= w.from_at GROUP BY w.g, s.measured_at
),
found AS (
    SELECT g, count(*) AS n, avg(value) AS mean, quantile_cont(value, [0.5, 0.9, 0.95, 0.99, 0.999]) AS q,
        max(value) AS max
    FROM answers GROUP BY g
)
SELECT facts.*, found.* EXCLUDE (g) FROM facts JOIN found USING (g)
"""

# Irregular samples, and exports with different steps: each weighs the time until the next one, at most two
# steps of its export. In order of their values, the middle of each weight is its place, scaled to 0-1;
# between places values are interpolated. With equal weights this is quantile_cont.
WEIGHTED = """
WITH wanted AS MATERIALIZED (
    SELECT c.series_id, c.g, coalesce(c.step_s, f.step_s) AS step_s,
        coalesce(c.from_at, '-infinity') AS from_at
    FROM chosen AS c JOIN facts AS f USING (g) WHERE f.irregular
),
timed AS (
    SELECT w.g, s.measured_at, max(s.value) AS value, max(w.step_s) AS step_s
    FROM usage_samples AS s JOIN wanted AS w USING (series_id)
    WHERE s.measured_at >= w.from_at GROUP BY w.g, s.measured_at
),
weighed AS (
    SELECT g, value, coalesce(epoch(lead(measured_at) OVER (PARTITION BY g ORDER BY measured_at)
        - measured_at), step_s) AS until_next, least(2 * step_s, until_next) AS weight,
        least(step_s, until_next) AS covered
    FROM timed
),
middles AS (
    SELECT g, value, sum(weight) OVER (
        PARTITION BY g ORDER BY value, weight ROWS UNBOUNDED PRECEDING) - weight / 2 AS middle
    FROM weighed
),
scaled AS (
    SELECT g, value,
        (middle - min(middle) OVER w) / nullif(max(middle) OVER w - min(middle) OVER w, 0) AS place
    FROM middles WINDOW w AS (PARTITION BY g)
),
steps AS (
    SELECT g, value, place, lead(value) OVER w AS next_value, lead(place) OVER w AS next_place
    FROM scaled WINDOW w AS (PARTITION BY g ORDER BY coalesce(place, 0), value)
),
shares AS (SELECT unnest([0.5, 0.9, 0.95, 0.99, 0.999]) AS share),
quantiles AS (
    SELECT g, share, min(value + (next_value - value) * (share - place) / (next_place - place)) AS quantile
    FROM steps JOIN shares ON place <= share AND next_place >= share AND next_place > place
    GROUP BY g, share
),
listed AS (SELECT g, list(quantile ORDER BY share) AS q FROM quantiles GROUP BY g),
whole AS (
    SELECT g, count(*) AS n, sum(value * weight) / sum(weight) AS mean, max(value) AS max,
        sum(covered) / count(*) AS each_s
    FROM weighed GROUP BY g
)
SELECT facts.* REPLACE (CASE WHEN mixed THEN each_s ELSE step_s END AS step_s), whole.n, whole.mean,
    coalesce(listed.q, list_resize([whole.max], 5, whole.max)) AS q, whole.max
FROM facts JOIN whole USING (g) LEFT JOIN listed USING (g)
"""
