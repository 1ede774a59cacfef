"""`inferplan estimate`: how fast does it serve, and what do the tokens cost?"""

import json
from functools import partial
from typing import Any

import click

from inferplan.dashboard.command_line.case_options import (
    answer_cases,
    case_from_options,
    case_options,
    read_lines,
    target_options,
)
from inferplan.dashboard.command_line.estimate_answers import as_facts, as_json
from inferplan.dashboard.command_line.offers_at_hand import offer_at_hand
from inferplan.dashboard.command_line.printing import print_facts
from inferplan.dashboard.measurements.at_hand import evidence_at_hand, evidence_option
from inferplan.planner.case import Case
from inferplan.planner.case_price import case_price
from inferplan.planner.economics import UnitCost, unit_cost
from inferplan.planner.performance import Estimate, OwnEvidence, estimate


def answer(case: Case, own: OwnEvidence | None = None) -> dict[str, Any]:
    """Return the contract's answer to ``estimate`` for one case; costs are null where no price was given."""
    found, cost, price = _evaluate(case, own)
    return {**as_json(found, case.workload(), cost), "price": price, "basis": found.basis}


def _evaluate(case: Case, own: OwnEvidence | None) -> tuple[Estimate, UnitCost | None, str]:
    deployment, workload = case.deployment(), case.workload()
    found = estimate(deployment, workload, own)
    offer = None if case.offer is None else offer_at_hand(case.offer)
    usd_per_hour, price = case_price(case, deployment, offer)
    return found, unit_cost(found, workload, usd_per_hour) if usd_per_hour else None, price


@click.command()
@case_options(load=True)
@target_options
@click.option("--cases", metavar="FILE|-", help="Answer JSON lines, one case each.")
@evidence_option
@click.option("--json", "print_json", is_flag=True, help="Print JSON for machines.")
def command(cases: str | None, ignore_own_measurements: bool, print_json: bool, **given: Any) -> None:
    """Estimate latency, throughput and cost of a deployment under a load.

    \b
    inferplan estimate --model meta-llama/Llama-3.3-70B-Instruct --weights-dtype fp8 \\
        --gpu "H200 SXM" --input-tokens 2000 --output-tokens 300 --concurrency 32 --usd-per-gpu-hour 3.5
    """
    own = None if ignore_own_measurements else evidence_at_hand()
    if cases:
        answer_cases(read_lines(cases), partial(answer, own=own), click.echo)
        return
    case = case_from_options(given)
    if print_json:
        click.echo(json.dumps({"id": case.id, **answer(case, own)}, allow_nan=False))
        return
    found, cost, price = _evaluate(case, own)
    print_facts([*as_facts(found, case.workload(), cost), ("price", price), ("basis", found.basis)])
