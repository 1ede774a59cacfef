"""`inferplan plans`: list, show, export and import saved plans."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from inferplan.dashboard.command_line.printing import print_facts, print_table
from inferplan.dashboard.measurements.at_hand import evidence_at_hand, evidence_in, evidence_option
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.planner.any_plan_results import results_of, results_today
from inferplan.planner.performance import OwnEvidence
from inferplan.planner.plan import AnyPlan, plan_file, read_plan
from inferplan.planner.plan_change import explain_dates, explain_plans
from inferplan.planner.plan_comparison import compare_plans, inputs
from inferplan.planner.plan_results import Number
from inferplan.pricing.offers import is_stale
from inferplan.pricing.waterfall import Waterfall

MANY = 1000


@click.group()
def command() -> None:
    """List, show, export and import saved plans."""


@command.command("list")
@click.option("--deleted", is_flag=True, help="Those that were deleted and can be restored.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def list_plans(deleted: bool, as_json: bool) -> None:
    """List saved plans, last saved first."""
    with Warehouse.open() as warehouse:
        entries = plan_store.entries(warehouse, deleted=deleted)
    rows: list[dict[str, Any]] = [
        {
            "id": entry.plan_id,
            "name": entry.name,
            "model": entry.model,
            "gpu": entry.gpu,
            "revision": entry.revision,
            "author": entry.author,
            "saved_at": f"{entry.saved_at:%Y-%m-%dT%H:%M:%S}Z",
        }
        for entry in entries
    ]
    if as_json:
        click.echo(json.dumps(rows))
    elif rows:
        print_table(rows)
    else:
        click.echo(
            "No plans yet: save one on the page Plans, or bring one in with 'inferplan plans import FILE'."
        )


@command.command()
@click.argument("plan_id")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as the file that `export` writes.")
def show(plan_id: str, as_json: bool) -> None:
    """Show one plan: its inputs and the prices it pins."""
    plan = _load(plan_id)
    if as_json:
        click.echo(plan_file(plan), nl=False)
        return
    given = [(name, value) for name, value in inputs(plan).items() if not name.startswith("config.")]
    print_facts(
        [
            ("name", plan.name),
            ("author", plan.author or "-"),
            ("updated", f"{plan.updated_at} UTC"),
            ("notes", plan.notes or "-"),
            *given,
            ("digest", plan.digest),
        ]
    )


@command.command()
@click.argument("plan_id")
@evidence_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def today(plan_id: str, ignore_own_measurements: bool, as_json: bool) -> None:
    """Set a plan at its own prices beside today's: the same offer, or the cheapest machines there are now."""
    on = datetime.now(UTC).date()
    with Warehouse.open() as warehouse:
        own = None if ignore_own_measurements else evidence_in(warehouse)
        plan = plan_store.load(warehouse, plan_id)
        pinned, newest = results_of(warehouse, plan, own), results_today(warehouse, plan, on, own)
    rows = compare_plans(pinned, newest).figures
    bases = {
        "price of the plan": pinned.price_basis,
        "price today": newest.price_basis,
        "speed": newest.estimate_reason,
        "older than such prices usually hold": ", ".join(
            offer.offer_id for offer in plan.prices if is_stale(offer, on)
        ),
    }
    if as_json:
        figures = [
            {"figure": row.label, "unit": row.unit, "plan": row.first.value, "today": row.second.value}
            for row in rows
        ]
        click.echo(json.dumps({"figures": figures, **bases}, default=str))
        return
    print_table(
        [
            {
                "figure": row.label,
                "unit": row.unit,
                "plan": _number(row.first.value),
                "today": _number(row.second.value),
                "change": _number(row.change),
            }
            for row in rows
        ]
    )
    print_facts([(name, basis or "none") for name, basis in bases.items()])


def _number(value: Number | None) -> str:
    return "not known" if value is None else f"{value:,.0f}" if abs(float(value)) >= MANY else f"{value:,.4g}"


