"""Own measurements for commands, those that can do without a warehouse among them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from inferplan.dashboard.command_line.warehouse_at_hand import warehouse_at_hand
from inferplan.planner.performance import OwnEvidence

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse


def evidence_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add to a command the flag that leaves own measurements out."""
    said = "Estimate from published runs alone."
    return click.option("--ignore-own-measurements", is_flag=True, help=said)(function)


def evidence_at_hand() -> OwnEvidence | None:
    """Return what estimates are drawn to; ``None`` where no warehouse can be read, or it holds nothing."""
    with warehouse_at_hand("own measurements") as warehouse:
        return None if warehouse is None else evidence_in(warehouse)


def evidence_in(warehouse: "Warehouse") -> OwnEvidence | None:
    """Return what estimates are drawn to; tell on standard error of measurements that cannot be used."""
    from inferplan.datasets.measurements import own_measurements  # not needed without a warehouse
    from inferplan.planner.performance.own_evidence import own_evidence, usable

    found = usable(own_measurements(warehouse))
    for problem in found.problems:
        click.echo(f"Note: {problem} 'inferplan measurements remove' takes its file out.", err=True)
    return own_evidence(found.runs)
