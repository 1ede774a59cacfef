"""The SQL behind ``usage`` for sums taken at the same time, of what ``usage_queries`` chose and grouped."""

from string import Template

# Which buckets each member spans, and whether its samples lie whole buckets apart, so that no two share one.
# A member with one sample in each bucket has its buckets begin half a bucket earlier where the samples lie
# around the edges: a second sooner or later must not put two into one bucket and none into the next.
SPANS = """
CREATE TEMP TABLE spans AS
WITH wanted AS MATERIALIZED (
    SELECT c.series_id, c.g, c.member, coalesce(c.from_at, '-infinity') AS from_at,
        CAST(greatest($bucket_s, ceil(f.step_s / $bucket_s) * $bucket_s) AS BIGINT) * 1000000 AS bucket_us,
        f.step_s > 0.9e-6 * bucket_us AS is_sparse
    FROM chosen AS c JOIN facts AS f USING (g)
),
seen AS (
    SELECT w.member, any_value(w.g) AS g, any_value(w.bucket_us) AS bucket_us, count(*) AS samples,
        max(s.value) AS most,
        min(epoch_us(s.measured_at)) AS first_us, max(epoch_us(s.measured_at)) AS last_us,
        min(epoch_us(s.measured_at) % w.bucket_us) = max(epoch_us(s.measured_at) % w.bucket_us) AS in_step,
        CASE WHEN any_value(w.is_sparse)
            AND avg(abs(epoch_us(s.measured_at) % w.bucket_us - w.bucket_us // 2))
            > any_value(w.bucket_us) / 4 THEN any_value(w.bucket_us) // 2 ELSE 0 END AS shift_us
    FROM usage_samples AS s JOIN wanted AS w USING (series_id)
    WHERE s.measured_at >= w.from_at GROUP BY w.member
)
SELECT * EXCLUDE (first_us, last_us), (first_us + shift_us) // bucket_us AS first_bucket,
    (last_us + shift_us) // bucket_us AS last_bucket
FROM seen
"""
PACES = """
CREATE TEMP TABLE paces AS
SELECT s.g, any_value(f.piece) AS piece, any_value(s.bucket_us) AS bucket_us,
    any_value(list_contains($peaks::VARCHAR[], f.metric)) AS is_peak,
    any_value(list_contains($ratios::VARCHAR[], f.metric)) AS is_ratio,
    bool_and(s.in_step AND NOT f.repeats) AS in_step,
    bool_and(s.in_step AND NOT f.repeats AND s.samples = s.last_bucket - s.first_bucket + 1) AS whole
FROM spans AS s JOIN facts AS f USING (g) GROUP BY s.g
"""
PASSES = "SELECT DISTINCT piece, whole FROM paces ORDER BY ALL"

_QUERY = Template("""
WITH wanted AS MATERIALIZED (
    SELECT c.series_id, c.g, c.member, p.bucket_us, p.is_peak, p.in_step, m.most, m.shift_us,
        coalesce(c.from_at, '-infinity') AS from_at
    FROM chosen AS c JOIN paces AS p USING (g) JOIN spans AS m USING (member)
    WHERE p.piece = $$piece AND $groups
),
at_once AS (
    SELECT w.g, (epoch_us(s.measured_at) + w.shift_us) // w.bucket_us AS bucket, sum(s.value) AS total,
        count(*) AS members $most
    FROM usage_samples AS s JOIN wanted AS w USING (series_id)
    WHERE s.measured_at >= w.from_at AND w.in_step GROUP BY w.g, bucket
),
$sums,
found AS (
    SELECT g, count(*) AS n, avg(value) AS mean, quantile_cont(value, [0.5, 0.9, 0.95, 0.99, 0.999]) AS q,
        max(value) AS max
    FROM (
        SELECT g, CASE WHEN is_ratio THEN total / members ELSE total END AS value
        FROM summed JOIN paces USING (g)
    ) GROUP BY g
)
SELECT facts.* EXCLUDE (step_s), p.bucket_us / 1e6 AS step_s, found.* EXCLUDE (g)
FROM facts JOIN found USING (g) JOIN paces AS p USING (g)
""")
WHOLE = _QUERY.substitute(groups="p.whole", most="", sums="summed AS (FROM at_once)")
"""Members that are in step and without a gap are added up at once."""

_MOST = ", sum(w.most) AS most"
_PRESENT = """
by_member AS (
    SELECT any_value(w.g) AS g, (epoch_us(s.measured_at) + w.shift_us) // w.bucket_us AS bucket,
        CASE WHEN any_value(w.is_peak) THEN max(s.value) ELSE avg(s.value) END AS value,
        any_value(w.most) AS most
    FROM usage_samples AS s JOIN wanted AS w USING (series_id)
    WHERE s.measured_at >= w.from_at AND NOT w.in_step GROUP BY w.member, bucket
),
present AS (
    FROM at_once UNION ALL
    SELECT g, bucket, sum(value), count(*), sum(most) FROM by_member GROUP BY g, bucket
),
changes AS (
    SELECT g, first_bucket AS bucket, 1 AS change, most FROM spans
    UNION ALL SELECT g, last_bucket + 1, -1, -most FROM spans
),
expected AS (
    SELECT g, bucket, sum(sum(change)) OVER so_far AS members, sum(sum(most)) OVER so_far AS most
    FROM changes SEMI JOIN wanted USING (g) GROUP BY g, bucket
    WINDOW so_far AS (PARTITION BY g ORDER BY bucket)
),
"""
_MET = "FROM present AS p ASOF JOIN expected AS e ON e.g = p.g AND e.bucket <= p.bucket"

# A bucket in which a member has a gap is left out: fewer have a value there than span it.
GAPPY = _QUERY.substitute(
    groups="NOT p.whole",
    most=_MOST,
    sums=f"{_PRESENT} summed AS (SELECT p.* {_MET} WHERE p.members = e.members)",
)
_BOUND = "CASE WHEN p.members = e.members THEN p.total ELSE p.total + e.most - p.most END"
FILLED = _QUERY.substitute(
    groups="NOT p.whole",
    most=_MOST,
    sums=f"{_PRESENT} summed AS (SELECT p.g, p.bucket, {_BOUND} AS total, e.members {_MET})",
)
"""A member that has a gap counts with the most that was ever seen of it: an upper bound."""
