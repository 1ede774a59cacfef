"""Requests by the hour from uploaded usage, for decisions that need a demand series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from inferplan.planner.demand import Demand, shortness

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse

# An increase belongs to the time before its sample. A counter runs on through a gap: what it then shows came
# in all of the gap, and is spread over it. Of exports that overlap, each hour's largest counts. Hours that
# nothing is known of are left out, and so are the first and the last one, which the export cuts short.
_REQUESTS = """
WITH wanted AS (
    SELECT u.series_id, u.model, i.is_sample, dense_rank() OVER (ORDER BY entity, variant, model) AS counter,
        u.first_at <= max(u.last_at) OVER (
            PARTITION BY entity, variant, model ORDER BY u.first_at, series_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS repeats
    FROM usage_series AS u JOIN imports AS i USING (import_id) WHERE u.metric = 'requests'
),
steps AS (
    SELECT w.*, s.value, s.measured_at - INTERVAL 1 MICROSECOND AS until,
        lag(until, 1, until) OVER (PARTITION BY series_id ORDER BY s.measured_at) AS since,
        until - since > INTERVAL 1 HOUR AS is_gap
    FROM usage_samples AS s JOIN wanted AS w USING (series_id)
),
spread AS (
    SELECT *, unnest(generate_series(date_trunc('hour', CASE WHEN is_gap THEN since ELSE until END),
        date_trunc('hour', until), INTERVAL 1 HOUR)) AS hour
    FROM steps
),
told AS (
    SELECT counter, series_id, model, hour, sum(CASE WHEN is_gap THEN value / epoch(until - since)
            * epoch(least(until, hour + INTERVAL 1 HOUR) - greatest(since, hour)) ELSE value END) AS requests,
        bool_or(is_gap) AS is_spread, bool_or(is_sample) AS is_sample, bool_or(repeats) AS repeats
    FROM spread GROUP BY ALL
),
counted AS (
    SELECT counter, model, hour, bool_and(is_spread) AS is_spread, bool_or(is_sample) AS is_sample,
        CASE WHEN bool_or(bool_or(repeats)) OVER (PARTITION BY counter) THEN max(requests)
            ELSE sum(requests) END AS requests
    FROM told GROUP BY counter, model, hour
)
SELECT model, hour, sum(requests), bool_or(is_spread), bool_or(is_sample) FROM counted GROUP BY model, hour
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
    hours: dict[str | None, list[tuple[datetime, Decimal, bool, bool]]] = {}
    for model, hour, requests, is_spread, is_sample in warehouse.rows(_REQUESTS):
        hours.setdefault(model, []).append((hour, Decimal(str(round(requests, 3))), is_spread, is_sample))
    found = []
    for model, rows in hours.items():
        per_hour = tuple(requests for _, requests, *_ in rows)
        if not any(per_hour):
            continue
        is_sample = any(sample for *_, sample in rows)
        basis = (
            f"{'sample data: ' if is_sample else ''}requests finished of {model or 'all models'}, "
            f"{len(rows)} hours from {rows[0][0]:%Y-%m-%d} to {rows[-1][0]:%Y-%m-%d}"
            f"{_gaps([row[0] for row in rows], sum(row[2] for row in rows))}{shortness(per_hour)}"
        )
        found.append(
            ServedDemand(model, Demand(per_hour, basis, tuple(hour for hour, *_ in rows)), is_sample)
        )
    return tuple(sorted(found, key=lambda one: -sum(one.demand.per_hour)))


def _gaps(hours_at: Sequence[datetime], spread: int) -> str:
    """Return what to say of hours that were not measured or only on average."""
    missing = round((hours_at[-1] - hours_at[0]) / timedelta(hours=1)) + 1 - len(hours_at)
    return (f", {missing} between them not measured and left out" if missing else "") + (
        f", {spread} of them known on average only" if spread else ""
    )
