"""Bills joined with usage: what was paid for unused, idle, half-used and used GPUs, to the last cent.

Every charge's effective (amortised) cost is divided among the parts of ``PARTS``, which sum to the bill
exactly; what could not be joined is in them with its reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from inferplan.planner import spend_allocations, spend_charges, spend_division, spend_listing
from inferplan.planner.spend_listing import ListPrice
from inferplan.planner.spend_tokens import TokenCost, token_costs

if TYPE_CHECKING:
    from inferplan.datasets.schema import Offer
    from inferplan.datasets.warehouse import Cursor, Warehouse

PARTS = (
    "unused_commitment", "unallocated", "allocated_idle", "loaded_headroom", "useful", "unknown", "shared",
)  # fmt: skip
REASONS: Mapping[str, str] = {
    "unused": "bought in advance and not used",
    "no_usage": "no telemetry names this resource",
    "not_seen": "GPUs or hours of the machine that no sample is of",
    "gpu_util_only": "busy by GPU_UTIL alone, which does not tell how much of the GPU works",
    "no_process": "no telemetry names this pod",
    "idle": "no pod asked for it",
    "no_gpu": "a resource without a GPU",
    "no_resource": "the line names no resource",
    "tax": "tax",
    "credit": "credit or refund",
    "purchase": "purchase, fee or subscription",
    "adjustment": "adjustment",
}
"""Why a part of the bill could not be divided."""
DIMENSIONS = ("team", "model", "namespace")
TAG = "tag:"
_MOST_TAGS = 20
_MOST_RESOURCES = 50
_ZERO = Decimal(0)


@dataclass(frozen=True)
class UnjoinedCost:
    """Cost that could not be divided by use, and why."""

    part: str
    reason: str
    """A key of ``REASONS``, or the bill's own charge category."""
    resource: str | None
    """As the bill calls it; the resources behind the largest ones are summed without a name."""
    resource_id: str | None
    amount: Decimal


@dataclass(frozen=True)
class DayCost:
    """The effective cost of one day (UTC) by part."""

    day: date
    parts: Mapping[str, Decimal]

    @property
    def cost(self) -> Decimal:
        """All parts together."""
        return sum(self.parts.values(), _ZERO)


@dataclass(frozen=True)
class GpuHours:
    """GPU-hours that were paid for, and how much of them was seen and used."""

    paid: float
    seen: float
    cost: Decimal
    """Effective cost of the machines that were paid by time, all that they cost besides included."""
    activity: float | None
    """Mean activity (0-1) over the hours of which it was measured; ``None`` without any."""

    @property
    def per_paid_hour(self) -> Decimal | None:
        """Effective cost of a paid GPU-hour."""
        return self.cost / Decimal(repr(self.paid)) if self.paid > 0 else None

    @property
    def per_used_hour(self) -> Decimal | None:
        """Cost of a GPU-hour of full activity; ``None`` where nothing was measured or nothing ran."""
        paid = self.per_paid_hour
        return None if paid is None or not self.activity else used_hour_cost(paid, self.activity)


@dataclass(frozen=True)
class Statement:
    """What was spent in one currency: on bills, by allocation, or by usage without a bill at list price."""

    basis: str
    """``bill``, ``allocation`` (of OpenCost or Kubecost) or ``list``."""
    currency: str
    effective_cost: Decimal
    billed_cost: Decimal
    """What the invoices of the period say, purchases included."""
    list_cost: Decimal | None
    """Usage at the bill's list prices; ``None`` where it has none."""
    parts: Mapping[str, Decimal]
    """Sums to ``effective_cost`` exactly."""
    unjoined: tuple[UnjoinedCost, ...]
    days: tuple[DayCost, ...]
    gpu_hours: GpuHours
    tokens: tuple[TokenCost, ...]
    costs: Mapping[str, tuple[tuple[str | None, str, Decimal], ...]]
    """By dimension (``team``, ``model``, ``namespace``, ``tag:NAME``): name, part and amount for showback."""


@dataclass(frozen=True)
class Restated:
    """Lines of an older import that a newer one replaces: they are not counted."""

    import_id: int
    replaced_by: int
    currency: str
    lines: int
    effective_cost: Decimal


