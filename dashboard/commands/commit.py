"""`inferplan commit`: how many machines to commit to, and what that loses when demand falls."""

import json
from decimal import Decimal
from typing import Any

import click

from inferplan.dashboard.command_line.case_options import read_lines
from inferplan.dashboard.command_line.printing import print_facts, print_table
from inferplan.dashboard.command_line.warehouse_at_hand import warehouse_or_bundled
from inferplan.dashboard.commands.economics import AMOUNT, contract_options
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.planner.commitment_choice import EVEN_CHANCE, CommitmentChoice, choose
from inferplan.planner.demand import Demand, read_demand
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
@click.option("--chance-of-fall", type=AMOUNT, default=EVEN_CHANCE, show_default=True,
              help="That demand falls by 30% after a year (0-1).")  # fmt: skip
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
    chance_of_fall: Decimal,
    as_json: bool,
) -> None:
    """Recommend commitments from hourly demand: a mix of terms, each term alone, and their regret.

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
        chance_of_fall,
    )
    if as_json:
        click.echo(json.dumps({**_facts(found, wanted), **_mix(found), "terms": _rows(found)}))
    else:
        _print(found, wanted)


def _facts(found: CommitmentChoice, wanted: Demand) -> dict[str, str]:
    on_demand = found.sold.on_demand
    return {
        "machine": on_demand.offer_id,
        "on_demand": f"{on_demand.usd_per_hour:f} USD per hour, seen {on_demand.observed_on} in "
        f"{on_demand.source}",
        "without_commitment_usd_per_month": str(found.per_month(found.uncommitted.total_usd)),
        "demand": wanted.basis,
    }


def _print(found: CommitmentChoice, wanted: Demand) -> None:
    mix = _mix(found)
    parts = mix.pop("mix")
    facts = {**_facts(found, wanted), **mix}
    print_facts([(name.replace("_", " "), text) for name, text in facts.items()])
    click.echo("\nThe mix that is expected to cost least:")
    print_table(parts)
    click.echo("\nEach term alone:")
    if rows := _rows(found):
        print_table(rows)
    else:
        click.echo("No term of this machine is known: every hour by the hour.")


def _machine(offer_id: str) -> MachineTerms:
    with warehouse_or_bundled("imported prices") as warehouse:
        sold = {one.on_demand.offer_id: one for one in machine_terms(current_offers(warehouse))}
    if offer_id not in sold:
        if not sold:
            msg = "no machine with an on-demand price is known; run 'inferplan prices refresh'"
            raise InferplanError(msg)
        raise UnknownNameError("on-demand offer", offer_id, list(sold))
    return sold[offer_id]


def _mix(found: CommitmentChoice) -> dict[str, Any]:
    money = {
        "mix_usd_per_month": found.mix.bill.total_usd,
        "mix_saved_usd_per_month": found.mix.saved_usd,
        "mix_saved_if_demand_falls_30_percent": found.mix.saved_usd_if_demand_falls,
        "mix_regret_then": found.mix.regret_usd_if_demand_falls,
        "mix_regret_a_year_later": found.mix.regret_usd_a_year_later,
    }
    return {name: str(found.per_month(usd)) for name, usd in money.items()} | {
        "mix": [
            {
                "bought": part.offer.purchase_option,
                "machines": f"{part.machines.normalize():f}"
                if part.machines % 1 == 0
                else f"{part.machines:.2f}",
                "usd_per_month": str(part.usd_per_month),
                "share_of_demand": _share(part.share_of_demand),
                "usd_per_hour": f"{part.usd_per_hour:.4f}",
                "price_seen_on": str(part.offer.observed_on),
                "price_source": part.offer.source,
            }
            for part in found.parts()
        ]
    }


def _share(part: Decimal | None) -> str | None:
    return None if part is None else f"{part:.3f}"


def _rows(found: CommitmentChoice) -> list[dict[str, str | None]]:
    return [
        {
            "term": best.term.name,
            "machines": f"{best.machines:f}",
            "usd_per_month": str(found.per_month(best.bill.total_usd)),
            "saved_usd_per_month": str(found.per_month(best.saved_usd)),
            "coverage": _share(best.bill.coverage),
            "utilization": _share(best.bill.utilization),
            "saved_if_demand_falls_30_percent": str(found.per_month(best.saved_usd_if_demand_falls)),
            "regret_then": str(found.per_month(best.regret_usd_if_demand_falls)),
            "price_seen_on": str(found.offer(best.term.name).observed_on),
            "price_source": found.offer(best.term.name).source,
        }
        for best in found.recommended
    ]
