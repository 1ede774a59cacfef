"""What people told of their bills, kept in the warehouse: machines behind resources, and monthly budgets."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from inferplan.datasets.errors import InferplanError, UnknownNameError

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor, Warehouse

NO_GPU = "-"
_MACHINES = """
SELECT place FROM (
    SELECT unnest([host, instance_id, gpu_uuid]) AS place, unnest([1, 2, 3]) AS kind FROM usage_series
    WHERE entity_kind IN ('gpu', 'mig')
) WHERE place IS NOT NULL GROUP BY place ORDER BY min(kind), place
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
    """Return what a resource can be linked to: hosts, then instance ids, then GPUs of the telemetry."""
    return tuple(place for (place,) in warehouse.rows(_MACHINES))


def link(warehouse: "Warehouse", resource: str, targets: Sequence[str]) -> None:
    """Say what ``resource`` stands for, in place of what was said before; no target: it holds no GPU.

    Raises
    ------
    UnknownNameError
        If no telemetry knows a target, with the nearest names.
    InferplanError
        If the resource has no name.
    """
    link_all(warehouse, [Link(resource, target) for target in targets] or [Link(resource, None)])


def link_all(warehouse: "Warehouse", given: Sequence[Link]) -> None:
    """Say what all resources in ``given`` stand for, or of none if one is refused; raises as ``link``."""
    known = {place.casefold(): place for place in machines(warehouse)}
    for one in given:
        if not one.resource.strip():
            msg = "name the resource as the bill does, by its id or its name"
            raise InferplanError(msg)
        if one.target is not None and one.target.casefold() not in known:
            raise UnknownNameError("machine of the telemetry", one.target, list(known.values()))

    def store(cursor: "Cursor") -> None:
        for resource in {one.resource for one in given}:
            _forget(cursor, resource)
        for one in given:
            cursor.execute("INSERT INTO resource_links VALUES (?, ?)", [one.resource, one.target])

    warehouse.write(store)


def read_links(text: str) -> tuple[Link, ...]:
    """Return the links in ``text``: a resource and a machine on each line, ``-`` for one without a GPU.

    Raises
    ------
    InferplanError
        With the line that is no pair, or when there is no line.

    >>> read_links("i-0a1, node-7\\nmodel-store, -")
    (Link(resource='i-0a1', target='node-7'), Link(resource='model-store', target=None))
    """
    found = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        try:
            row = next(csv.reader([line]), [])
        except csv.Error as error:
            msg = f"line {number} is no pair of a resource and a machine: {error}"
            raise InferplanError(msg) from None
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != 2 or not all(cells):
            msg = (
                f"line {number}, {','.join(row)[:60]!r}, is no pair: write a resource, a comma and a machine"
            )
            raise InferplanError(msg)
        found.append(Link(cells[0], None if cells[1] == NO_GPU else cells[1]))
    if not found:
        msg = "no line names a resource and a machine"
        raise InferplanError(msg)
    return tuple(found)


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
