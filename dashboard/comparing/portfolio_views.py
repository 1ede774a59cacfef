"""Part of the page Tokens per dollar: several models that share the traffic, and machines for them all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from inferplan.dashboard import cached, formats, state
from inferplan.dashboard.comparing.fleet_rows import COLUMNS, fleet_rows, model_rows
from inferplan.dashboard.comparing.search_inputs import KEY, take_search
from inferplan.dashboard.comparing.views import show_set_aside
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.navigation import show_link
from inferplan.dashboard.reports import Column, Report, table_of_frame
from inferplan.dashboard.state import case, now
from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.case import Case
from inferplan.planner.compare import Search
from inferplan.planner.fleet_choice import Fleet, cheapest_fleet
from inferplan.planner.plan import FleetPlan
from inferplan.planner.portfolio import Member, Portfolio

MEMBERS = f"{KEY}portfolio"
BEGUN = f"{MEMBERS}.begun"
TABLE = f"{MEMBERS}.table"
RATE = f"{KEY}portfolio_rate"
UPLOAD = f"{KEY}portfolio_file"
SERVE = f"{KEY}serve"
SEVERAL = "Several models"
TAKEN = f"{MEMBERS}.taken"
"""Session key of the opened plan's portfolio, once the inputs were filled with it."""
GIVEN = f"{MEMBERS}.given"
"""Session key of an opened plan's portfolio that the table cannot show."""
FIRST_RATE = 20.0
UPLOAD_LIMIT_MB = 4
WIDTHS_PX = {"offer": 260, "source": 140}
EDITED = {
    "share_percent": st.column_config.NumberColumn("Share of requests (%)", min_value=0.1, max_value=100.0),
    "model": st.column_config.SelectboxColumn("Model", options=list(catalog.models()), required=True),
    "weights_dtype": st.column_config.TextColumn("Weights", help="Empty: as the checkpoint says"),
    "input_tokens": st.column_config.NumberColumn("Input tokens", min_value=1, required=True),
    "output_tokens": st.column_config.NumberColumn("Output tokens", min_value=1, required=True),
    "max_model_len": st.column_config.NumberColumn("Context", min_value=1, help="Empty: the model's own"),
    "ttft_ms": st.column_config.NumberColumn(
        "TTFT (ms)", min_value=1.0, help="Time to first token. Empty: no target"
    ),
    "tpot_ms": st.column_config.NumberColumn("TPOT (ms)", min_value=1.0, help="Empty: no target"),
}
MODEL_COLUMNS: Mapping[str, Any] = {
    "model": "Model",
    "gpu": "GPU",
    "replicas": "Replicas",
    "gpus": "GPUs of each",
    "engine": "Engine",
    "weights_dtype": "Weights",
    "requests_per_s": st.column_config.NumberColumn("Requests per s", format="%.2f"),
    "ttft_ms": st.column_config.NumberColumn("TTFT (ms)", format=formats.COLUMN_MS),
    "tpot_ms": st.column_config.NumberColumn("TPOT (ms)", format="%.1f"),
    "kept": "Target kept",
}


def show_portfolio(store: Warehouse, search: Search) -> None:
    """Ask which models serve which share, and show the cheapest whole machines for all of them."""
    st.caption(
        "One stream of requests that several models share, and the cheapest machines that serve them all."
    )
    try:
        portfolio = _portfolio()
        if portfolio is None:
            st.info("Add a model to the table.", icon=":material/add:")
            return
        by_cost = search.model_copy(update={"rank_by": "usd_per_request"})
        found = cached.comparison(store, portfolio.cases(), by_cost)
        fleet = cheapest_fleet(portfolio, found)
    except InferplanError as error:
        st.error(formats.sentence(error), icon=":material/error:")
        return
    show_fleet(fleet)
    _offer_downloads(portfolio, fleet)
    _offer_as_plan(portfolio, search, fleet, cached.offers(store))
    show_set_aside(found)


