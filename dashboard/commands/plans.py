"""`inferplan plans`: list, show, export and import saved plans."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from inferplan.dashboard.command_line.printing import print_facts, print_table
from inferplan.dashboard.measurements.at_hand import evidence_at_hand, evidence_option
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.planner.performance import OwnEvidence
from inferplan.planner.plan import Plan, plan_file, read_plan
from inferplan.planner.plan_change import explain_dates, explain_plans
from inferplan.planner.plan_results import evaluate
from inferplan.pricing.waterfall import Waterfall


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
    inputs = plan.case.model_dump(mode="json", exclude_defaults=True, exclude_none=True, exclude={"config"})
    print_facts(
        [
            ("name", plan.name),
            ("author", plan.author or "-"),
            ("updated", f"{plan.updated_at} UTC"),
            ("notes", plan.notes or "-"),
            *((name, json.dumps(value).strip('"')) for name, value in inputs.items()),
            *(
                (
                    "price",
                    f"{offer.offer_id}: {offer.usd_per_hour} USD/h, {offer.observed_on}, {offer.source}",
                )
                for offer in plan.prices
            ),
            ("digest", plan.digest),
        ]
    )


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
        first, second = (plan_store.load(warehouse, plan_id) for plan_id in (first_id, second_id))
    results = evaluate(first, own), evaluate(second, own)
    found = explain_plans(first, second, results)
    rows = _rows(found, (f"A: {first.name}", f"B: {second.name}"))
    return rows, {f"price of {name}": one.price_basis for name, one in zip("AB", results, strict=True)}


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
    now = datetime.now(UTC)
    with Warehouse.open() as warehouse:
        for plan in plans:
            known = plan_store.history(warehouse, plan.id)
            if known and known[0].digest == plan.digest and not known[0].deleted:
                click.echo(f"{plan.id}: already saved as revision {known[0].revision}.")
                continue
            updated = Plan.model_validate(
                plan.model_dump() | {"updated_at": now} if known else plan.model_dump()
            )
            entry = plan_store.save(warehouse, updated, based_on=known[0].revision if known else 0)
            click.echo(f"{entry.plan_id}: saved {entry.name!r} as revision {entry.revision}.")


def _load(plan_id: str) -> Plan:
    with Warehouse.open() as warehouse:
        return plan_store.load(warehouse, plan_id)


def _read(path: Path) -> Plan:
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
