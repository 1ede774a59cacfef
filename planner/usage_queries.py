"""The SQL behind ``usage``: one text per way of adding up, put together from shared parts."""

_PLACED = """
WITH processes AS (  -- model and team of a serving process, carried to its GPUs by the pod
    SELECT replica, any_value(model) AS model, any_value(team) AS team
    FROM usage_series WHERE replica IS NOT NULL GROUP BY replica
),
mapped AS (SELECT unnest($members::VARCHAR[]) AS entity, unnest($groups::VARCHAR[]) AS mapped),
placed AS (
    SELECT s.series_id, s.metric, s.variant, s.entity, s.entity_kind, s.host, s.replica, s.gpu_name,
        s.gpu_index, s.samples, s.first_at, s.last_at, s.step_s, s.irregular,
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
    FROM usage_series AS s LEFT JOIN processes AS p USING (replica) LEFT JOIN mapped AS m USING (entity)
    WHERE ($imports IS NULL OR list_contains($imports::BIGINT[], s.import_id))
        AND ($metrics IS NULL OR list_contains($metrics::VARCHAR[], s.metric))
        AND NOT list_contains($increases::VARCHAR[], s.metric)
),
"""
_FACTS = """
facts AS (
    SELECT grp, metric, min(first_at) AS first_at, max(last_at) AS last_at, median(step_s) AS step_s,
        count(DISTINCT (entity, variant)) AS members, bool_or(irregular) AS irregular,
        count(*) > count(DISTINCT (entity, variant)) AS overlaps,
        any_value(gpu_name) AS gpu_name, any_value(gpu_index) AS gpu_index, any_value(host) AS host,
        any_value(replica) AS replica, any_value(model) AS model, any_value(team) AS team,
        any_value(entity_kind) AS entity_kind
    FROM placed WHERE grp IS NOT NULL GROUP BY grp, metric
),
"""
_SUMMARY = """
found AS (
    SELECT grp, metric, count(*) AS n, avg(value) AS mean,
        quantile_cont(value, [0.5, 0.9, 0.95, 0.99, 0.999]) AS q, max(value) AS max
    FROM answers GROUP BY grp, metric
)
"""

# One GPU at a time: every sample counts once; a time that two files share counts once, with its larger value.
_SINGLE = """
answers AS (
    SELECT p.grp, p.metric, s.value FROM usage_samples AS s JOIN placed AS p USING (series_id)
    JOIN facts AS f ON f.grp = p.grp AND f.metric = p.metric
    WHERE NOT f.overlaps AND NOT f.irregular
    UNION ALL
    SELECT p.grp, p.metric, max(s.value) FROM usage_samples AS s JOIN placed AS p USING (series_id)
    JOIN facts AS f ON f.grp = p.grp AND f.metric = p.metric
    WHERE f.overlaps AND NOT f.irregular GROUP BY p.grp, p.metric, s.measured_at
),
"""
_SINGLE_ANSWER = """
SELECT facts.*, found.* EXCLUDE (grp, metric) FROM facts JOIN found USING (grp, metric)
"""

