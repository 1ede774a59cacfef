"""A portfolio on the command line: read from a file, answered as a table or as JSON."""

import json
from datetime import UTC, datetime
from typing import Any

import click
from pydantic import ValidationError

from inferplan.dashboard.command_line.case_options import read_lines
from inferplan.dashboard.command_line.printing import print_table
from inferplan.dashboard.comparing.fleet_rows import COLUMNS, fleet_rows, model_rows
from inferplan.dashboard.reports import text_of
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.planner.fleet_choice import Fleet
from inferplan.planner.offer_search import Search
from inferplan.planner.plan import FleetPlan
from inferplan.planner.plan_store import PlanEntry
from inferplan.planner.portfolio import Portfolio
from inferplan.pricing.offers import current_offers


def read_portfolio(source: str) -> Portfolio:
    """Return the portfolio in the file ``source``, ``-`` for standard input.

    Raises
    ------
    InferplanError
        Naming the file and what is wrong in it.
    """
    text = "".join(read_lines(source))
    try:
        return Portfolio.read(json.loads(text))
    except (ValueError, RecursionError) as error:
        msg = f"{source}: not JSON: {error}"
        raise InferplanError(msg) from None
    except InferplanError as error:
        msg = f"{source}: {error}"
        raise InferplanError(msg) from None


def save_fleet(
    warehouse: Warehouse, name: str, portfolio: Portfolio, search: Search, fleet: Fleet
) -> PlanEntry:
    """Save a portfolio with the machines that were found for it as a plan.

    Raises
    ------
    InferplanError
        If the name is empty or too long.
    """
    at = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    prices = tuple(offer for offer in current_offers(warehouse) if offer.offer_id in fleet.offer_ids)
    try:
        plan = FleetPlan(
            id=plan_store.new_id(), name=name, created_at=at, updated_at=at, portfolio=portfolio,
            search=search, priced_on=at.date(), prices=prices,
        )  # fmt: skip
    except ValidationError as error:
        raise InferplanError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    return plan_store.save(warehouse, plan)


def fleet_json(fleet: Fleet, saved: PlanEntry | None) -> str:
    """Return the answer for machines: money as decimal text, and the plan it was saved as."""
    answer = {
        "purchases": [_plain(row) for row in fleet_rows(fleet)],
        "models": model_rows(fleet),
        "usd_per_hour": str(fleet.usd_per_hour),
        "usd_per_month": str(fleet.usd_per_month),
        "apart_usd_per_hour": str(fleet.apart_usd_per_hour),
        "usd_per_mtok": fleet.usd_per_mtok,
        "plan": saved.plan_id if saved else None,
    }
    return json.dumps(answer, allow_nan=False)


def print_fleet(portfolio: Portfolio, fleet: Fleet, saved: PlanEntry | None) -> None:
    """Print what to buy, and where each model runs."""
    columns = {name: column.header for name, column in COLUMNS.items()}
    print_table([{columns[name]: text_of(value) for name, value in row.items()} for row in fleet_rows(fleet)])
    click.echo()
    print_table([{name: _short(value) for name, value in row.items()} for row in model_rows(fleet)])
    click.echo(
        f"\n{fleet.usd_per_hour:,.2f} USD per hour, {fleet.usd_per_month:,.2f} USD per month of 730 hours; "
        f"at {portfolio.requests_per_s:g} requests per second "
        f"{fleet.usd_per_mtok:,.3f} USD per million tokens."
    )
    if fleet.usd_per_hour < fleet.apart_usd_per_hour:
        click.echo(f"With machines of its own for each model: {fleet.apart_usd_per_hour:,.2f} USD per hour.")
    if saved:
        click.echo(f"Saved {saved.name!r} as plan {saved.plan_id}.")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, int | str | None) else str(value) for name, value in row.items()}


def _short(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
