"""Usage that no bill covers, priced from offers: what it would cost on demand, never mixed with a bill."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING

from inferplan.datasets import catalog
from inferplan.datasets.schema import Offer

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor

_UNBILLED = """
CREATE TEMP TABLE spend_unbilled AS
WITH spans AS (
    SELECT DISTINCT n.node, c.first_day, c.last_day FROM spend_charges AS c
    JOIN spend_nodes AS n USING (resource) WHERE c.kind = 'usage'
),
billed AS (
    SELECT DISTINCT node, CAST(unnest(generate_series(first_day, last_day, INTERVAL 1 DAY)) AS DATE) AS day
    FROM spans
)
SELECT node, day, sum(seen_s) / 3600 AS gpu_hours, make_timestamp(min(hour) * 3600000000) AS first_at,
    make_timestamp((max(hour) + 1) * 3600000000) AS end_at
FROM (SELECT *, DATE '1970-01-01' + CAST(hour // 24 AS INTEGER) AS day FROM spend_hours)
ANTI JOIN billed USING (node, day) GROUP BY node, day
"""
_KINDS = """
SELECT node, max(g.machine), max(g.instance_type), max(g.gpu_name), any_value(u.gpu_hours)
FROM spend_gpus AS g
JOIN (SELECT node, sum(gpu_hours) AS gpu_hours FROM spend_unbilled GROUP BY node) AS u USING (node)
GROUP BY node ORDER BY node
"""
_ADD = (
    "CREATE TEMP TABLE spend_listed AS SELECT (SELECT coalesce(max(resource), 0) FROM spend_resources) "
    "+ row_number() OVER (ORDER BY node) AS resource, * FROM (SELECT unnest($nodes::BIGINT[]) AS node, "
    "unnest($machines::VARCHAR[]) AS machine, unnest($prices::DECIMAL(18, 6)[]) AS price)",
    "INSERT INTO spend_resources BY NAME SELECT resource, machine AS key, machine AS label, "
    "false AS is_linked, false AS without_gpu FROM spend_listed",
    "INSERT INTO spend_nodes BY NAME SELECT resource, node FROM spend_listed",
    "INSERT INTO spend_charges BY NAME SELECT (SELECT coalesce(max(charge), 0) FROM spend_charges) "
    "+ row_number() OVER () AS charge, hash('list', node, day) AS bundle, 'list' AS basis, "
    "'USD' AS currency, resource, '{}' AS tags, first_at, end_at, day AS first_day, day AS last_day, "
    "'usage' AS kind, 0 AS billed_cost, true AS is_joined, false AS has_unit, "
    "CAST(round(gpu_hours * CAST(price AS DOUBLE), 10) AS DECIMAL(38, 10)) AS cost, cost AS list_cost, "
    "epoch(end_at - first_at) AS window_s, gpu_hours AS paid_hours "
    "FROM spend_unbilled JOIN spend_listed USING (node)",
)
TABLES = ("spend_unbilled", "spend_listed")


@dataclass(frozen=True)
class ListPrice:
    """What a machine without a bill is priced at."""

    machine: str
    gpu_hours: float
    usd_per_gpu_hour: Decimal | None
    """``None`` where no on-demand price is known."""
    basis: str
    """Source and day of the price, or why there is none."""


def add_listed(cursor: "Cursor", offers: Sequence[Offer]) -> tuple[ListPrice, ...]:
    """Add charges at list price for the days of machines that no bill has; return the prices taken."""
    cursor.execute(_UNBILLED)
    rows = cursor.execute(_KINDS).fetchall()
    prices = {kind: _price(offers, *kind) for kind in {row[2:4] for row in rows}}
    found = {
        node: ListPrice(machine, gpu_hours, *prices[instance_type, gpu_name])
        for node, machine, instance_type, gpu_name, gpu_hours in rows
    }
    priced = {node: one for node, one in found.items() if one.usd_per_gpu_hour is not None}
    add, *inserts = _ADD
    listed = {
        "nodes": list(priced),
        "machines": [one.machine for one in priced.values()],
        "prices": [str(one.usd_per_gpu_hour) for one in priced.values()],
    }
    cursor.execute(add, listed)
    for statement in inserts:
        cursor.execute(statement)
    return tuple(found.values())


def _price(
    offers: Sequence[Offer], instance_type: str | None, gpu_name: str | None
) -> tuple[Decimal | None, str]:
    on_demand = [one for one in offers if one.purchase_option == "on_demand" and one.usd_per_gpu_hour]
    wanted = (instance_type or "").casefold()
    same = [one for one in on_demand if one.instance_type.casefold() == wanted]
    gpu = catalog.gpu_by_driver_name(gpu_name, None) if gpu_name else None
    chosen = same or [one for one in on_demand if gpu is not None and one.gpu == gpu.name]
    prices = [price for one in chosen if (price := one.usd_per_gpu_hour) is not None]
    if not prices:
        return None, f"no on-demand price of {instance_type or gpu_name or 'this GPU'} is known"
    newest = max(one.observed_on for one in chosen)
    what = instance_type if same else f"any machine with {gpu_name}"
    return (
        median(prices).quantize(Decimal("0.000001")),
        f"median on-demand price of {what}, {len(chosen)} offers, the newest of {newest}",
    )
