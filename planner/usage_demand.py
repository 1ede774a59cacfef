"""Requests by the hour from uploaded usage, for decisions that need a demand series."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from inferplan.planner.demand import Demand, shortness

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse

# The same counter in two exports that overlap counts once. Hours that nothing was seen of are gaps and left
# out, and so are the first and the last hour, which the export cuts short.
_REQUESTS = """
WITH answers AS (
    SELECT u.entity, u.variant, u.model, s.measured_at, max(s.value) AS value,
        bool_or(i.is_sample) AS is_sample
    FROM usage_samples AS s JOIN usage_series AS u USING (series_id) JOIN imports AS i USING (import_id)
    WHERE u.metric = 'requests' GROUP BY ALL
),
hourly AS (
    SELECT model, date_trunc('hour', measured_at) AS hour, sum(value) AS requests,
        bool_or(is_sample) AS is_sample
    FROM answers GROUP BY ALL
)
SELECT model, hour, requests, is_sample FROM hourly
QUALIFY hour > min(hour) OVER (PARTITION BY model) AND hour < max(hour) OVER (PARTITION BY model)
ORDER BY model, hour
"""


@dataclass(frozen=True)
class ServedDemand:
    """The requests that the processes of one model finished, by the hour."""

    model: str | None
    """As the engine calls it; ``None`` where the export does not say."""
    demand: Demand
    is_sample: bool


def served_demands(warehouse: Warehouse) -> tuple[ServedDemand, ...]:
    """Return the demand of each model in uploaded usage, the busiest first.

    Finished requests are what was served: requests that were turned away are not in them.
    """
    hours: dict[str | None, list[tuple[datetime, Decimal, bool]]] = {}
    for model, hour, requests, is_sample in warehouse.rows(_REQUESTS):
        hours.setdefault(model, []).append((hour, Decimal(str(round(requests, 3))), is_sample))
    found = []
    for model, rows in hours.items():
        per_hour = tuple(requests for _, requests, _ in rows)
        if not any(per_hour):
            continue
        is_sample = any(sample for *_, sample in rows)
        basis = (
            f"{'sample data: ' if is_sample else ''}requests finished of {model or 'all models'}, "
            f"{len(rows)} hours from {rows[0][0]:%Y-%m-%d} to {rows[-1][0]:%Y-%m-%d}{shortness(per_hour)}"
        )
        found.append(
            ServedDemand(model, Demand(per_hour, basis, tuple(hour for hour, *_ in rows)), is_sample)
        )
    return tuple(sorted(found, key=lambda one: -sum(one.demand.per_hour)))
