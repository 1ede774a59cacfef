"""The warehouse for commands that can do without one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from inferplan.datasets.warehouse_path import warehouse_path

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse


@contextmanager
def warehouse_at_hand(what: str) -> Iterator["Warehouse | None"]:
    """Open the warehouse, or yield ``None`` where there is no file or another process holds it.

    Parameters
    ----------
    what
        What the answer goes without when the warehouse is held, for the note on standard error.
    """
    path = warehouse_path()
    if path is None or not path.is_file():
        yield None
        return
    from inferplan.datasets.warehouse import Warehouse  # brings DuckDB along, which is not always needed
    from inferplan.datasets.warehouse_errors import WarehouseHeldError

    try:
        warehouse = Warehouse.open(path)
    except WarehouseHeldError as error:
        click.echo(f"Note: without {what}. {error}", err=True)
        yield None
        return
    with warehouse:
        yield warehouse
