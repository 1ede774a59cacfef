"""What a GPU-hour of a machine really costs: the bill's effective cost over the GPU-hours it paid for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from inferplan.planner.spend_charges import TABLES, drop, make_charges

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse

_RATES = """
WITH spent AS (
    SELECT resource, currency, sum(cost) AS cost, sum(list_cost) AS list_cost, sum(paid_hours) AS gpu_hours,
        coalesce(sum(committed_cost), 0) AS committed_cost, min(first_at) AS first_at, max(end_at) AS end_at
    FROM spend_charges WHERE kind = 'usage' AND is_joined GROUP BY ALL HAVING sum(paid_hours) > 0
),
aliases AS (
    SELECT n.resource, lower(unnest([g.host, g.instance_id, g.entity])) AS alias
    FROM spend_nodes AS n JOIN spend_gpus AS g USING (node)
)
SELECT alias, max(label), max(currency), sum(cost), sum(list_cost), sum(gpu_hours),
    sum(committed_cost), min(first_at), max(end_at), max(instance_type),
    CASE WHEN count(DISTINCT region) = 1 THEN max(region) END
FROM (SELECT DISTINCT * FROM aliases WHERE alias IS NOT NULL) JOIN spent USING (resource)
JOIN spend_resources USING (resource) GROUP BY alias HAVING count(DISTINCT currency) = 1
"""
_DIGITS = Decimal("0.000001")


@dataclass(frozen=True)
class EffectiveRate:
    """The effective (amortised) cost of a GPU-hour on a machine, as billed."""

    resource: str
    """The machine as the bill calls it."""
    currency: str
    per_gpu_hour: Decimal
    list_per_gpu_hour: Decimal | None
    """At the bill's list price; ``None`` where the bill has none."""
    gpu_hours: float
    """GPU-hours that the bill paid for, used or not."""
    committed_share: float
    """Share of the cost (0-1) that a commitment covers: a freed hour of it saves nothing by itself."""
    first_day: date
    last_day: date
    instance_type: str | None = None
    """The machine's type and region as the bill has them, the type in lower case."""
    region: str | None = None

    @property
    def basis(self) -> str:
        """Where the rate comes from, in words."""
        return (
            f"effective cost of {self.resource} on the bill from {self.first_day} to {self.last_day}, "
            f"{self.per_gpu_hour} {self.currency} per GPU-hour, {self.committed_share:.0%} of it committed"
        )


@dataclass(frozen=True)
class EffectiveRates:
    """The rates of all machines that bill and telemetry share."""

    by_place: dict[str, EffectiveRate]
    """By host, instance id and GPU, in lower case."""

    def of(self, *places: str | None) -> EffectiveRate | None:
        """Return the rate of the first of ``places`` (GPU, instance id or host) that the bill knows."""
        found = (self.by_place.get(place.lower()) for place in places if place)
        return next((rate for rate in found if rate is not None), None)


def effective_rates(warehouse: "Warehouse", import_ids: Sequence[int] | None = None) -> EffectiveRates:
    """Return what a GPU-hour of each machine costs by the bills among ``import_ids`` (all by default).

    Machines billed in several currencies have no rate.
    """
    with warehouse.transaction() as cursor:
        make_charges(cursor, import_ids)
        rows = cursor.execute(_RATES).fetchall()
        drop(cursor, TABLES)
    return EffectiveRates({row[0]: _rate(*row[1:]) for row in rows})


def _rate(
    label: str, currency: str, cost: Decimal, listed: Decimal | None, hours: float, committed: Decimal,
    first_at: datetime, end_at: datetime, instance_type: str | None, region: str | None,
) -> EffectiveRate:  # fmt: skip
    gpu_hours = Decimal(repr(hours))
    return EffectiveRate(
        resource=label,
        currency=currency,
        per_gpu_hour=(cost / gpu_hours).quantize(_DIGITS),
        list_per_gpu_hour=None if listed is None else (listed / gpu_hours).quantize(_DIGITS),
        gpu_hours=hours,
        committed_share=min(1.0, max(0.0, float(committed / cost))) if cost else 0.0,
        first_day=first_at.date(),
        last_day=(end_at - timedelta(microseconds=1)).date(),
        instance_type=instance_type,
        region=region,
    )