@dataclass(frozen=True)
class Spend:
    """All statements of a period, bills first and the largest first."""

    statements: tuple[Statement, ...]
    restated: tuple[Restated, ...]
    list_prices: tuple[ListPrice, ...]
    """What machines without a bill are priced at, or why they have no price."""
    is_sample: bool
    """Whether sample data is in it."""
    last_whole_day: date | None
    """The last day billed to its end in each account; charges of several days may reach further."""


def spend(
    warehouse: "Warehouse",
    *,
    offers: Sequence["Offer"] = (),
    import_ids: Sequence[int] | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
) -> Spend:
    """Return bills divided by what became of the money.

    Parameters
    ----------
    offers
        Prices for machines that no bill has; without them such machines are listed without a price.
    import_ids
        Bills to look at, all by default. Telemetry is always all that there is.
    first_day, last_day
        Days (UTC) to look at, both included; a charge of several days counts for its days among them.
    """
    period = {"first_day": first_day, "last_day": last_day}
    with warehouse.transaction() as cursor:
        spend_charges.make_charges(cursor, import_ids)
        spend_division.make_hours(cursor)
        prices = spend_listing.add_listed(cursor, offers)
        spend_allocations.add_allocated(cursor, import_ids)
        spend_division.make_amounts(cursor)
        kinds = cursor.execute(_STATEMENTS, period).fetchall()
        found = Spend(
            statements=tuple(_statement(cursor, basis, currency, period) for basis, currency in kinds),
            restated=tuple(Restated(*row) for row in cursor.execute(_RESTATED).fetchall()),
            list_prices=prices,
            is_sample=bool(cursor.execute(_SAMPLE).fetchall()[0][0]),
            last_whole_day=cursor.execute(_LAST_WHOLE_DAY).fetchall()[0][0],
        )
        spend_charges.drop(cursor, _TABLES)
    return found


def used_hour_cost(per_paid_hour: Decimal, used: float) -> Decimal:
    """Return what an hour of used GPU costs when only the share ``used`` (0-1] of the paid hours is used.

    >>> used_hour_cost(Decimal("4.00"), 0.25)
    Decimal('16.00')
    """
    if not 0 < used <= 1:
        msg = f"the used share must be above 0 and at most 1, not {used}"
        raise ValueError(msg)
    return (per_paid_hour / Decimal(repr(used))).quantize(Decimal("0.01"))


