"""`inferplan economics`: what does a useful token cost, and is a hosted API cheaper?"""

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from inferplan.dashboard.command_line.case_options import case_from_options, case_options, read_lines
from inferplan.dashboard.command_line.printing import print_facts, print_table
from inferplan.dashboard.command_line.warehouse_at_hand import warehouse_or_bundled
from inferplan.dashboard.measurements.at_hand import evidence_at_hand, evidence_option
from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.planner.case import Case
from inferplan.planner.demand import Demand, read_demand
from inferplan.planner.economics import HOURS_PER_MONTH, UsdInterval
from inferplan.planner.hosted_api import HostedChoice, choices
from inferplan.planner.planned import Planned, cheapest_machine, cost_of_use, planned
from inferplan.planner.unit_economics import CENT, LOSSES, UnitEconomics, Use
from inferplan.pricing.conditions import NegotiatedTerms
from inferplan.pricing.offers import current_offers


class Amount(click.ParamType[Decimal]):
    """An exact decimal number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return the number, refused with the option's name when it is none."""
        try:
            found = Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is no number; write it as 1234.5", param, ctx)
        if not found.is_finite():
            self.fail(f"{value!r} is no number", param, ctx)
        return found


AMOUNT = Amount()
MANY = 1000


def contract_options(function: Any) -> Any:
    """Add the options of a contract to a command."""
    for flag, said in (("--support-percent", "On top of what is paid."), ("--discount-percent", "Off list.")):
        function = click.option(flag, type=AMOUNT, default=Decimal(0), show_default=True, help=said)(function)
    return function


