"""`inferplan spend`: what was paid for used, half-used, idle and unused GPUs, and by whom."""

import calendar
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import click

from inferplan.dashboard.command_line.case_options import read_lines
from inferplan.dashboard.command_line.printing import print_facts, print_table
from inferplan.dashboard.reports import Report, Table, report_format, report_formats, text_of
from inferplan.dashboard.spend import tables
from inferplan.dashboard.spend.words import month_forecast
from inferplan.datasets import samples
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.spend import Spend, Statement, spend
from inferplan.planner.spend_showback import RULES, Rule
from inferplan.planner.spend_store import NO_GPU, budgets, link, link_all, read_links, set_budget, unlink
from inferplan.pricing.offers import current_offers

_WANTED = {
    "bill": "bill of these days",
    "allocation": "cost allocation of these days",
    "list": "usage without a bill that has a list price",
}


@click.command()
@click.option("--month", metavar="YYYY-MM", help="Only the days of this month (UTC).")
@click.option("--currency", help="The bills in this currency; by default the largest.")
@click.option("--allocated", is_flag=True, help="What OpenCost or Kubecost allocate to pods, not a bill.")
@click.option("--at-list-price", is_flag=True, help="Usage that no bill covers, priced from offers.")
@click.option("--by", "dimension", metavar="team|model|namespace|tag:NAME", default="team", show_default=True)
@click.option("--share-out", "rule", type=click.Choice(list(RULES)), default="cost", show_default=True,
              help="How common cost that nobody is named for is shared out.")  # fmt: skip
@click.option("--import-id", "import_ids", type=int, multiple=True, help="Only this bill; repeatable.")
@click.option("--sample", is_flag=True, help="Put the sample fleet and its bill into the warehouse first.")
@click.option("--link", "given", nargs=2, multiple=True, metavar="RESOURCE MACHINE",
              help="Remember which host, instance or GPU a resource of the bill is; - for none.")  # fmt: skip
@click.option("--links", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Remember the links in a file, 'resource,machine' on each line.")  # fmt: skip
@click.option("--unlink", "forgotten", multiple=True, metavar="RESOURCE", help="Forget a link.")
@click.option("--budget", type=Decimal, help="Remember the budget per month; 0 forgets it.")
@click.option(
    "--report", type=click.Path(path_type=Path), help="Write all tables to a file: .xlsx, .csv, ..."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(
    month: str | None,
    currency: str | None,
    allocated: bool,
    at_list_price: bool,
    dimension: str,
    rule: Rule,
    import_ids: tuple[int, ...],
    sample: bool,
    given: tuple[tuple[str, str], ...],
    file: Path | None,
    forgotten: tuple[str, ...],
    budget: Decimal | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Join bills with usage: the cost of the GPUs by what became of it, to the cent."""
    first_day, last_day = _days(month)
    with Warehouse.open() as warehouse:
        if sample:
            samples.load(warehouse)
        for resource, machine in given:
            link(warehouse, resource, () if machine == NO_GPU else (machine,))
        if file is not None:
            link_all(warehouse, read_links("".join(read_lines(str(file)))))
        for resource in forgotten:
            unlink(warehouse, resource)
        found = partial(spend, warehouse, offers=current_offers(warehouse), import_ids=import_ids or None)
        whole = found()
        basis = "allocation" if allocated else "list" if at_list_price else "bill"
        statement = _chosen(whole, currency, basis)
        forecast = month_forecast(whole, statement)
        if month:
            part = found(first_day=first_day, last_day=last_day)
            statement = _chosen(part, statement.currency, statement.basis)
        if budget is not None:
            set_budget(warehouse, statement.currency, budget or None)
        limit = budgets(warehouse).get(statement.currency)
    if dimension not in statement.costs:
        raise UnknownNameError("grouping", dimension, list(statement.costs))
    outlook = tables.forecast_facts(statement, forecast, limit)
    made = tables.spend_report(whole, statement, rule, outlook, datetime.now(UTC).replace(tzinfo=None))
    if report is not None:
        _write(report, made)
    shown = (
        tables.waterfall_table(statement),
        tables.showback_table(statement, dimension, rule),
        tables.token_table(statement),
        tables.unjoined_table(statement),
    )
    if as_json:
        answer = {table.title: _records(table) for table in shown} | {"facts": dict(made.facts)}
        click.echo(json.dumps(answer, default=str))
    else:
        _print(shown, made.facts)


def _print(shown: Iterable[Table], facts: Iterable[tuple[str, str]]) -> None:
    for table in shown:
        click.echo(table.title)
        print_table([_texts(table, row) for row in table.rows])
        click.echo()
    print_facts(facts)


def _days(month: str | None) -> tuple[date | None, date | None]:
    if month is None:
        return None, None
    try:
        first = datetime.strptime(month, "%Y-%m").date()
    except ValueError:
        msg = f"a month is written 2026-10, not {month!r}"
        raise InferplanError(msg) from None
    return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])


def _chosen(found: Spend, currency: str | None, basis: str) -> Statement:
    fitting = [one for one in found.statements if one.basis == basis]
    if not fitting:
        msg = (
            f"there is no {_WANTED[basis]}: use 'inferplan import FILE' with a FOCUS or AWS export, "
            "--allocated for what OpenCost or Kubecost allocate, --at-list-price for usage alone, or "
            "--sample for the demo fleet"
        )
        raise InferplanError(msg)
    if currency is None:
        return fitting[0]
    known = {one.currency.casefold(): one for one in fitting}
    if currency.casefold() not in known:
        raise UnknownNameError("currency on the bills", currency, [one.currency for one in fitting])
    return known[currency.casefold()]


def _records(table: Table) -> list[dict[str, object]]:
    return [dict(zip((column.header for column in table.columns), row, strict=True)) for row in table.rows]


def _texts(table: Table, row: tuple[object, ...]) -> dict[str, str]:
    """Return a row for the screen: shares as percents, other numbers without digits that nobody reads."""
    texts = {}
    for column, cell in zip(table.columns, row, strict=True):
        if column.unit == "share" and isinstance(cell, float):
            texts[column.name] = f"{cell:.1%}"
        else:
            texts[column.header] = f"{cell:,.4g}" if isinstance(cell, float) else text_of(cell)
    return texts


def _write(path: Path, made: Report) -> None:
    known = {one.suffix for one in report_formats()}
    suffix = path.suffix.removeprefix(".").casefold()
    if suffix not in known:
        raise UnknownNameError("kind of report", suffix or path.name, sorted(known))
    path.write_bytes(report_format(suffix).write(made))
