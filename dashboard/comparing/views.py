"""Parts of the page Tokens per dollar: the ranked offers, why the first is first, what was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.comparing import words
from inferplan.dashboard.comparing.row_case import deployment_fields
from inferplan.dashboard.comparing.search_inputs import KEY, STALE_KEY
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.inputs import ENGINE_TITLES
from inferplan.dashboard.prices.tables import option_title
from inferplan.dashboard.reports import Column, Report, table_of_frame
from inferplan.dashboard.state import change, now
from inferplan.planner.case import Case
from inferplan.planner.compare import Comparison, Contest, RankBy

USD_PER_MTOK = "USD per million tokens"
COLUMNS: Mapping[str, Column] = {
    "gpu": Column("GPU"),
    "size": Column("GPUs"),
    "usd_per_1000_requests": Column("1,000 requests", "USD"),
    "usd_per_mtok_output": Column("Output", USD_PER_MTOK),
    "usd_per_mtok_input": Column("Input", USD_PER_MTOK),
    "tpot_ms": Column("TPOT", "ms"),
    "provider": Column("Provider"),
    "price_date": Column("Price seen on"),
    "source": Column("Price source"),
    "stale": Column("Old price"),
    "instance_type": Column("Instance"),
    "region": Column("Region"),
    "option": Column("Purchase option"),
    "ttft_ms": Column("TTFT", "ms"),
    "e2e_ms": Column("Whole request", "ms"),
    "usd_per_mtok": Column("Input and output", USD_PER_MTOK),
    "usd_per_mtok_output_low": Column("Output, low", USD_PER_MTOK),
    "usd_per_mtok_output_high": Column("Output, high", USD_PER_MTOK),
    "tokens_per_usd": Column("Tokens", "per USD"),
    "usd_per_hour": Column("All replicas", "USD per hour"),
    "interactivity_tokens_per_s": Column("Speed per user", "tokens/s"),
    "kwh_per_mtok": Column("Energy", "kWh per million tokens"),
    "concurrency": Column("In flight per replica"),
    "engine_title": Column("Engine"),
    "weights_dtype": Column("Weights"),
    "kv_dtype": Column("KV cache"),
    "split": Column("Split"),
    "certainty": Column("Latency target"),
    "covers": Column("Price covers"),
}
RANKED_BY: Mapping[RankBy, str] = {
    "usd_per_request": "usd_per_1000_requests",
    "ttft_s": "ttft_ms",
    "tpot_s": "tpot_ms",
    "e2e_s": "e2e_ms",
}
"""Columns of the rankings whose own are not shown."""
MOST_TRIED = 2_000
TRIED_COLUMNS: Mapping[str, Any] = {
    "gpu": "GPU",
    "gpus": "GPUs",
    "engine": "Engine",
    "weights_dtype": "Weights",
    "kv_dtype": "KV cache",
    "tp": "TP",
    "pp": "PP",
    "ep": "EP",
    "loads": "Loads tried",
    "kept": "That serve it",
    "outcome": "Outcome",
    "reason": st.column_config.TextColumn("Reason", width="large"),
}
# a GPU is read whole, and a price's date and source stand beside it, on a screen of usual width
WIDTHS_PX = {"gpu": 170, "provider": 100, "source": 140}
HELP = {
    "size": "Replicas × GPUs of each",
    "certainty": "Surely: the slow end of the interval keeps it too",
    "stale": "Older than prices of its kind usually hold: spot a day, marketplaces a week, on demand three "
    "months, commitments half a year",
    "split": "Tensor × pipeline parallel, and expert parallel where it is not 1",
    "kwh_per_mtok": "At most: the GPUs' rated power all the time, cooling included, without CPU and fans",
}


def readable(ranked: pd.DataFrame, has_target: bool) -> pd.DataFrame:
    """Return the ranked offers with the columns that people read."""
    frame = ranked.copy()
    replicas, gpus = frame["replicas"].astype(int).astype(str), frame["gpus"].astype(str)
    frame["size"] = gpus.where(frame["replicas"] == 1, replicas + " × " + gpus)
    frame["option"] = frame["purchase_option"].map(option_title)
    for latency in ("ttft", "tpot", "e2e"):
        frame[f"{latency}_ms"] = frame[f"{latency}_s"] * 1000
    frame["usd_per_1000_requests"] = frame["usd_per_request"] * 1000
    kept = {True: "kept, surely", False: "kept, as expected"}
    frame["certainty"] = frame["keeps_slo_surely"].map(kept) if has_target else "none set"
    frame["price_date"] = pd.to_datetime(frame["observed_on"]).dt.date
    frame["engine_title"] = frame["engine"].map(ENGINE_TITLES)
    frame["split"] = frame["tp"].astype(str) + " × " + frame["pp"].astype(str)
    frame["split"] = frame["split"].where(
        frame["ep"] == 1, frame["split"] + ", EP " + frame["ep"].astype(str)
    )
    frame["covers"] = frame["price_covers"].str.replace("_", " ")
    return frame


def show_ranking(frame: pd.DataFrame, current: Case, rank_by: RankBy) -> None:
    """Show the ranked offers, by what first; a selected one can become the plan's."""
    first = ["gpu", "size", RANKED_BY.get(rank_by, rank_by)]
    shown = [name for name in COLUMNS if name != "stale" or frame["stale"].any()]
    chosen = st.dataframe(
        frame,
        column_order=list(dict.fromkeys([*first, *shown])),
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
        if rows:
            _offer_to_plan(current, frame.iloc[rows[0]])
        else:
            st.caption("Select a row to plan with that offer.")


def _offer_to_plan(current: Case, picked: pd.Series) -> None:
    st.button(
        f"Plan with {picked['provider']} {picked['instance_type']}",
        icon=":material/add_task:",
        key=f"{KEY}take",
        on_click=change,
        kwargs={
            **deployment_fields(current, picked),
            "dp": int(picked["replicas"]),
            "offer": picked["offer_id"],
            "usd_per_gpu_hour": None,
        },
    )
    if current.offer == picked["offer_id"]:
        st.caption("This offer is in the current plan.")


def _shown(name: str, column: Column) -> Any:
    if name == "price_date":
        return st.column_config.DateColumn(column.name, format=formats.COLUMN_DATE)
    if column.unit == USD_PER_MTOK:
        label = f"{column.name}, USD/Mtok"
        return st.column_config.NumberColumn(label, format=formats.COLUMN_USD_FINE, help=column.header)
    if name == "usd_per_1000_requests":
        return st.column_config.NumberColumn("USD per 1,000 requests", format=formats.COLUMN_USD_FINE)
    if column.unit.startswith("USD"):
        return st.column_config.NumberColumn(column.header, format=formats.COLUMN_USD)
    if name == "kwh_per_mtok":
        return st.column_config.NumberColumn("kWh/Mtok", format="%.3f", help=HELP[name])
    if column.unit == "ms":
        return st.column_config.NumberColumn(column.header, format=formats.COLUMN_MS)
    if column.unit:
        return st.column_config.NumberColumn(column.header, format=formats.COLUMN_COUNT)
    return st.column_config.Column(
        column.name,
        help=HELP.get(name),
        width=WIDTHS_PX.get(name),
        alignment="right" if name == "size" else None,
    )


def _facts(current: Case) -> tuple[tuple[str, str], ...]:
    inputs = current.model_dump(mode="json", exclude_none=True, exclude={"config", "id", "gpu", "tp", "dp"})
    return tuple((name, str(value)) for name, value in inputs.items())


def show_why(contests: Sequence[Contest], rank_by: RankBy) -> None:
    """Say how far the winner is ahead, and what would change the order."""
    if contests:
        st.markdown("\n".join(f"- {formats.plain(said)}" for said in words.why(contests, rank_by)))


def in_play(ranked: pd.DataFrame) -> pd.DataFrame:
    """Return the ranked offers without those set aside for their price's age, unless these are all."""
    fresh = ranked[~ranked["set_aside"]]
    return ranked if fresh.empty else fresh


def show_set_aside(found: Comparison) -> None:
    """Say how many offers are left out because their prices are old, and let them in."""
    stale = found.ranked.loc[found.ranked["stale"], "offer_id"].nunique()
    if not stale:
        return
    if found.ranked["set_aside"].all():
        st.warning(
            "Every price here is older than such prices usually hold. Refresh them on the page Prices.",
            icon=":material/history:",
        )
        return
    st.toggle(
        f"Include {formats.plural(stale, 'offer')} whose price is older than prices of its kind usually hold",
        key=STALE_KEY,
        persist_state="session",
        help=HELP["stale"],
    )


def show_tried(found: Comparison) -> None:
    """Show what became of every configuration and, by outcome, of every deployment."""
    total = formats.count(int(found.outcomes["configurations"].sum()))
    with st.expander(
        f"{total} configurations were tried: what became of them", icon=":material/account_tree:"
    ):
        st.caption(f"{formats.plain(words.counted(found))}. A configuration is a deployment under one load.")
        outcomes = list(found.tried["outcome"].unique())
        chosen = st.pills("Show deployments that", outcomes, key=f"{KEY}outcome")
        tried = found.tried if chosen is None else found.tried[found.tried["outcome"] == chosen]
        st.dataframe(
            tried.head(MOST_TRIED),
            column_order=list(TRIED_COLUMNS),
            column_config=TRIED_COLUMNS,
            hide_index=True,
            placeholder="",
            height=320,
            alt="Deployments that were tried, with what became of them",
        )
        if len(tried) > MOST_TRIED:
            st.caption(f"The first {formats.count(MOST_TRIED)} of {formats.count(len(tried))} deployments.")


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