# Irregular samples: each weighs the time until the next one, at most two steps. In order of their values, the
# middle of each weight is its place, scaled to 0-1; between places values are interpolated. With equal
# weights this is quantile_cont.
_WEIGHTED = """
timed AS (
    SELECT p.grp, p.metric, s.measured_at, max(s.value) AS value, any_value(f.step_s) AS step_s
    FROM usage_samples AS s JOIN placed AS p USING (series_id)
    JOIN facts AS f ON f.grp = p.grp AND f.metric = p.metric
    WHERE f.irregular GROUP BY p.grp, p.metric, s.measured_at
),
weighed AS (
    SELECT grp, metric, value, least(2 * step_s, coalesce(epoch(lead(measured_at) OVER (
        PARTITION BY grp, metric ORDER BY measured_at) - measured_at), step_s)) AS weight
    FROM timed
),
middles AS (
    SELECT grp, metric, value, sum(weight) OVER (
        PARTITION BY grp, metric ORDER BY value, weight ROWS UNBOUNDED PRECEDING) - weight / 2 AS middle
    FROM weighed
),
scaled AS (
    SELECT grp, metric, value,
        (middle - min(middle) OVER w) / nullif(max(middle) OVER w - min(middle) OVER w, 0) AS place
    FROM middles WINDOW w AS (PARTITION BY grp, metric)
),
steps AS (
    SELECT grp, metric, value, place, lead(value) OVER w AS next_value, lead(place) OVER w AS next_place
    FROM scaled WINDOW w AS (PARTITION BY grp, metric ORDER BY coalesce(place, 0), value)
),
wanted AS (SELECT unnest([0.5, 0.9, 0.95, 0.99, 0.999]) AS share),
quantiles AS (
    SELECT grp, metric, share,
        min(value + (next_value - value) * (share - place) / (next_place - place)) AS quantile
    FROM steps JOIN wanted ON place <= share AND next_place >= share AND next_place > place
    GROUP BY grp, metric, share
),
listed AS (SELECT grp, metric, list(quantile ORDER BY share) AS q FROM quantiles GROUP BY grp, metric),
whole AS (
    SELECT grp, metric, count(*) AS n, sum(value * weight) / sum(weight) AS mean, max(value) AS max
    FROM weighed GROUP BY grp, metric
)
SELECT facts.*, whole.n, whole.mean, coalesce(listed.q, list_resize([whole.max], 5, whole.max)) AS q,
    whole.max
FROM facts JOIN whole USING (grp, metric) LEFT JOIN listed USING (grp, metric)
"""

_SUMMED = """
sized AS (
    SELECT grp, metric, greatest($bucket_s, ceil(step_s / $bucket_s) * $bucket_s) AS bucket_s FROM facts
),
bucketed AS (
    SELECT p.grp, p.metric, p.entity, p.variant,
        CAST(floor(epoch(s.measured_at) / z.bucket_s) AS BIGINT) AS bucket,
        CASE WHEN list_contains($peaks::VARCHAR[], p.metric) THEN max(s.value) ELSE avg(s.value) END AS value
    FROM usage_samples AS s JOIN placed AS p USING (series_id)
    JOIN sized AS z ON z.grp = p.grp AND z.metric = p.metric
    GROUP BY p.grp, p.metric, p.entity, p.variant, bucket
),
gaps AS (
    SELECT grp, metric, unnest(generate_series(bucket + 1, next_bucket - 1)) AS bucket FROM (
        SELECT grp, metric, bucket, lead(bucket) OVER (
            PARTITION BY grp, metric, entity, variant ORDER BY bucket) AS next_bucket FROM bucketed
    ) WHERE next_bucket > bucket + 1
),
answers AS (
    SELECT b.grp, b.metric, b.bucket, CASE WHEN list_contains($ratios::VARCHAR[], b.metric)
        THEN avg(b.value) ELSE sum(b.value) END AS value
    FROM bucketed AS b ANTI JOIN gaps AS g ON g.grp = b.grp AND g.metric = b.metric AND g.bucket = b.bucket
    GROUP BY b.grp, b.metric, b.bucket
),
"""
_SUMMED_ANSWER = """
SELECT facts.* EXCLUDE (step_s), sized.bucket_s AS step_s, found.* EXCLUDE (grp, metric)
FROM facts JOIN sized USING (grp, metric) JOIN found USING (grp, metric)
"""

SINGLE = "\n".join((_PLACED, _FACTS, _SINGLE, _SUMMARY, _SINGLE_ANSWER))
WEIGHTED = "\n".join((_PLACED, _FACTS, _WEIGHTED))
SUMMED = "\n".join((_PLACED, _FACTS, _SUMMED, _SUMMARY, _SUMMED_ANSWER))
