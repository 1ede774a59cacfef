"""`inferplan compare`: which offer serves it cheapest within the latency target?"""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import click
import pandas as pd

from inferplan.dashboard.command_line.case_options import case_from_options, case_options, target_options
from inferplan.dashboard.command_line.portfolio import fleet_json, print_fleet, read_portfolio, save_fleet
from inferplan.dashboard.command_line.printing import print_table
from inferplan.dashboard.command_line.warehouse_at_hand import warehouse_or_bundled
from inferplan.dashboard.comparing import words
from inferplan.dashboard.measurements.at_hand import evidence_in
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.case import MOST_GPUS, Case
from inferplan.planner.compare import Comparison, RankBy, Search, Sweep, contest
from inferplan.planner.deployment import EngineName
from inferplan.planner.fleet_choice import cheapest_fleet
from inferplan.planner.portfolio import Portfolio
from inferplan.pricing.offers import current_offers

MILLISECONDS = 1000
WITHOUT = "imported prices and own measurements"
SEVERAL = ("model", "gpu", "engine", "tp", "pp", "ep", "dp", "weights_dtype", "kv_dtype")
"""Fields of a case that are searched: several may be given."""
SIZE = click.IntRange(1, MOST_GPUS)


def _several(
    flag: str, name: str, what: str, kind: Any = str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(flag, name, multiple=True, type=kind, help=f"{what}; repeat for several.")


@click.command()
@_several("--model", "models", "Catalog id")
@case_options(load=True, without=SEVERAL)
@_several("--gpu", "gpus", "Only this GPU")
@_several("--provider", "providers", "Only this provider")
@_several("--region", "regions", "Only this region")
@_several("--purchase-option", "purchase_options", "on_demand, spot, reserved_1y, ...")
@_several("--engine", "engines", "Engine to try [vllm]", click.Choice(get_args(EngineName)))
@_several("--weights-dtype", "weights_dtypes", "Type of the weights to try [as shipped]")
@_several("--kv-dtype", "kv_dtypes", "Type of the KV cache to try [auto]")
@_several("--tp", "tensor_parallel", "Tensor parallel size to try [1, 2, 4, 8]", SIZE)
@_several("--pp", "pipeline_parallel", "Pipeline parallel size to try [1]", SIZE)
@_several("--ep", "expert_parallel", "Expert parallel size to try [1]", SIZE)
@_several("--in-flight", "concurrencies", "Requests in flight to try on a replica [1 to 1024]", SIZE)
@click.option(
    "--portfolio",
    "portfolio_file",
    metavar="FILE|-",
    help="Serve several models with shares of the traffic: the cheapest whole machines for all of them.",
)
@click.option("--save", "plan_name", metavar="NAME", help="Keep the portfolio with its machines as a plan.")
@click.option("--partial-prices", is_flag=True, help="Rank also prices that leave out CPU and memory.")
@click.option("--stale-prices", is_flag=True, help="Rank prices older than usual among the others.")
@target_options
@click.option("--rank-by", type=click.Choice(get_args(RankBy)), default="usd_per_request", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Rows of the table.")
@click.option("--all", "show_all", is_flag=True, help="Every offer, also those that cannot, with the reason.")
@click.option("--json", "as_json", is_flag=True, help="Print every offer as JSON for machines.")
@click.option("--check", is_flag=True, help="Exit with 1 when no offer serves it within the target.")
def command(
    models: tuple[str, ...],
    portfolio_file: str | None,
    plan_name: str | None,
    limit: int,
    show_all: bool,
    as_json: bool,
    check: bool,
    **given: Any,
) -> None:
    """Price models on every offer and rank them by what served tokens cost.

    \b
    inferplan compare --model Qwen/Qwen3-32B --input-tokens 2000 --output-tokens 300 --slo-tpot-ms 50
    inferplan compare --model openai/gpt-oss-120b --engine vllm --engine sglang --pp 1 --pp 2 \\
        --input-tokens 2000 --output-tokens 300 --request-rate 20 --rank-by kwh_per_mtok
    inferplan compare --portfolio models.json --purchase-option on_demand --save "Assistant"
    """
    searched = {name: given.pop(name) for name in Search.model_fields if name in given}
    search = Search.model_validate({name: _once(value) for name, value in searched.items() if value != ()})
    if portfolio_file:
        _serve_several(read_portfolio(portfolio_file), search, plan_name, as_json=as_json)
        return
    if plan_name:
        raise click.UsageError("--save keeps a portfolio: give --portfolio FILE.")
    gpu = search.gpus[0] if search.gpus else "H100 SXM"  # a case names one; every GPU on offer is tried
    cases = [case_from_options({"gpu": gpu, "model": model, **given}) for model in _once(models) or (None,)]
    with warehouse_or_bundled(WITHOUT) as warehouse:
        found = _swept(warehouse, cases, search)
    if as_json:
        click.echo(_json(found, search.rank_by))
    else:
        _print(found, search.rank_by, len(found.ranked) if show_all else limit, show_all)
    if check and found.ranked.empty:
        sys.exit(1)


def _once(value: Any) -> Any:
    """Return several values without those that were given twice; one is returned as it is."""
    return tuple(dict.fromkeys(value)) if isinstance(value, tuple) else value


def _serve_several(portfolio: Portfolio, search: Search, plan_name: str | None, *, as_json: bool) -> None:
    by_cost = search.model_copy(update={"rank_by": "usd_per_request"})
    with Warehouse.open() if plan_name else warehouse_or_bundled(WITHOUT) as warehouse:
        fleet = cheapest_fleet(portfolio, _swept(warehouse, portfolio.cases(), by_cost))
        saved = save_fleet(warehouse, plan_name, portfolio, search, fleet) if plan_name else None
    if as_json:
        click.echo(fleet_json(fleet, saved))
    else:
        print_fleet(portfolio, fleet, saved)


def _swept(warehouse: Warehouse, cases: Sequence[Case], search: Search) -> Comparison:
    """Return the comparison, with a bar on a terminal while it runs."""
    today = datetime.now(UTC).date()
    sweep = Sweep(cases, current_offers(warehouse), search, today, evidence_in(warehouse))
    if not sys.stderr.isatty():
        while sweep.step():
            pass
        return sweep.comparison(warehouse)
    label = f"{sweep.configurations:,} configurations"
    with click.progressbar(length=sweep.deployments, label=label, file=sys.stderr) as bar:
        more = True
        while more:
            before = sweep.deployments_done
            more = sweep.step()
            bar.update(sweep.deployments_done - before)
    return sweep.comparison(warehouse)


def _json(found: Comparison, rank_by: RankBy) -> str:
    frames = {"ranked": found.ranked, "refused": found.refused, "outcomes": found.outcomes}
    answer = {
        name: json.loads(frame.to_json(orient="records", date_format="iso")) for name, frame in frames.items()
    }
    contests = [
        {
            "role": one.role,
            "offer_id": one.other["offer_id"],
            "lead": one.lead,
            "too_close_to_call": one.too_close,
            "level_usd_per_hour": None if one.level_usd_per_hour is None else str(one.level_usd_per_hour),
        }
        for one in contest(found.ranked, rank_by)
    ]
    return json.dumps({**answer, "contests": contests}, allow_nan=False)


def _print(found: Comparison, rank_by: RankBy, limit: int, show_all: bool) -> None:
    ranked = found.ranked
    several = [
        name for name in ("model", "engine", "weights_dtype", "kv_dtype") if ranked[name].nunique() > 1
    ]
    print_table([_row(row, several, rank_by) for _, row in ranked.head(limit).iterrows()])
    what = "pairs of model and offer serve" if "model" in several else "offers serve it"
    click.echo(f"\n{len(ranked)} {what}, {len(found.refused)} do not.", nl=False)
    if show_all:
        click.echo()
        print_table([{"offer": row.offer_id, "reason": row.reason} for row in found.refused.itertuples()])
    else:
        click.echo(" --all shows every one, with the reason.")
    if aside := words.set_aside(ranked):
        click.echo(
            f"{aside} of them rank behind: their prices are older than such prices usually hold; "
            "--stale-prices ranks them among the others."
        )
    click.echo(f"Configurations: {words.counted(found)}.")
    for sentence in words.why(contest(ranked, rank_by), rank_by):
        click.echo(sentence)


def _row(row: "pd.Series[Any]", several: list[str], rank_by: RankBy) -> dict[str, str]:
    low, high = row["usd_per_mtok_output_low"], row["usd_per_mtok_output_high"]
    energy = {"kWh/Mtok": f"{row['kwh_per_mtok']:,.4f}"} if rank_by == "kwh_per_mtok" else {}
    return {
        "offer": row["offer_id"],
        **{name.replace("_dtype", "").replace("_", " "): row[name] for name in several},
        "GPUs": f"{row['replicas']:.0f} x {row['gpus']:.0f}",
        "in flight": f"{row['concurrency']:.0f}",
        "TTFT ms": f"{row['ttft_s'] * MILLISECONDS:,.0f}",
        "TPOT ms": f"{row['tpot_s'] * MILLISECONDS:,.1f}",
        **energy,
        "USD/Mtok in": f"{row['usd_per_mtok_input']:,.3f}",
        "USD/Mtok out": f"{row['usd_per_mtok_output']:,.3f} ({low:,.3f}-{high:,.3f})",
        "USD/hour": f"{row['usd_per_hour']:,.2f}",
        "price of": f"{row['observed_on']:%Y-%m-%d}{' (old)' if row['stale'] else ''}",
        "source": row["source"],
    }