def _portfolio() -> Portfolio | None:
    """Return what was uploaded, else what the table says; ``None`` for an empty table."""
    rate = st.number_input(
        "Requests per second, all models together",
        min_value=0.001,
        value=FIRST_RATE,
        format="%g",
        key=RATE,
        persist_state="session",
        width=320,
    )
    with st.popover("Use a file", icon=":material/upload_file:"):
        upload = st.file_uploader(
            "A portfolio as JSON", type="json", key=UPLOAD, max_upload_size=UPLOAD_LIMIT_MB
        )
        st.caption("As downloaded below. Remove it to go back to the table.")
    if upload is not None:
        try:
            return Portfolio.read(json.loads(upload.getvalue()))
        except (ValueError, RecursionError) as error:
            msg = f"{upload.name} is not JSON: {error}"
            raise InferplanError(msg) from None
    if (given := st.session_state.get(GIVEN)) is not None:
        st.caption(
            "The models of the opened plan say more than the table can show; they are used as they are."
        )
        st.button("Begin a table instead", key=f"{KEY}portfolio_table", on_click=_begin_table)
        return Portfolio.model_validate(given)
    if MEMBERS not in st.session_state:  # first seen, or back from another page
        st.session_state[BEGUN] = st.session_state.get(TABLE, _first_table(case()))
    edited = st.session_state[TABLE] = st.data_editor(
        st.session_state[BEGUN],
        column_config=EDITED,
        num_rows="dynamic",
        hide_index=True,
        key=MEMBERS,
        alt="Models with their shares of the requests",
    )
    return _read(rate, edited)


def _read(rate: float, table: pd.DataFrame) -> Portfolio | None:
    models = [_entry(row) for row in table.to_dict("records") if row["model"]]
    return Portfolio.read({"requests_per_s": rate, "models": models}) if models else None


def _begin_table() -> None:
    st.session_state[GIVEN] = None


def _first_table(current: Case) -> pd.DataFrame:
    """Return the table to begin with: the plan's model and a small one beside it."""
    rows = [
        (70.0, current.model, current.weights_dtype, current.input_tokens, current.output_tokens, 8192),
        (30.0, "meta-llama/Llama-3.1-8B-Instruct", None, 1000, 200, 8192),
    ]
    frame = pd.DataFrame(rows, columns=list(EDITED)[:6])
    return frame.assign(ttft_ms=2000.0, tpot_ms=50.0)


def _entry(row: dict[Any, Any]) -> dict[str, Any]:
    """Return a row of the table as a model of a portfolio's document."""
    known = {name: value for name, value in row.items() if not pd.isna(value)}
    slo = {
        name.replace("_ms", "_s"): known.pop(name) / 1000 for name in ("ttft_ms", "tpot_ms") if name in known
    }
    share = known.pop("share_percent", 0.0) / 100
    whole = {name: int(value) if isinstance(value, float) else value for name, value in known.items()}
    return {"share": share, **whole, "slo": slo}


def show_fleet(fleet: Fleet) -> None:
    """Show what a fleet costs, what to rent for it, and what runs there."""
    machines = sum(purchase.machines for purchase in fleet.purchases)
    apart = fleet.apart_usd_per_hour - fleet.usd_per_hour
    shared = f", {formats.usd(apart)} less than with machines of its own for each model" if apart else ""
    st.success(
        formats.plain(
            f"{formats.usd(fleet.usd_per_month)} per month for {formats.plural(machines, 'whole machine')} "
            "that serve all models within their targets "
            f"({formats.usd(fleet.usd_per_hour)} per hour{shared})."
        ),
        icon=":material/payments:",
    )
    with st.container(horizontal=True, gap="medium"):
        st.metric("Per month of 730 hours", formats.usd(fleet.usd_per_month))
        st.metric("Per million tokens", formats.usd(fleet.usd_per_mtok, 3))
        st.metric("Tokens per dollar", formats.count(1e6 / fleet.usd_per_mtok))
    bought, running = pd.DataFrame(fleet_rows(fleet)), pd.DataFrame(model_rows(fleet))
    st.subheader("What to rent")
    st.dataframe(
        bought,
        column_config={name: _shown(name, column) for name, column in COLUMNS.items()},
        hide_index=True,
        placeholder="",
        alt="Machines to rent, with their price and its source",
    )
    st.subheader("What runs on it")
    st.dataframe(
        running,
        column_config=MODEL_COLUMNS,
        hide_index=True,
        placeholder="",
        alt="Where each model runs, and how fast",
    )
    st.caption(
        "Whole machines: what a model does not fill is paid for, unless another model runs there. Replicas "
        "are counted at full load within the targets; list prices, no tax, traffic or storage."
    )


