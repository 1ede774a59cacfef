"""Parts of the page Tokens per dollar: what to search, the ranked offers, the refused ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.prices.tables import option_title
from inferplan.dashboard.reports import Column, Report, table_of_frame
from inferplan.dashboard.state import PREFIX, case, change, now
from inferplan.datasets.schema import Offer
from inferplan.planner.case import Case
from inferplan.planner.compare import RankBy, Search

KEY = f"{PREFIX}compare."
RANKINGS: Mapping[RankBy, str] = {
    "usd_per_request": "cost of a request",
    "usd_per_mtok_output": "cost of output tokens",
    "ttft_s": "time to first token",
    "tpot_s": "time per token",
    "e2e_s": "time of a whole request",
}
USD_PER_MTOK = "USD per million tokens"
COLUMNS: Mapping[str, Column] = {
    "gpu": Column("GPU"),
    "size": Column("GPUs"),
    "usd_per_mtok_output": Column("Output", USD_PER_MTOK),
    "usd_per_mtok_input": Column("Input", USD_PER_MTOK),
    "tpot_ms": Column("Each token", "ms"),
    "provider": Column("Provider"),
    "price_date": Column("Price seen on"),
    "source": Column("Price source"),
    "instance_type": Column("Instance"),
    "region": Column("Region"),
    "option": Column("Purchase option"),
    "ttft_ms": Column("First token", "ms"),
    "usd_per_mtok_output_low": Column("Output, low", USD_PER_MTOK),
    "usd_per_mtok_output_high": Column("Output, high", USD_PER_MTOK),
    "tokens_per_usd": Column("Tokens", "per USD"),
    "usd_per_hour": Column("All replicas", "USD per hour"),
    "interactivity_tokens_per_s": Column("Speed per user", "tokens/s"),
    "concurrency": Column("In flight per replica"),
    "certainty": Column("Latency target"),
    "covers": Column("Price covers"),
}
# a GPU is read whole, and a price's date and source stand beside it, on a screen of usual width
WIDTHS_PX = {"gpu": 170, "provider": 100, "source": 140}
HELP = {"size": "Replicas × GPUs of each", "certainty": "Surely: the slow end of the interval keeps it too"}


def search_inputs(offers: tuple[Offer, ...]) -> Search:
    """Ask which offers to compare and by what to rank them."""
    options = sorted({offer.purchase_option for offer in offers})
    gpus = _several("GPUs", "gpus", sorted({offer.gpu for offer in offers}))
    providers = _several("Providers", "providers", sorted({offer.provider for offer in offers}))
    regions = _several("Regions", "regions", sorted({offer.region for offer in offers}))
    bought = st.multiselect(
        "Purchase options",
        options,
        default=[option for option in options if option == "on_demand"],
        format_func=option_title,
        placeholder="every one",
        key=f"{KEY}options",
        persist_state="session",
        help="A spot price and a three-year commitment are not the same thing: compare like with like.",
    )
    ranked = st.selectbox(
        "Rank by", list(RANKINGS), format_func=RANKINGS.__getitem__, key=f"{KEY}rank", persist_state="session"
    )
    return Search(
        gpus=gpus,
        providers=providers,
        regions=regions,
        purchase_options=tuple(bought),
        rank_by=ranked or "usd_per_request",
    )


def praise(search: Search) -> str:
    """Return what the first row of the ranking is."""
    return "Cheapest" if search.rank_by.startswith("usd") else f"Best by {RANKINGS[search.rank_by]}"


def _several(label: str, name: str, options: list[str]) -> tuple[str, ...]:
    found = st.multiselect(label, options, placeholder="every one", key=KEY + name, persist_state="session")
    return tuple(found)


def readable(ranked: pd.DataFrame, has_target: bool) -> pd.DataFrame:
    """Return the ranked offers with the columns that people read."""
    frame = ranked.copy()
    replicas, gpus = frame["replicas"].astype(int).astype(str), frame["gpus"].astype(str)
    frame["size"] = gpus.where(frame["replicas"] == 1, replicas + " × " + gpus)
    frame["option"] = frame["purchase_option"].map(option_title)
    frame["ttft_ms"], frame["tpot_ms"] = frame["ttft_s"] * 1000, frame["tpot_s"] * 1000
    kept = {True: "kept, surely", False: "kept, as expected"}
    frame["certainty"] = frame["keeps_slo_surely"].map(kept) if has_target else "none set"
    frame["price_date"] = pd.to_datetime(frame["observed_on"]).dt.date
    frame["covers"] = frame["price_covers"].str.replace("_", " ")
    return frame


def show_ranking(frame: pd.DataFrame, current: Case) -> None:
    """Show the ranked offers; a selected one can become the plan's."""
    chosen = st.dataframe(
        frame,
        column_order=list(COLUMNS),
        column_config={name: _shown(name, column) for name, column in COLUMNS.items()},
        hide_index=True,
        placeholder="",
        height=min(460, 38 + 35 * len(frame)),
        key=f"{KEY}table",
        on_select="rerun",
        selection_mode="single-row",
        alt="Offers that serve this workload, the best first",
    )
    made_at = now()
    with st.container(horizontal=True, vertical_alignment="center"):
        download_menu(
            "comparison",
            f"tokens-per-dollar-{made_at:%Y-%m-%d}",
            lambda: Report(
                "Tokens per dollar", (table_of_frame("Offers", frame, COLUMNS),), _facts(current), made_at
            ),
        )
        rows = [row for row in chosen["selection"]["rows"] if row < len(frame)]
        if not rows:
            st.caption("Select a row to plan with that offer.")
            return
        picked = frame.iloc[rows[0]]
        st.button(
            f"Plan with {picked['provider']} {picked['instance_type']}",
            icon=":material/add_task:",
            key=f"{KEY}take",
            on_click=change,
            kwargs={
                "gpu": picked["gpu"],
                "tp": int(picked["tp"]),
                "dp": int(picked["replicas"]),
                "offer": picked["offer_id"],
                "usd_per_gpu_hour": None,
            },
        )
        if case().offer == picked["offer_id"]:
            st.caption("This offer is in the current plan.")


