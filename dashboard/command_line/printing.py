"""Tables for people on the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from tabulate import tabulate


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print ``rows`` with their keys as headers; unknown values are shown as a dash."""
    click.echo(tabulate([dict(row) for row in rows], headers="keys", missingval="-", disable_numparse=True))


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print name and value pairs in two columns."""
    click.echo(tabulate(list(facts), tablefmt="plain", disable_numparse=True))
