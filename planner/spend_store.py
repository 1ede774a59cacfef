"""What people told of their bills, kept in the warehouse: machines behind resources, and monthly budgets."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from inferplan.datasets.errors import InferplanError, UnknownNameError

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor, Warehouse

_MACHINES = """
SELECT DISTINCT place FROM (
    SELECT unnest([host, instance_id, gpu_uuid]) AS place FROM usage_series
    WHERE entity_kind IN ('gpu', 'mig')
) WHERE place IS NOT NULL ORDER BY place
"""


@dataclass(frozen=True)
class Link:
    """What a resource of the bill stands for."""

    resource: str
    target: str | None
    """Host, instance id or GPU of the telemetry; ``None``: the resource holds no GPU."""


def links(warehouse: "Warehouse") -> tuple[Link, ...]:
    """Return all links, by resource."""
    return tuple(Link(*row) for row in warehouse.rows("SELECT * FROM resource_links ORDER BY ALL"))


def machines(warehouse: "Warehouse") -> tuple[str, ...]:
    """Return what a resource can be linked to: hosts, instance ids and GPUs of the telemetry."""
    return tuple(place for (place,) in warehouse.rows(_MACHINES))


def link(warehouse: "Warehouse", resource: str, targets: tuple[str, ...]) -> None:
    """Say what ``resource`` stands for, in place of what was said before; no target: it holds no GPU.

    Raises
    ------
    UnknownNameError
        If no telemetry knows a target, with the nearest names.
    InferplanError
        If the resource has no name.
    """
    if not resource.strip():
        msg = "name the resource as the bill does, by its id or its name"
        raise InferplanError(msg)
    known = {place.casefold(): place for place in machines(warehouse)}
    unknown = [target for target in targets if target.casefold() not in known]
    if unknown:
        raise UnknownNameError("machine of the telemetry", unknown[0], list(known.values()))

    def store(cursor: "Cursor") -> None:
        _forget(cursor, resource)
        for target in targets or (None,):
            cursor.execute("INSERT INTO resource_links VALUES (?, ?)", [resource, target])

    warehouse.write(store)


def unlink(warehouse: "Warehouse", resource: str) -> None:
    """Forget what ``resource`` stands for; raises ``UnknownNameError`` if nothing was said."""
    known = [one.resource for one in links(warehouse)]
    if resource.casefold() not in {name.casefold() for name in known}:
        raise UnknownNameError("linked resource", resource, known)
    warehouse.write(lambda cursor: _forget(cursor, resource))


def _forget(cursor: "Cursor", resource: str) -> None:
    cursor.execute("DELETE FROM resource_links WHERE lower(resource) = lower(?)", [resource])


def budgets(warehouse: "Warehouse") -> dict[str, Decimal]:
    """Return the budget per month by currency."""
    return dict(warehouse.rows("SELECT currency, amount_per_month FROM budgets ORDER BY currency"))


def set_budget(warehouse: "Warehouse", currency: str, amount_per_month: Decimal | None) -> None:
    """Keep the budget per month in ``currency``, ``None`` forgets it; raises ``InferplanError`` below 0."""
    if amount_per_month is not None and not (amount_per_month.is_finite() and amount_per_month > 0):
        msg = f"a budget is an amount above 0 per month, not {amount_per_month}"
        raise InferplanError(msg)

    def store(cursor: "Cursor") -> None:
        cursor.execute("DELETE FROM budgets WHERE currency = ?", [currency])
        if amount_per_month is not None:
            cursor.execute("INSERT INTO budgets VALUES (?, ?)", [currency, format(amount_per_month, "f")])

    warehouse.write(store)
