"""The warehouse for commands that can do without one, or wait for it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from inferplan.datasets.warehouse_errors import WarehouseError, WarehouseHeldError
from inferplan.datasets.warehouse_path import warehouse_path

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse

PATIENCE_S = 10.0
PAUSE_S = 0.1


@contextmanager
def warehouse_at_hand(what: str) -> Iterator["Warehouse | None"]:
    """Open the warehouse, or yield ``None`` where there is no file or it cannot be had.

    Parameters
    ----------
    what
        What the answer goes without when it cannot be had, for the note on standard error.
    """
    opened = _opened(what, only_if_there=True)
    if opened is None:
        yield None
        return
    with opened:
        yield opened


@contextmanager
def warehouse_or_bundled(what: str) -> Iterator["Warehouse"]:
    """Open the warehouse, or where it cannot be had one in memory, in which bundled prices are.

    Parameters
    ----------
    what
        What the answer goes without in memory, for the note on standard error.
    """
    from inferplan.datasets.warehouse import MEMORY, Warehouse

    with _opened(what) or Warehouse.open(MEMORY) as warehouse:
        yield warehouse


def _opened(what: str, *, only_if_there: bool = False) -> "Warehouse | None":
    """Return the warehouse, or ``None`` with a note: it is held, damaged, or in no place to write to."""
    try:
        path = warehouse_path()
        if only_if_there and (path is None or not path.is_file()):
            return None
        from inferplan.datasets.warehouse import Warehouse  # brings DuckDB along, which is not always needed

        return Warehouse.open()
    except WarehouseError as error:
        click.echo(f"Note: without {what}. {error}", err=True)
        return None


def awaited_warehouse() -> "Warehouse":
    """Open the warehouse; where another process holds it, as a second import at once does, wait a little.

    Raises
    ------
    WarehouseError
        As ``Warehouse.open`` does, once it was waited for long enough.
    """
    from inferplan.datasets.warehouse import Warehouse

    end: float | None = None
    while True:
        try:
            return Warehouse.open()
        except WarehouseHeldError as error:
            if end is None:
                end = time.monotonic() + PATIENCE_S
                click.echo(
                    f"Waiting up to {PATIENCE_S:g} s for the warehouse: {error.holder} has it.", err=True
                )
            elif time.monotonic() >= end:
                raise
            time.sleep(PAUSE_S)
