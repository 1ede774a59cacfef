"""The SQL behind ``usage`` for samples that came as a histogram."""

# The value at a rank lies between the smallest and the largest value of the bucket that holds the rank. The
# largest is taken, so that a need is never understated; it is exact where a bucket holds one value. Ranks
# count samples, or seconds where samples stand for different times.
BINNED = """
WITH wanted AS MATERIALIZED (
    SELECT c.series_id, c.g, c.step_s FROM chosen AS c JOIN facts AS f USING (g) WHERE f.binned
),
bins AS (
    SELECT w.g, h.bucket, sum(h.samples) AS samples, sum(h.seconds) AS seconds, min(h.low) AS low,
        max(h.high) AS high, bool_and(h.seconds = h.samples * w.step_s) AS regular
    FROM usage_histograms AS h JOIN wanted AS w USING (series_id) GROUP BY w.g, h.bucket
),
weighed AS (
    SELECT *, CASE WHEN bool_and(regular) OVER (PARTITION BY g) THEN samples ELSE seconds END AS weight
    FROM bins
),
counted AS (
    SELECT *, sum(weight) OVER (PARTITION BY g ORDER BY bucket) AS until,
        sum(weight) OVER (PARTITION BY g) AS weights
    FROM weighed
),
shares AS (SELECT unnest([0.5, 0.9, 0.95, 0.99, 0.999]) AS share),
ranked AS (
    SELECT g, share, any_value(share * (weights - 1)) AS rank,
        min(high) FILTER (until > floor(share * (weights - 1))) AS below,
        min(high) FILTER (until > ceil(share * (weights - 1))) AS above
    FROM counted CROSS JOIN shares GROUP BY g, share
),
quantiles AS (
    SELECT g, list(below + (above - below) * (rank - floor(rank)) ORDER BY share) AS q FROM ranked GROUP BY g
),
whole AS (
    SELECT g, CAST(sum(samples) AS BIGINT) AS n, sum(weight * (low + high) / 2) / sum(weight) AS mean,
        max(high) AS max
    FROM weighed GROUP BY g
)
SELECT facts.*, whole.n, whole.mean, quantiles.q, whole.max
FROM facts JOIN whole USING (g) JOIN quantiles USING (g)
"""
