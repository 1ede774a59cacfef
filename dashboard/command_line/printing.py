"""Tables for people on the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from unicodedata import category

import click
from tabulate import tabulate


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print ``rows`` with their keys as headers; unknown values are shown as a dash."""
    shown = [dict(row) for row in rows]
    click.echo(harmless(tabulate(shown, headers="keys", missingval="-", disable_numparse=True)))


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print name and value pairs in two columns."""
    click.echo(harmless(tabulate(list(facts), tablefmt="plain", disable_numparse=True)))


def harmless(text: str) -> str:
    """Return ``text`` with a ``?`` for each sign by which a name could steer the terminal.

    >>> harmless("a\\x1b[31mb")
    'a?[31mb'
    """
    return "".join(sign if sign in "\n\t" or category(sign)[0] != "C" else "?" for sign in text)
