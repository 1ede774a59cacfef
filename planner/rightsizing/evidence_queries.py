"""The SQL behind ``evidence``: one pass over the samples each."""

SHARES = """
WITH wanted AS (
    SELECT series_id, entity, metric, last_at, coalesce(step_s, 1) AS step_s FROM usage_series
    WHERE list_contains($metrics::VARCHAR[], metric)
        AND ($imports IS NULL OR list_contains($imports::BIGINT[], import_id))
),
counted AS (
    SELECT w.entity, w.metric, sum(w.step_s) FILTER (s.value > 0) AS above, sum(w.step_s) AS seconds
    FROM usage_samples AS s JOIN wanted AS w USING (series_id)
    WHERE $from_at IS NULL OR s.measured_at >= $from_at GROUP BY ALL
    UNION ALL
    SELECT w.entity, w.metric, sum(h.samples * w.step_s) FILTER (h.high > 0), sum(h.samples * w.step_s)
    FROM usage_histograms AS h JOIN wanted AS w USING (series_id)
    WHERE $from_at IS NULL OR w.last_at >= $from_at GROUP BY ALL
)
SELECT entity, metric, coalesce(sum(above), 0) / sum(seconds) FROM counted GROUP BY ALL
"""
# What was said last: a GPU goes from pod to pod.
PLACES = """
SELECT s.entity, s.entity_kind, arg_max(s.replica, s.last_at), arg_max(s.gpu_name, s.last_at),
    arg_max(s.host, s.last_at), arg_max(s.instance_id, s.last_at), arg_max(s.instance_type, s.last_at),
    arg_max(s.namespace, s.last_at), arg_max(s.model, s.last_at), arg_max(s.team, s.last_at),
    CASE s.entity_kind WHEN 'mig' THEN coalesce(arg_max(s.mig_profile, s.last_at), '?') END,
    bool_or(i.is_sample),
    count(DISTINCT regexp_replace(s.replica, '^.*/|#\\d+$', '', 'g'))
        FILTER (s.last_at >= $latest::TIMESTAMP - INTERVAL 1 DAY)
FROM usage_series AS s JOIN imports AS i USING (import_id)
WHERE ($imports IS NULL OR list_contains($imports::BIGINT[], s.import_id)) AND s.entity_kind <> 'node'
GROUP BY s.entity, s.entity_kind
"""
# How far apart samples are at most; ten minutes where that is not known.
STEP = """
SELECT CAST(1000000 * max(coalesce(step_s, 600)) AS BIGINT) FROM usage_series
WHERE list_contains($metrics::VARCHAR[], metric)
    AND ($imports IS NULL OR list_contains($imports::BIGINT[], import_id))
"""
# Blocks of four hours, numbered through entities, metrics and the blocks of a week; 1970 began on a Thursday,
# eighteen blocks into the week. A sample of each ten minutes is enough to compare by.
WEEKS = """
WITH wanted AS (
    SELECT u.series_id, (p.place * len($metrics) + m.metric) * 42 AS first
    FROM usage_series AS u
        JOIN (SELECT unnest($entities::VARCHAR[]) AS entity, unnest(range(len($entities))) AS place) AS p
            ON p.entity = u.entity
        JOIN (SELECT unnest($metrics::VARCHAR[]) AS name, unnest(range(len($metrics))) AS metric) AS m
            ON m.name = u.metric
    WHERE $imports IS NULL OR list_contains($imports::BIGINT[], u.import_id)
)
SELECT w.first + (epoch_us(s.measured_at) // 14400000000 + 18) % 42 AS place,
    avg(s.value) + 1.64 * sqrt(greatest(avg(s.value * s.value) - avg(s.value) ** 2, 0)) AS value
FROM usage_samples AS s JOIN wanted AS w USING (series_id)
WHERE epoch_us(s.measured_at) % 600000000 < $step_us
    AND ($from_at IS NULL OR s.measured_at >= $from_at)
GROUP BY 1
"""
TOGETHER = """
WITH chosen AS (
    SELECT series_id, coalesce(replica, entity) AS unit, step_s FROM usage_series
    WHERE metric = $metric AND list_contains($entities::VARCHAR[], coalesce(replica, entity))
),
bucketed AS (
    SELECT c.unit, epoch_us(s.measured_at) // 300000000 AS bucket, avg(s.value) AS value
    FROM usage_samples AS s JOIN chosen AS c USING (series_id) GROUP BY ALL
),
at_once AS (
    SELECT bucket, avg(value) AS value FROM bucketed GROUP BY bucket
    HAVING count(*) = (SELECT count(DISTINCT unit) FROM chosen)
),
width AS (SELECT (max(bucket) - min(bucket)) // $points + 1 AS buckets FROM at_once)
SELECT make_timestamp(bucket // w.buckets * w.buckets * 300000000) AS measured_at, min(value) AS low,
    avg(value) AS mean, max(value) AS high, count(*) AS n
FROM at_once CROSS JOIN width AS w GROUP BY 1 ORDER BY 1
"""
# An hour of the week is idle when nothing worked and no request was there in it, in at least 80 % of the
# weeks that were measured, three at least. An hour without samples is no idle hour.
IDLE = """
WITH wanted AS (
    SELECT series_id, entity, step_s, dense_rank() OVER (ORDER BY entity, metric) AS place FROM usage_series
    WHERE metric IN ('sm_active_ratio', 'gr_engine_active_ratio', 'requests_running', 'requests_waiting')
        AND last_at - first_at > INTERVAL 2 WEEKS
        AND ($imports IS NULL OR list_contains($imports::BIGINT[], import_id))
),
hourly AS (
    SELECT w.place, epoch_us(s.measured_at) // 3600000000 AS hour, max(s.value) AS peak,
        count(*) * any_value(w.step_s) >= 1800 AS enough
    FROM usage_samples AS s JOIN wanted AS w USING (series_id)
    WHERE $from_at IS NULL OR s.measured_at >= $from_at GROUP BY ALL
),
combined AS (
    SELECT p.entity, h.hour, max(h.peak) AS peak
    FROM hourly AS h JOIN (SELECT DISTINCT place, entity FROM wanted) AS p USING (place)
    WHERE h.enough GROUP BY ALL
),
weekly AS (  -- 1970 began on a Thursday, 72 hours into the week
    SELECT entity, (hour + 72) % 168 AS hour_of_week, count(*) AS weeks,
        avg(CASE WHEN peak < 0.01 THEN 1.0 ELSE 0.0 END) AS idle
    FROM combined GROUP BY ALL
)
SELECT entity, list(hour_of_week ORDER BY hour_of_week) FROM weekly
WHERE weeks >= 3 AND idle >= 0.8 GROUP BY entity
"""
