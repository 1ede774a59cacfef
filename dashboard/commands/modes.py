"""`inferplan modes`: always on, by calendar or elastic: what each costs and how long requests wait."""

import json
from typing import Any

import click

from inferplan.dashboard.command_line.case_options import read_lines
from inferplan.dashboard.command_line.printing import print_facts, print_table
from inferplan.dashboard.commands.economics import AMOUNT
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.demand import Demand, read_demand
from inferplan.planner.opening_hours import OpeningHours
from inferplan.planner.serving_modes import ModeOutcome, Serving, cheapest_within, compare_modes
from inferplan.planner.usage_demand import served_demands


@click.command()
@click.option("--demand", metavar="FILE|-", help="Requests of each hour, one per line.")
@click.option("--usage", metavar="MODEL", help="Instead: what was served of this model in imported usage.")
@click.option("--requests-per-replica-hour", type=float, required=True, help="That one serves at full load.")
@click.option("--usd-per-replica-hour", type=AMOUNT, required=True)
@click.option("--start-up", "start_up_s", type=float, default=300.0, show_default=True,
              help="Seconds until a new replica serves.")  # fmt: skip
@click.option("--min-replicas", type=int, default=1, show_default=True, help="0: scale to zero.")
@click.option("--max-replicas", "most_replicas", type=int, help="As many as always-on has by default.")
@click.option("--target", type=float, default=0.8, show_default=True, help="Planned share of full load.")
@click.option("--keep", "keep_s", type=float, default=300.0, show_default=True,
              help="Seconds until an unneeded replica goes.")  # fmt: skip
@click.option("--max-wait", "most_wait_s", type=float, default=10.0, show_default=True,
              help="Seconds in the queue before a request is late.")  # fmt: skip
@click.option("--allowed", type=float, default=0.01, show_default=True, help="Share of requests missed.")
@click.option("--hours", help="When it is open, such as 'Mon-Fri 08:00-20:00; Sat 10-14'.")
@click.option("--time-zone", default="UTC", show_default=True, help="Of --hours, such as Europe/Berlin.")
@click.option("--closed-replicas", type=int, default=0, show_default=True, help="Outside of --hours.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(
    demand: str | None,
    usage: str | None,
    allowed: float,
    hours: str | None,
    time_zone: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Compare always-on, opening hours and autoscaling on one demand: cost, and requests that wait.

    \b
    inferplan modes --demand requests.csv --requests-per-replica-hour 4000 --usd-per-replica-hour 6.88 \\
        --hours "Mon-Fri 08:00-20:00" --time-zone Europe/Berlin --min-replicas 0 --start-up 240
    """
    wanted = _demand(demand, usage)
    found = compare_modes(wanted, Serving(**given), OpeningHours.read(hours, time_zone) if hours else None)
    best = cheapest_within(found, allowed)
    choice = best.mode if best else None
    if as_json:
        modes = [{**_row(one), "usd_per_month": str(one.usd_per_month)} for one in found]
        click.echo(json.dumps({"demand": wanted.basis, "cheapest_within": choice, "modes": modes}))
        return
    none = f"none: every mode makes more than {allowed:.2%} of the requests late or turns them away"
    print_facts([("demand", wanted.basis), ("cheapest that keeps the target", choice or none)])
    click.echo()
    print_table([{name: str(value) for name, value in _row(one).items()} for one in found])


def _demand(demand: str | None, usage: str | None) -> Demand:
    if (demand is None) == (usage is None):
        msg = "give either --demand with a file or --usage with a model of the imported usage"
        raise InferplanError(msg)
    if demand is not None:
        return read_demand("".join(read_lines(demand)), demand)
    with Warehouse.open() as warehouse:
        served = {one.model or "": one.demand for one in served_demands(warehouse)}
    if usage not in served:
        raise UnknownNameError("model in the usage", str(usage), list(served))
    return served[str(usage)]


def _row(one: ModeOutcome) -> dict[str, object]:
    return {
        "mode": one.mode,
        "usd_per_month": one.usd_per_month,
        "mean_replicas": round(one.mean_replicas, 3),
        "most_replicas": one.most_replicas,
        "late": round(one.late_share, 5),
        "turned_away": round(one.turned_away_share, 5),
        "hours_with_a_miss": round(one.late_hours_share, 5),
        "mean_wait_s": round(one.mean_wait_s, 2),
        "p99_wait_s": round(one.p99_wait_s, 1),
    }
