"""Part of the page Prices: where prices come from, refreshing them, and the user's own price sheet."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from hashlib import sha256
from typing import Any

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.once import once
from inferplan.dashboard.spooled import spooled
from inferplan.dashboard.state import PREFIX
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing import refresh as refreshing
from inferplan.pricing.source import PriceSource
from inferplan.pricing.sources import sources

KEY = f"{PREFIX}prices."
REPORT = f"{KEY}report"
FAILURE = f"{KEY}failure"
SHEET_LIMIT_MB = 20
MANY = 8
EXAMPLE_SHEET = """\
provider,gpu,gpu_count,instance_type,region,purchase_option,usd_per_hour,observed_on,source,\
purchase_usd,depreciation_years,power_w,pue,electricity_usd_per_kwh
Example Cloud,H100 SXM,8,8x H100,eu-west,negotiated,18.40,2026-11-01,offer 4711,,,,,
Our data centre,H100 SXM,8,node 1,here,owned,,2026-11-01,invoice,280000,4,10200,1.3,0.12
"""
_LAST_REFRESHES = """
    SELECT source_name, max_by(report, refresh_id), max(refreshed_at), count(*)
    FROM price_refreshes GROUP BY source_name
"""


def show_sources(warehouse: Warehouse) -> None:
    """Show every source with its last refresh, a button to ask it again, and the upload of a sheet."""
    _show_outcome()
    last = {name: (json.loads(report), at) for name, report, at, _ in warehouse.rows(_LAST_REFRESHES)}
    region = st.text_input(
        "Region",
        key=f"{KEY}refresh_region",
        placeholder="every region of the source",
        help="Ask sources for one region only, such as eu-west-1: much faster.",
    ).strip()
    for source in sources().values():
        _show_source(warehouse, source, last.get(source.name), region or None)
    for name, (report, at) in last.items():
        if name not in sources():
            with st.container(border=True):
                st.markdown(f"**{formats.plain(report['title'])}**")
                st.caption(f"Imported {at:%Y-%m-%d %H:%M} UTC: {_counts(report)}")
    _show_sheet_upload(warehouse)


def _show_source(
    warehouse: Warehouse, source: PriceSource, last: tuple[dict[str, Any], Any] | None, region: str | None
) -> None:
    reason = source.skipped()
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        with st.container():
            st.markdown(f"**{formats.plain(source.title)}**")
            st.caption(
                f"Last refresh {last[1]:%Y-%m-%d %H:%M} UTC: {_counts(last[0])}"
                if last
                else "Never asked yet"
            )
            if reason:
                st.caption(f":material/block: Skipped: {formats.plain(reason)}")
        st.button(
            "Refresh",
            key=f"{KEY}refresh.{source.name}",
            icon=":material/refresh:",
            disabled=bool(reason),
            on_click=_refresh,
            args=(warehouse, source.name, region),
        )


def _show_sheet_upload(warehouse: Warehouse) -> None:
    st.subheader("Your own prices")
    st.markdown(
        "A CSV or Excel file with one offer per row: negotiated rates, and machines that you own from their "
        "purchase price, power and years of use. It lands whole or not at all."
    )
    st.download_button(
        "Example sheet",
        EXAMPLE_SHEET,
        file_name="price-sheet.csv",
        mime="text/csv",
        icon=":material/download:",
        key=f"{KEY}example_sheet",
        on_click="ignore",
    )
    uploaded = st.file_uploader(
        "Price sheet", type=["csv", "xlsx"], key=f"{KEY}sheet", max_upload_size=SHEET_LIMIT_MB
    )
    if uploaded is not None:
        st.button(
            f"Import {formats.plain(uploaded.name)}",
            type="primary",
            key=f"{KEY}import_sheet",
            on_click=_import_sheet,
            args=(warehouse, uploaded.name, uploaded.getvalue()),
        )


def _show_outcome() -> None:
    """Show what the last refresh or import of this session brought, or why it failed."""
    if failure := st.session_state.get(FAILURE):
        st.error(formats.sentence(failure), icon=":material/error:")
    report = st.session_state.get(REPORT)
    if not report:
        return
    title = formats.plain(report["title"])
    if report["skipped"]:
        st.warning(f"{title} was skipped: {formats.plain(report['skipped'])}", icon=":material/block:")
        return
    st.success(f"{title}: {_counts(report)}", icon=":material/check_circle:")
    for note in report["notes"]:
        st.caption(formats.plain(note))
    if report["changed"]:
        st.dataframe(pd.DataFrame(report["changed"]), hide_index=True, placeholder="")
    for what in ("refused", "duplicates"):
        if report[what]:
            with st.expander(f"{len(report[what]):,} {what}", expanded=len(report[what]) <= MANY):
                st.dataframe(pd.DataFrame(report[what]), hide_index=True, placeholder="")


def _counts(report: dict[str, Any]) -> str:
    if report["skipped"]:
        return f"skipped, {formats.plain(report['skipped'])}"
    parts = [
        f"{len(report['new']):,} new",
        f"{len(report['changed']):,} changed",
        f"{report['unchanged']:,} unchanged",
        f"{len(report['vanished']):,} vanished",
        f"{len(report['refused']):,} refused",
    ]
    return ", ".join(parts)


def _refresh(warehouse: Warehouse, name: str, region: str | None) -> None:
    _remember(("refresh", name, region), lambda: refreshing.refresh(warehouse, name, region))


def _import_sheet(warehouse: Warehouse, name: str, content: bytes) -> None:
    def run() -> refreshing.RefreshReport:
        with spooled(content, name) as path:
            return refreshing.import_sheet(warehouse, path)

    _remember(("sheet", name, sha256(content).digest()), run)


def _remember(action: Hashable, run: Callable[[], refreshing.RefreshReport]) -> None:
    st.session_state[REPORT], st.session_state[FAILURE] = None, None
    try:
        st.session_state[REPORT] = once(action, run).as_json()
    except InferplanError as error:
        st.session_state[FAILURE] = str(error)