def _shown(name: str, column: Column) -> Any:
    if name == "price_date":
        return st.column_config.DateColumn(column.name, format=formats.COLUMN_DATE)
    if column.unit == USD_PER_MTOK:
        label = f"{column.name}, USD/Mtok"
        return st.column_config.NumberColumn(label, format=formats.COLUMN_USD_FINE, help=column.header)
    if column.unit.startswith("USD"):
        return st.column_config.NumberColumn(column.header, format=formats.COLUMN_USD)
    if column.unit == "ms":
        return st.column_config.NumberColumn(column.header, format=formats.COLUMN_MS)
    if column.unit:
        return st.column_config.NumberColumn(column.header, format=formats.COLUMN_COUNT)
    return st.column_config.Column(column.name, help=HELP.get(name), width=WIDTHS_PX.get(name))


def _facts(current: Case) -> tuple[tuple[str, str], ...]:
    inputs = current.model_dump(mode="json", exclude_none=True, exclude={"config", "id", "gpu", "tp", "dp"})
    return tuple((name, str(value)) for name, value in inputs.items())


def show_refused(refused: pd.DataFrame) -> None:
    """Show the offers that cannot serve it, each with the reason."""
    if refused.empty:
        return
    with st.expander(f"{formats.plural(len(refused), 'offer')} cannot serve it, and why"):
        st.dataframe(
            refused,
            column_order=["gpu", "gpu_count", "provider", "instance_type", "region", "reason"],
            column_config={
                "gpu": "GPU",
                "gpu_count": "GPUs",
                "provider": "Provider",
                "instance_type": "Instance",
                "region": "Region",
                "reason": st.column_config.TextColumn("Reason", width="large"),
            },
            hide_index=True,
            placeholder="",
            height=320,
            alt="Offers that cannot serve this workload, with the reason",
        )
