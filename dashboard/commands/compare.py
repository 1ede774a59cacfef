"""`inferplan compare`: which offer serves it cheapest within the latency target?"""

import json
import sys
from typing import Any, get_args

import click
import pandas as pd

from inferplan.dashboard.command_line.case_options import case_from_options, case_options
from inferplan.dashboard.command_line.printing import print_table
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.compare import Comparison, RankBy, Search, compare
from inferplan.pricing.offers import current_offers

MILLISECONDS = 1000


@click.command()
@case_options(load=True, gpu=False)
@click.option("--gpu", "gpus", multiple=True, help="Only this GPU; repeat for several.")
@click.option("--provider", "providers", multiple=True, help="Only this provider; repeat for several.")
@click.option("--region", "regions", multiple=True, help="Only this region; repeat for several.")
@click.option(
    "--purchase-option", "purchase_options", multiple=True, help="on_demand, spot, reserved_1y, ..."
)
@click.option("--partial-prices", is_flag=True, help="Rank also prices that leave out CPU and memory.")
@click.option("--slo-ttft-ms", type=float, help="Target for the time to first token.")
@click.option("--slo-tpot-ms", type=float, help="Target for the time per output token.")
@click.option("--slo-e2e-ms", type=float, help="Target for the whole request.")
@click.option("--rank-by", type=click.Choice(get_args(RankBy)), default="usd_per_request", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Rows of the table.")
@click.option("--all", "show_all", is_flag=True, help="Every offer, also those that cannot, with the reason.")
@click.option("--json", "as_json", is_flag=True, help="Print every offer as JSON for machines.")
@click.option("--check", is_flag=True, help="Exit with 1 when no offer serves it within the target.")
def command(
    gpus: tuple[str, ...],
    providers: tuple[str, ...],
    regions: tuple[str, ...],
    purchase_options: tuple[str, ...],
    partial_prices: bool,
    slo_ttft_ms: float | None,
    slo_tpot_ms: float | None,
    slo_e2e_ms: float | None,
    rank_by: RankBy,
    limit: int,
    show_all: bool,
    as_json: bool,
    check: bool,
    **given: Any,
) -> None:
    """Price one model on every offer and rank them by what served tokens cost.

    \b
    inferplan compare --model Qwen/Qwen3-32B --input-tokens 2000 --output-tokens 300 --slo-tpot-ms 50
    """
    targets = {"ttft_s": slo_ttft_ms, "tpot_s": slo_tpot_ms, "e2e_s": slo_e2e_ms}
    given["slo"] = {name: target / MILLISECONDS for name, target in targets.items() if target is not None}
    case = case_from_options({"gpu": gpus[0] if gpus else "H100 SXM", **given})
    search = Search(
        gpus=gpus,
        providers=providers,
        regions=regions,
        purchase_options=purchase_options,
        partial_prices=partial_prices,
        rank_by=rank_by,
    )
    with Warehouse.open() as warehouse:
        found = compare(warehouse, [case], current_offers(warehouse), search)
    if as_json:
        click.echo(_json(found))
    else:
        _print(found, len(found.ranked) if show_all else limit, show_all)
    if check and found.ranked.empty:
        sys.exit(1)


def _json(found: Comparison) -> str:
    ranked = json.loads(found.ranked.to_json(orient="records", date_format="iso"))
    refused = json.loads(found.refused.to_json(orient="records", date_format="iso"))
    return json.dumps({"ranked": ranked, "refused": refused}, allow_nan=False)


def _print(found: Comparison, limit: int, show_all: bool) -> None:
    print_table([_row(row) for _, row in found.ranked.head(limit).iterrows()])
    click.echo(f"\n{len(found.ranked)} offers serve it, {len(found.refused)} do not.", nl=False)
    if show_all:
        click.echo()
        print_table([{"offer": row.offer_id, "reason": row.reason} for row in found.refused.itertuples()])
    elif len(found.ranked) > limit or len(found.refused):
        click.echo(" --all shows every one, with the reason.")


def _row(row: "pd.Series[Any]") -> dict[str, str]:
    low, high = row["usd_per_mtok_output_low"], row["usd_per_mtok_output_high"]
    return {
        "offer": row["offer_id"],
        "GPUs": f"{row['replicas']:.0f} x {row['gpus']:.0f}",
        "in flight": f"{row['concurrency']:.0f}",
        "TTFT ms": f"{row['ttft_s'] * MILLISECONDS:,.0f}",
        "TPOT ms": f"{row['tpot_s'] * MILLISECONDS:,.1f}",
        "USD/Mtok in": f"{row['usd_per_mtok_input']:,.3f}",
        "USD/Mtok out": f"{row['usd_per_mtok_output']:,.3f} ({low:,.3f}-{high:,.3f})",
        "USD/hour": f"{row['usd_per_hour']:,.2f}",
        "price of": f"{row['observed_on']:%Y-%m-%d}",
        "source": row["source"],
    }