@click.command()
@case_options(load=True)
@click.option("--busy-share", type=AMOUNT, default=Decimal(1), show_default=True, help="Of the planned load.")
@click.option("--retried", type=AMOUNT, default=Decimal(0), help="Share of the served tokens (0-1).")
@click.option("--cancelled", type=AMOUNT, default=Decimal(0), help="Share of the served tokens (0-1).")
@click.option("--failed", type=AMOUNT, default=Decimal(0), help="Share of the served tokens (0-1).")
@click.option("--off-slo", type=AMOUNT, default=Decimal(0), help="Share of the served tokens (0-1).")
@click.option("--requests-per-user-month", type=AMOUNT, help="Of one active user.")
@click.option("--fixed-usd-per-month", type=AMOUNT, default=Decimal(0), help="Staff, storage, traffic.")
@contract_options
@click.option("--demand", metavar="FILE|-", help="Requests of each hour, one per line: finds the best mix.")
@evidence_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(
    discount_percent: Decimal,
    support_percent: Decimal,
    demand: str | None,
    ignore_own_measurements: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Say what useful tokens cost at the load there really is, beside hosted APIs of the same model.

    \b
    inferplan economics --model meta-llama/Llama-3.3-70B-Instruct --weights-dtype fp8 --gpu "H200 SXM" \\
        --max-model-len 32768 --input-tokens 2000 --output-tokens 400 --concurrency 16 \\
        --usd-per-gpu-hour 3.5 --busy-share 0.4 --cancelled 0.05
    """
    names = ("busy_share", *LOSSES, "requests_per_user_month", "fixed_usd_per_month")
    use = Use(**{name: given.pop(name) for name in names})
    case = case_from_options(given)
    plan = planned(case, _offer(case), None if ignore_own_measurements else evidence_at_hand())
    terms, alone = NegotiatedTerms(discount_percent, support_percent), plan.published_alone
    found = cost_of_use(plan, plan.use_of(use), terms)
    before = cost_of_use(alone, alone.use_of(use), terms) if alone else None
    wanted = read_demand("".join(read_lines(demand)), demand) if demand else None
    hosts = _hosts(case, plan, wanted)
    if as_json:
        answer = _json(plan, found, hosts, wanted)
        answer["published_alone"] = {name: _ends(one) for name, one in _costs(before)} if before else None
        click.echo(json.dumps(answer))
        return
    _print(plan, found, hosts, wanted)
    if before:
        usd = before.fully_loaded.usd_per_mtok_output.expected
        click.echo(f"\nFrom published runs alone: {_number(usd)} USD per million output tokens.")


def _offer(case: Case) -> Offer | None:
    """Return the newest price of the case's offer, else the cheapest machine; ``None`` for a given price."""
    if case.offer is None and case.usd_per_gpu_hour is not None:
        return None
    with warehouse_or_bundled("imported prices") as warehouse:
        offers = current_offers(warehouse)
    if case.offer is not None:
        return catalog.offer(case.offer, offers)
    deployment = case.deployment()
    today = datetime.now(UTC).date()
    found = cheapest_machine(offers, deployment.gpu.name, deployment.gpu_count, today)
    if found is None:
        gpus = f"{deployment.gpu_count} x {deployment.gpu.name}"
        msg = f"no machine with {gpus} has a price; give --usd-per-gpu-hour"
        raise InferplanError(msg)
    return found


def _hosts(case: Case, plan: Planned, demand: Demand | None) -> tuple[HostedChoice, ...]:
    if case.model is None:
        return ()
    full_hour = Demand((plan.requests_per_replica_hour,), "one full replica")
    return choices(
        catalog.hosted_prices(catalog.model_id(case.model)),
        plan.workload,
        demand or full_hour,
        plan.replica_usd_per_hour,
        plan.requests_per_replica_hour,
    )


def _costs(found: UnitEconomics) -> list[tuple[str, UsdInterval | None]]:
    useful = found.fully_loaded
    return [
        ("usd_per_mtok_new_input", useful.usd_per_mtok_new_input),
        ("usd_per_mtok_cached_input", useful.usd_per_mtok_cached_input),
        ("usd_per_mtok_output", useful.usd_per_mtok_output),
        ("usd_per_mtok_visible_output", useful.usd_per_mtok_visible_output or useful.usd_per_mtok_output),
        ("usd_per_request", useful.usd_per_request),
        ("usd_per_task", useful.usd_per_task),
        ("usd_per_user_month", found.usd_per_user_month),
        ("tokens_per_usd", useful.tokens_per_usd),
    ]


def _json(
    plan: Planned, found: UnitEconomics, hosts: tuple[HostedChoice, ...], demand: Demand | None
) -> dict[str, Any]:
    return {
        **{name: _ends(interval) for name, interval in _costs(found)},
        "full_load_usd_per_mtok_output": _ends(found.floor.usd_per_mtok_output),
        "month_usd": str(found.month_usd),
        "month_parts_usd": {name: str(usd) for name, usd in found.month_parts_usd.items()},
        "price": plan.price_basis,
        "basis": plan.estimate.basis,
        "notes": list(plan.estimate.notes),
        "hosts": [_host(choice, demand) for choice in hosts],
        "demand": demand.basis if demand else None,
    }


def _ends(interval: UsdInterval | None) -> dict[str, str] | None:
    return None if interval is None else {name: str(usd) for name, usd in interval._asdict().items()}


def _host(choice: HostedChoice, demand: Demand | None) -> dict[str, Any]:
    even, price = choice.break_even_requests_per_hour, choice.price
    found: dict[str, Any] = {
        "host": price.provider,
        "model": price.model_id,
        "usd_per_1000_requests": f"{choice.usd_per_request * 1000:.4f}",
        "replica_pays_from_requests_per_hour": None if even is None else f"{even:.0f}",
    }
    if demand is not None:
        monthly = HOURS_PER_MONTH / len(demand.per_hour)
        own = (choice.hybrid.own_usd * monthly).quantize(CENT)
        api = (choice.hybrid.api_usd * monthly).quantize(CENT)
        found |= {
            "replicas": choice.hybrid.replicas,
            "own_usd_per_month": str(own),
            "api_usd_per_month": str(api),
            "mix_usd_per_month": str(own + api),
        }
    return found | {"price_seen_on": str(price.observed_on), "price_source": price.source}


def _number(value: Decimal) -> str:
    return f"{value:,.0f}" if value >= MANY else f"{value:,.4g}"


def _print(
    plan: Planned, found: UnitEconomics, hosts: tuple[HostedChoice, ...], demand: Demand | None
) -> None:
    facts = [
        (name.replace("_", " "), "{1} (80% interval {0} to {2})".format(*map(_number, one)))
        for name, one in _costs(found)
        if one is not None
    ]
    month = ", ".join(
        f"{name.replace('_', ' ')} {usd:,.2f}" for name, usd in found.month_parts_usd.items() if usd
    )
    print_facts(
        [
            *facts,
            ("month of 730 hours", f"{found.month_usd:,.2f} USD: {month}"),
            ("price", plan.price_basis),
            ("speed", plan.estimate.basis),
            *(("note", note) for note in plan.estimate.notes),
            *([("demand", demand.basis)] if demand else []),
        ]
    )
    if hosts:
        click.echo()
        print_table([_host(choice, demand) for choice in hosts])
