"""`inferplan commit`: how many machines to commit to, and what that loses when demand falls."""

import json
from decimal import Decimal

import click

from inferplan.dashboard.command_line.case_options import read_lines
from inferplan.dashboard.command_line.printing import print_facts, print_table
from inferplan.dashboard.commands.economics import AMOUNT, contract_options
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.commitment_choice import CommitmentChoice, choose
from inferplan.planner.demand import read_demand
from inferplan.pricing.conditions import NegotiatedTerms
from inferplan.pricing.machine_terms import MachineTerms, SpotUse, machine_terms
from inferplan.pricing.offers import current_offers


@click.command()
@click.option("--machine", required=True, metavar="OFFER", help="An on-demand offer of 'prices list'.")
@click.option("--demand", required=True, metavar="FILE|-", help="Demand of each hour, one per line.")
@click.option("--per-machine", type=AMOUNT, default=Decimal(1), show_default=True,
              help="Demand that one machine serves; 1 when the demand counts machines.")  # fmt: skip
@contract_options
@click.option("--spot-share", type=AMOUNT, default=Decimal(0), help="Of the other hours, at most (0-1).")
@click.option("--interruptions-per-hour", type=AMOUNT, default=Decimal(0), help="Of a spot machine.")
@click.option("--lost-hours", type=AMOUNT, default=Decimal(0), help="Of useful work, by each interruption.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(
    machine: str,
    demand: str,
    per_machine: Decimal,
    discount_percent: Decimal,
    support_percent: Decimal,
    spot_share: Decimal,
    interruptions_per_hour: Decimal,
    lost_hours: Decimal,
    as_json: bool,
) -> None:
    """Recommend a commitment from hourly demand: the cheapest term and number, and its regret.

    \b
    inferplan commit --machine "aws/p5.48xlarge/us-east-1/on_demand/H100 SXM" --demand machines.csv
    """
    wanted = read_demand("".join(read_lines(demand)), demand)
    found = choose(
        wanted,
        per_machine,
        _machine(machine),
        NegotiatedTerms(discount_percent, support_percent),
        SpotUse(spot_share, interruptions_per_hour, lost_hours),
    )
    rows = _rows(found)
    facts = {
        "machine": found.sold.on_demand.offer_id,
        "on_demand": f"{found.sold.on_demand.usd_per_hour:f} USD per hour, seen "
        f"{found.sold.on_demand.observed_on} in {found.sold.on_demand.source}",
        "without_commitment_usd_per_month": str(found.per_month(found.uncommitted.total_usd)),
        "demand": wanted.basis,
    }
    if as_json:
        click.echo(json.dumps({**facts, "terms": rows}))
        return
    print_facts([(name.replace("_", " "), text) for name, text in facts.items()])
    click.echo()
    if rows:
        print_table(rows)
    else:
        click.echo("No term of this machine is known: every hour by the hour.")


def _machine(offer_id: str) -> MachineTerms:
    with Warehouse.open() as warehouse:
        sold = {one.on_demand.offer_id: one for one in machine_terms(current_offers(warehouse))}
    if offer_id not in sold:
        if not sold:
            msg = "no machine with an on-demand price is known; run 'inferplan prices refresh'"
            raise InferplanError(msg)
        raise UnknownNameError("on-demand offer", offer_id, list(sold))
    return sold[offer_id]


def _rows(found: CommitmentChoice) -> list[dict[str, str | None]]:
    offers = {offer.purchase_option: offer for offer in found.sold.committed}

    def share(part: Decimal | None) -> str | None:
        return None if part is None else f"{part:.3f}"

    return [
        {
            "term": best.term.name,
            "machines": f"{best.machines:f}",
            "usd_per_month": str(found.per_month(best.bill.total_usd)),
            "saved_usd_per_month": str(found.per_month(best.saved_usd)),
            "coverage": share(best.bill.coverage),
            "utilization": share(best.bill.utilization),
            "saved_if_demand_falls_30_percent": str(found.per_month(best.saved_usd_if_demand_falls)),
            "regret_then": str(found.per_month(best.regret_usd_if_demand_falls)),
            "price_seen_on": str(offers[best.term.name].observed_on),
            "price_source": offers[best.term.name].source,
        }
        for best in found.recommended
    ]