_TABLES = (
    *spend_charges.TABLES, *spend_division.HOUR_TABLES, *spend_listing.TABLES, *spend_allocations.TABLES,
    *spend_division.AMOUNT_TABLES,
)  # fmt: skip
_STATEMENTS = """
SELECT basis, currency FROM spend_amounts
WHERE day BETWEEN coalesce($first_day, day) AND coalesce($last_day, day) GROUP BY ALL
ORDER BY list_position(['bill', 'allocation', 'list'], any_value(basis)), sum(abs(amount)) DESC, currency
"""
_CHOSEN = """
CREATE TEMP TABLE spend_chosen AS
SELECT * FROM spend_amounts WHERE basis = $basis AND currency = $currency
    AND day BETWEEN coalesce($first_day, day) AND coalesce($last_day, day)
"""
_DAYS = "SELECT day, part, sum(amount) FROM spend_chosen GROUP BY ALL ORDER BY day, part"
_BILLED = """
SELECT coalesce(sum(billed_cost), 0), sum(list_cost) FILTER (kind = 'usage') FROM spend_charges
WHERE basis = $basis AND currency = $currency
    AND CAST(first_at AS DATE) BETWEEN coalesce($first_day, CAST(first_at AS DATE))
    AND coalesce($last_day, CAST(first_at AS DATE))
"""
_UNJOINED = """
WITH summed AS (
    SELECT part, reason, resource, sum(amount) AS amount, row_number() OVER (
        PARTITION BY part, reason ORDER BY abs(sum(amount)) DESC, resource) <= $most AS is_large
    FROM spend_chosen WHERE reason IS NOT NULL GROUP BY part, reason, resource
)
SELECT part, reason, CASE WHEN is_large THEN label END AS label, CASE WHEN is_large THEN key END AS key,
    sum(amount) AS amount
FROM summed LEFT JOIN spend_resources USING (resource) GROUP BY ALL HAVING sum(amount) <> 0
ORDER BY abs(sum(amount)) DESC, label
"""
_GPU_HOURS = """
WITH counted AS (  -- with all else that machines which are paid by time cost, refunds too
    SELECT cost, paid_hours, coalesce(greatest(0, epoch(
        least(end_at, $last_day::DATE + INTERVAL 1 DAY) - greatest(first_at, $first_day::DATE)))
        / window_s, 1) AS share
    FROM spend_charges WHERE basis = $basis AND currency = $currency AND (kind = 'usage' OR paid_hours > 0)
    QUALIFY max(paid_hours) OVER (PARTITION BY resource) > 0
),
seen AS (
    SELECT sum(seen_s) / 3600 AS seen_hours, sum(work_s) / nullif(sum(measured_s), 0) AS activity
    FROM spend_use SEMI JOIN (FROM spend_bundles WHERE basis = $basis AND currency = $currency) USING (bundle)
    WHERE day BETWEEN coalesce($first_day, day) AND coalesce($last_day, day)
)
SELECT coalesce(sum(paid_hours * share), 0), coalesce(any_value(seen_hours), 0),
    coalesce(CAST(sum(CAST(cost AS DOUBLE) * share) AS DECIMAL(38, 10)), 0), any_value(activity)
FROM counted CROSS JOIN seen
"""
_COSTS = """
SELECT CASE $dimension WHEN 'team' THEN team WHEN 'model' THEN model WHEN 'namespace' THEN namespace
    ELSE tags ->> $path END AS name, part, sum(amount)
FROM spend_chosen GROUP BY ALL ORDER BY ALL
"""
_TAG_NAMES = """
SELECT 'tag:' || name FROM (SELECT unnest(json_keys(tags)) AS name, amount FROM spend_chosen)
WHERE NOT contains(name, '"') GROUP BY name ORDER BY sum(abs(amount)) DESC, name LIMIT $most
"""
_RESTATED = """
SELECT import_id, restated_by, currency, count(*), sum(effective_cost) FROM spend_lines
WHERE restated_by IS NOT NULL GROUP BY ALL ORDER BY ALL
"""
_SAMPLE = """
SELECT coalesce(bool_or(is_sample), false) FROM imports WHERE import_id IN (SELECT import_id FROM spend_lines)
    OR import_id IN (SELECT import_id FROM usage_series)
"""
_LAST_WHOLE_DAY = """
SELECT CAST(min(end_at) AS DATE) - 1 FROM (  -- lines of one account may come later than those of another
    SELECT coalesce(max(period_end) FILTER (period_end - period_start <= INTERVAL 1 DAY), max(period_end))
        AS end_at FROM spend_lines WHERE charge_category = 'Usage' AND restated_by IS NULL
    GROUP BY account QUALIFY end_at > max(end_at) OVER () - INTERVAL 3 DAY
)
"""


def _statement(cursor: "Cursor", basis: str, currency: str, period: Mapping[str, object]) -> Statement:
    of_kind = {"basis": basis, "currency": currency, **period}
    cursor.execute(_CHOSEN, of_kind)
    days: dict[date, dict[str, Decimal]] = {}
    for day, part, amount in cursor.execute(_DAYS).fetchall():
        days.setdefault(day, {})[part] = amount
    parts = {part: sum((of_day.get(part, _ZERO) for of_day in days.values()), _ZERO) for part in PARTS}
    [(billed, listed)] = cursor.execute(_BILLED, of_kind).fetchall()
    tags = [name for (name,) in cursor.execute(_TAG_NAMES, {"most": _MOST_TAGS}).fetchall()]
    found = Statement(
        basis=basis,
        currency=currency,
        effective_cost=sum(parts.values(), _ZERO),
        billed_cost=billed,
        list_cost=listed,
        parts=parts,
        unjoined=tuple(
            UnjoinedCost(*row) for row in cursor.execute(_UNJOINED, {"most": _MOST_RESOURCES}).fetchall()
        ),
        days=tuple(DayCost(day, of_day) for day, of_day in days.items()),
        gpu_hours=GpuHours(*cursor.execute(_GPU_HOURS, of_kind).fetchall()[0]),
        tokens=token_costs(cursor, of_kind),
        costs={
            name: tuple(
                cursor.execute(
                    _COSTS, {"dimension": name, "path": f'$."{name.removeprefix(TAG)}"'}
                ).fetchall()
            )
            for name in (*DIMENSIONS, *tags)
        },
    )
    cursor.execute("DROP TABLE spend_chosen")
    return found