@command.command()
@click.argument("plan_ids", metavar="PLAN...", nargs=-1, required=True)
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="Explain from this day on.")
@click.option("--to", "second", type=click.DateTime(["%Y-%m-%d"]), help="Until this day; today without it.")
@evidence_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def why(
    plan_ids: tuple[str, ...],
    first: datetime | None,
    second: datetime | None,
    ignore_own_measurements: bool,
    as_json: bool,
) -> None:
    """Explain why plan B costs more or less a month than plan A, or plans on one day than on another.

    \b
    inferplan plans why PLAN_A PLAN_B
    inferplan plans why PLAN --from 2026-09-01 --to 2026-11-21
    """
    own = None if ignore_own_measurements else evidence_at_hand()
    if first is None:
        if len(plan_ids) != 2 or second is not None:
            raise click.UsageError("Give two plans, or --from with the day to start from.")
        rows, bases = _between_plans(*plan_ids, own)
    else:
        end = second or datetime.now(UTC)
        rows, bases = _between_days(plan_ids, first.date(), end.date(), own)
    if as_json:
        steps = [{"step": label, "usd_per_month": str(usd)} for label, usd in rows]
        click.echo(json.dumps({"steps": steps, **bases}))
        return
    print_table([{"step": label, "USD per month": f"{usd:,.2f}"} for label, usd in rows])
    print_facts(list(bases.items()))


def _between_plans(
    first_id: str, second_id: str, own: OwnEvidence | None
) -> tuple[list[tuple[str, Decimal]], dict[str, str]]:
    with Warehouse.open() as warehouse:
        plans = [plan_store.load(warehouse, plan_id) for plan_id in (first_id, second_id)]
        before, after = (results_of(warehouse, plan, own) for plan in plans)
    rows = _rows(explain_plans(before, after), (f"A: {before.plan.name}", f"B: {after.plan.name}"))
    return rows, {"price of A": before.price_basis, "price of B": after.price_basis}


def _between_days(
    plan_ids: tuple[str, ...], first: date, second: date, own: OwnEvidence | None
) -> tuple[list[tuple[str, Decimal]], dict[str, str]]:
    with Warehouse.open() as warehouse:
        found = explain_dates(warehouse, plan_ids, first, second, own)
    bases = {
        f"price of {name} on {day}": basis
        for name, *days in found.prices
        for day, basis in zip((first, second), days, strict=True)
    }
    return _rows(found.waterfall, (f"on {first}", f"on {second}")), bases


def _rows(found: Waterfall, ends: tuple[str, str]) -> list[tuple[str, Decimal]]:
    return [(ends[0], found.before_usd), *found.steps, (ends[1], found.after_usd)]


@command.command()
@click.argument("plan_id")
@click.argument("path", type=click.Path(path_type=Path, allow_dash=True), default="-")
def export(plan_id: str, path: Path) -> None:
    """Write one plan to PATH (standard output without one)."""
    text = plan_file(_load(plan_id))
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise InferplanError(msg) from None
    click.echo(f"Wrote {path}.")


@command.command("import")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
def import_plans(paths: tuple[Path, ...]) -> None:
    """Save the plans in the files; a plan that is here already becomes its next revision."""
    plans = [_read(path) for path in paths]
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    with Warehouse.open() as warehouse:
        for plan in plans:
            known = plan_store.history(warehouse, plan.id)
            if known and known[0].digest == plan.digest and not known[0].deleted:
                click.echo(f"{plan.id}: already saved as revision {known[0].revision}.")
                continue
            updated = plan.model_copy(update={"updated_at": now}) if known else plan
            entry = plan_store.save(warehouse, updated, based_on=known[0].revision if known else 0)
            click.echo(f"{entry.plan_id}: saved {entry.name!r} as revision {entry.revision}.")


def _load(plan_id: str) -> AnyPlan:
    with Warehouse.open() as warehouse:
        return plan_store.load(warehouse, plan_id)


def _read(path: Path) -> AnyPlan:
    try:
        text = path.read_bytes()
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise InferplanError(msg) from None
    try:
        return read_plan(text)
    except InferplanError as error:
        msg = f"{path}: {error}"
        raise InferplanError(msg) from None