def _offer_as_plan(portfolio: Portfolio, search: Search, fleet: Fleet, offers: Iterable[Offer]) -> None:
    """Offer to make the answer what the page Plans is about, in place of the plan that it came from."""
    in_hand, at = state.fleet(), now().replace(microsecond=0)
    found = FleetPlan(
        id=in_hand.id if in_hand else state.UNSAVED,
        name=in_hand.name if in_hand else "Several models",
        notes=in_hand.notes if in_hand else "",
        author=in_hand.author if in_hand else "",
        created_at=at,
        updated_at=at,
        portfolio=portfolio,
        search=search,
        priced_on=at.date(),
        prices=tuple(offer for offer in offers if offer.offer_id in fleet.offer_ids),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Make it the current plan" if in_hand is None else "Put it into the current plan",
            icon=":material/bookmark_add:",
            key=f"{KEY}portfolio_plan",
            on_click=_use_as_plan,
            args=(found,),
        )
        if in_hand is not None and in_hand.portfolio == portfolio:
            show_link("plans", "Name and save it on page Plans", ":material/bookmarks:")


def _use_as_plan(plan: FleetPlan) -> None:
    state.use_fleet(plan)
    st.session_state[TAKEN] = plan.portfolio.document()


def take_up(plan: FleetPlan | None) -> None:
    """Fill the inputs of the page with those of a plan that was opened, once."""
    if plan is None or st.session_state.get(TAKEN) == plan.portfolio.document():
        return
    st.session_state[TAKEN] = plan.portfolio.document()
    st.session_state[SERVE] = SEVERAL
    st.session_state[RATE] = plan.portfolio.requests_per_s
    take_search(plan.search)
    rows = [_row(member) for member in plan.portfolio.members]
    table = pd.DataFrame(rows, columns=list(EDITED))
    editable = plan.portfolio == _read(plan.portfolio.requests_per_s, table)
    st.session_state[GIVEN] = None if editable else plan.portfolio
    if editable:
        st.session_state[TABLE] = table
        st.session_state.pop(MEMBERS, None)


def _row(member: Member) -> tuple[Any, ...]:
    """Return what the table shows of a member."""
    case = member.case
    targets_ms = (target and target * 1000 for target in (case.slo.ttft_s, case.slo.tpot_s))
    return (
        member.share * 100, case.model, case.weights_dtype, case.input_tokens, case.output_tokens,
        case.max_model_len, *targets_ms,
    )  # fmt: skip


def _offer_downloads(portfolio: Portfolio, fleet: Fleet) -> None:
    bought, made_at = pd.DataFrame(fleet_rows(fleet)), now()
    facts = (("Requests per second", f"{portfolio.requests_per_s:g}"), ("Portfolio", portfolio.document()))
    with st.container(horizontal=True):
        download_menu(
            "portfolio",
            f"portfolio-{made_at:%Y-%m-%d}",
            lambda: Report("Portfolio", (table_of_frame("Machines", bought, COLUMNS),), facts, made_at),
        )
        st.download_button(
            "Portfolio as JSON",
            portfolio.document(),
            file_name="portfolio.json",
            mime="application/json",
            icon=":material/data_object:",
            key=f"{KEY}portfolio_json",
            on_click="ignore",
        )


def _shown(name: str, column: Column) -> Any:
    if column.unit.startswith("USD"):
        return st.column_config.NumberColumn(column.header, format="dollar")
    return st.column_config.Column(column.name, width=WIDTHS_PX.get(name))
