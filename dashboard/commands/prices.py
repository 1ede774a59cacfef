"""`inferplan prices`: list, refresh and bring in prices."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from inferplan.dashboard.command_line.printing import print_table
from inferplan.dashboard.command_line.warehouse_at_hand import warehouse_or_bundled
from inferplan.datasets import catalog
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing.offers import current_offers, is_stale
from inferplan.pricing.refresh import RefreshReport, import_sheet, refresh
from inferplan.pricing.sources import sources

SHOWN = 20


@click.group()
def command() -> None:
    """List, refresh and bring in GPU prices; each carries its source and date."""


@command.command("list")
@click.option("--gpu", help="Only this GPU.")
@click.option("--provider", help="Only this provider.")
@click.option("--region", help="Only this region.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def list_prices(gpu: str | None, provider: str | None, region: str | None, as_json: bool) -> None:
    """List the newest price of every offer, cheapest per GPU first."""
    gpu_name = catalog.gpu(gpu).name if gpu else None
    with warehouse_or_bundled("imported prices") as warehouse:
        offers = [
            offer
            for offer in current_offers(warehouse)
            if gpu_name in (None, offer.gpu)
            and provider in (None, offer.provider)
            and region in (None, offer.region)
        ]
    offers.sort(key=lambda offer: (offer.usd_per_gpu_hour is None, offer.usd_per_gpu_hour, offer.offer_id))
    today = datetime.now(UTC).date()
    if as_json:
        click.echo(json.dumps([offer.model_dump(mode="json", exclude_none=True) for offer in offers]))
    elif offers:
        print_table([_row(offer, stale=is_stale(offer, today)) for offer in offers])
    else:
        click.echo("No offer matches; 'inferplan prices list' without options shows all.")


def _row(offer: Offer, *, stale: bool) -> dict[str, Any]:
    per_gpu = offer.usd_per_gpu_hour
    return {
        "offer": offer.offer_id,
        "GPUs": f"{offer.gpu_count:g}",
        "USD/hour": None if offer.usd_per_hour is None else f"{offer.usd_per_hour:,.4f}",
        "USD/GPU-hour": offer.no_price_reason if per_gpu is None else f"{per_gpu:,.4f}",
        "observed": f"{offer.observed_on}{' (stale)' if stale else ''}",
        "source": offer.source,
    }


@command.command("sources")
def list_sources() -> None:
    """List the price sources, and why one cannot be asked here."""
    print_table(
        [
            {"source": known.name, "title": known.title, "state": known.skipped() or "ready"}
            for known in sources().values()
        ]
    )


@command.command("refresh")
@click.option("--source", "source_name", required=True, help="A name from 'inferplan prices sources'.")
@click.option("--region", help="The region to ask for, where the source has regions.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def refresh_prices(source_name: str, region: str | None, as_json: bool) -> None:
    """Ask a source and append what is new; nothing is ever overwritten."""
    with Warehouse.open() as warehouse:
        _print_report(refresh(warehouse, source_name, region), as_json)


@command.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def import_prices(path: Path, as_json: bool) -> None:
    """Append the prices of your own sheet (CSV or XLSX), whole or not at all."""
    with Warehouse.open() as warehouse:
        _print_report(import_sheet(warehouse, path), as_json)


def _print_report(report: RefreshReport, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.as_json()))
        return
    if report.skipped:
        click.echo(f"{report.title}: skipped, {report.skipped}")
        return
    click.echo(
        f"{report.title}: {len(report.new)} new, {len(report.changed)} changed, "
        f"{report.unchanged} unchanged, "
        f"{len(report.vanished)} vanished, {len(report.refused)} refused, {len(report.duplicates)} duplicates"
    )
    for change in report.changed[:SHOWN]:
        now = change.offer.usd_per_hour
        click.echo(f"  {change.offer.offer_id}: {change.usd_per_hour_before} -> {now} USD per hour")
    for refusal in (*report.refused, *report.duplicates)[:SHOWN]:
        click.echo(f"  {refusal.where}: {refusal.reason}")
    for note in report.notes:
        click.echo(f"  note: {note}")
