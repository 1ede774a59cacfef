"""The SQL behind ``usage`` and the idle hours for samples that came as a histogram."""

from string import Template
from typing import TYPE_CHECKING

from inferplan.datasets.fleets.reduction import BUCKETS_PER_UNIT
from inferplan.datasets.uploads.metrics import METRICS

if TYPE_CHECKING:
    import pandas as pd

    from inferplan.datasets.warehouse import Warehouse

# The value at a rank lies between the smallest and the largest value of the bucket that holds the rank. The
# largest is taken, so that a need is never understated; it is exact where a bucket holds one value. Ranks
# count samples, or seconds where samples stand for different times.
_QUERY = Template("""
WITH wanted AS MATERIALIZED (
    SELECT c.series_id, c.g, c.step_s FROM chosen AS c JOIN facts AS f USING (g)
    WHERE f.binned AND f.piece = $$piece
),
bins AS (
    SELECT w.g, h.bucket, CAST(sum(h.samples) AS DOUBLE) AS samples,
        CAST(sum(h.seconds) AS DOUBLE) AS seconds, min(h.low) AS low, max(h.high) AS high,
        bool_and(h.seconds = h.samples * w.step_s) AS regular
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
quantiles AS (SELECT g, [$quantiles] AS q FROM counted GROUP BY g),
whole AS (
    SELECT g, CAST(sum(samples) AS BIGINT) AS n, sum(weight * (low + high) / 2) / sum(weight) AS mean,
        max(high) AS max
    FROM weighed GROUP BY g
)
SELECT facts.*, whole.n, whole.mean, quantiles.q, whole.max
FROM facts JOIN whole USING (g) JOIN quantiles USING (g)
""")
# The values at the ranks below and above, and the way between them, as quantile_cont goes it.
_QUANTILE = Template("""
    min(high) FILTER (until > floor($share * (weights - 1)))
    + (min(high) FILTER (until > ceil($share * (weights - 1)))
        - min(high) FILTER (until > floor($share * (weights - 1))))
    * any_value($share * (weights - 1) - floor($share * (weights - 1)))
""")
# In pieces, because windows hold all of their rows.
BINNED = _QUERY.substitute(
    quantiles=", ".join(_QUANTILE.substitute(share=share) for share in (0.5, 0.9, 0.95, 0.99, 0.999))
)

# Hours of the week as a reduction counted them, by the rule for samples: idle in at least 80 % of the weeks
# that were measured, three at least.
IDLE_COUNTED = """
SELECT entity, list(hour ORDER BY hour) FROM (
    SELECT u.entity, h.bucket AS hour
    FROM usage_histograms AS h JOIN usage_series AS u USING (series_id)
    WHERE u.metric IN ('idle_hours', 'idle_request_hours')
        AND ($imports IS NULL OR list_contains($imports::BIGINT[], u.import_id))
        AND ($from_at IS NULL OR u.last_at >= $from_at)
    GROUP BY u.entity, h.bucket HAVING sum(h.samples) >= 3 AND sum(h.seconds) >= 0.8 * 3600 * sum(h.samples)
) GROUP BY entity
"""

_COUNTED = """
SELECT greatest((h.bucket - 0.5) / $per_unit, 0) AS low, (h.bucket + 0.5) / $per_unit AS high,
    sum(h.seconds) / sum(sum(h.seconds)) OVER () AS share
FROM usage_histograms AS h JOIN usage_series AS u USING (series_id)
WHERE u.metric = $metric AND (u.entity = $entity OR u.replica = $entity)
GROUP BY h.bucket ORDER BY h.bucket
"""


def counted_values(warehouse: "Warehouse", entity: str, metric: str) -> "pd.DataFrame":
    """Return in which share of the time a GPU's or replica's metric lay where, as a reduction counted it.

    Columns ``low`` and ``high`` (bounds of the bucket, in the metric's unit) and ``share`` (0-1, they sum to
    one); no rows where there are samples instead.
    """
    per_unit = BUCKETS_PER_UNIT.get(METRICS[metric].unit, 1.0) if metric in METRICS else 1.0
    return warehouse.query(_COUNTED, {"entity": entity, "metric": metric, "per_unit": per_unit})
