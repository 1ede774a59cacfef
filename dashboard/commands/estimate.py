"""`inferplan estimate`: how fast does it serve, and what do the tokens cost?"""

import json
from decimal import Decimal
from functools import partial
from typing import Any

import click

from inferplan.dashboard.command_line.case_options import (
    answer_cases,
    case_from_options,
    case_options,
    read_lines,
)
from inferplan.dashboard.command_line.printing import print_facts
from inferplan.dashboard.measurements.at_hand import evidence_at_hand
from inferplan.datasets import catalog
from inferplan.datasets.schema import Offer
from inferplan.planner.case import Case
from inferplan.planner.deployment import Deployment
from inferplan.planner.economics import UnitCost, UsdInterval, deployment_usd_per_hour, unit_cost
from inferplan.planner.interval import Interval
from inferplan.planner.performance import Estimate, OwnEvidence, estimate

MILLISECONDS = 1000


def answer(case: Case, own: OwnEvidence | None = None) -> dict[str, Any]:
    """Return the contract's answer to ``estimate`` for one case; costs are null where no price was given."""
    found, cost, price = _evaluate(case, own)
    return {
        "ttft_ms": found.ttft_s.scaled(MILLISECONDS)._asdict(),
        "tpot_ms": found.tpot_s.scaled(MILLISECONDS)._asdict(),
        "output_tokens_per_s": found.output_tokens_per_s._asdict(),
        "requests_per_s": found.requests_per_s,
        "running_sequences": found.running_sequences,
        "bound_by": found.bound_by,
        "saturated": found.saturated,
        "usd_per_mtok_input": float(cost.usd_per_mtok_input.expected) if cost else None,
        "usd_per_mtok_output": float(cost.usd_per_mtok_output.expected) if cost else None,
        "tokens_per_usd": float(cost.tokens_per_usd.expected) if cost else None,
        "price": price,
        "basis": found.basis,
    }


def _evaluate(case: Case, own: OwnEvidence | None) -> tuple[Estimate, UnitCost | None, str]:
    deployment, workload = case.deployment(), case.workload()
    found = estimate(deployment, workload, own)
    usd_per_hour, price = _price(case, deployment)
    return found, unit_cost(found, workload, usd_per_hour) if usd_per_hour else None, price


def _price(case: Case, deployment: Deployment) -> tuple[Decimal | None, str]:
    """Return the deployment's USD per hour and where it comes from, or None and the reason."""
    if case.offer is not None:
        offer: Offer = catalog.offer(case.offer)
        usd_per_hour = deployment_usd_per_hour(offer, case.gpu, deployment.gpu_count)
        return usd_per_hour, f"{offer.offer_id}, observed {offer.observed_on} in {offer.source}"
    if case.usd_per_gpu_hour is not None:
        return Decimal(repr(case.usd_per_gpu_hour)) * deployment.gpu_count, "given with the case"
    return None, "unknown: neither an offer nor a price per GPU-hour was given"


def _interval(interval: Interval | UsdInterval, unit: str) -> str:
    low, expected, high = interval
    return f"{expected:,.4g} {unit} (80 % interval {low:,.4g} to {high:,.4g})"


@click.command()
@case_options(load=True)
@click.option("--cases", metavar="FILE|-", help="Answer JSON lines, one case each.")
@click.option("--ignore-own-measurements", is_flag=True, help="Estimate from published runs alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(cases: str | None, ignore_own_measurements: bool, as_json: bool, **given: Any) -> None:
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
    if as_json:
        click.echo(json.dumps({"id": case.id, **answer(case, own)}, allow_nan=False))
        return
    found, cost, price = _evaluate(case, own)
    facts = [
        ("time to first token", _interval(found.ttft_s.scaled(MILLISECONDS), "ms")),
        ("time per output token", _interval(found.tpot_s.scaled(MILLISECONDS), "ms")),
        ("output", _interval(found.output_tokens_per_s, "tokens/s")),
        (
            "requests",
            f"{found.requests_per_s:,.3g} per second, {found.running_sequences:,.1f} running at once",
        ),
        ("bound by", found.bound_by.replace("_", " ") + (", saturated" if found.saturated else "")),
    ]
    if cost:
        facts += [
            ("input tokens", _interval(cost.usd_per_mtok_input, "USD per million")),
            ("output tokens", _interval(cost.usd_per_mtok_output, "USD per million")),
            ("deployment", f"{cost.usd_per_hour:,.2f} USD per hour"),
        ]
    print_facts([*facts, ("price", price), ("basis", found.basis)])
