"""Part of the page Prices: what changed since plans were saved, what refreshes brought, ages by kind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.prices.tables import option_title
from inferplan.dashboard.reports import Column, Report, table_of_frame
from inferplan.dashboard.state import PREFIX, now
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.pricing.offers import ages, changes_since

KEY = f"{PREFIX}prices."
MOST_PLANS = 50
LAST_REFRESHES = """
    SELECT source_name, max_by(report, refresh_id), max(refreshed_at), count(*)
    FROM price_refreshes GROUP BY source_name ORDER BY max(refresh_id) DESC
"""
CHANGE_COLUMNS = {
    "plan": Column("Plan"),
    "saved": Column("Saved on"),
    "offer": Column("Offer"),
    "then": Column("Price in the plan", "USD per hour"),
    "then_seen": Column("Seen on"),
    "now": Column("Price now", "USD per hour"),
    "now_seen": Column("Seen last on"),
    "change": Column("Change", "USD per hour"),
    "percent": Column("Change", "%"),
    "reason": Column("Why there is none now"),
    "source": Column("Source"),
}
AGE_COLUMNS = {
    "kind": Column("Kind of price"),
    "life": Column("Usually holds", "days"),
    "offers": Column("Offers with a price"),
    "stale": Column("Older than that"),
    "oldest": Column("Oldest seen on"),
    "newest": Column("Newest seen on"),
}
BROUGHT = (("changed", "Changed"), ("new", "New"), ("vanished", "Vanished"), ("refused", "Refused"),
           ("duplicates", "Duplicates"))  # fmt: skip


def show_changes(warehouse: Warehouse, offers: Iterable[Offer], today: date) -> None:
    """Show prices of saved plans then and now, what the last refreshes brought, and the age by kind."""
    st.subheader("Since plans were saved")
    _show_pinned(warehouse)
    st.subheader("What the last refreshes brought")
    for name, report, at, times in warehouse.rows(LAST_REFRESHES):
        _show_brought(name, json.loads(report), f"{at:%Y-%m-%d %H:%M} UTC", int(times))
    st.subheader("How old prices are")
    rows = [
        {
            "kind": "On demand, marketplaces" if age.kind == "marketplace" else option_title(age.kind),
            "life": age.usual_life.days,
            "offers": age.offers,
            "stale": age.stale,
            "oldest": age.oldest,
            "newest": age.newest,
        }
        for age in ages(offers, today)
    ]
    st.dataframe(
        pd.DataFrame(rows), column_config=_config(AGE_COLUMNS), hide_index=True, key=f"{KEY}ages",
        alt="Age of prices by kind",
    )  # fmt: skip
    st.caption("The bundled prices are as old as their dates say; a refresh under Sources brings newer ones.")


def pinned_rows(warehouse: Warehouse) -> list[dict[str, object]]:
    """Return every price that a saved plan pins, with what became of it."""
    rows: list[dict[str, object]] = []
    for entry in plan_store.entries(warehouse)[:MOST_PLANS]:
        plan = plan_store.load(warehouse, entry.plan_id)
        for change in changes_since(warehouse, plan.prices):
            then, known = change.pinned, change.now
            difference = change.usd_per_hour_difference
            rows.append(
                {
                    "plan": entry.name,
                    "saved": entry.saved_at.date(),
                    "offer": then.offer_id,
                    "then": None if then.usd_per_hour is None else float(then.usd_per_hour),
                    "then_seen": then.observed_on,
                    "now": None if known is None or known.usd_per_hour is None else float(known.usd_per_hour),
                    "now_seen": None if known is None else known.observed_on,
                    "change": None if difference is None else float(difference),
                    "percent": None
                    if difference is None or not then.usd_per_hour
                    else float(difference / then.usd_per_hour * 100),
                    "reason": "not known here" if known is None else known.no_price_reason or "",
                    "source": (known or then).source,
                }
            )
    return rows


def _show_pinned(warehouse: Warehouse) -> None:
    try:
        rows = pinned_rows(warehouse)
    except InferplanError as error:
        st.error(formats.sentence(error), icon=":material/error:")
        return
    if not rows:
        st.caption(
            "No saved plan holds the price of an offer. A plan that does is compared with today's here."
        )
        return
    frame = pd.DataFrame(rows, columns=list(CHANGE_COLUMNS))
    moved = int((frame["change"].fillna(0) != 0).sum())
    gone = int(frame["now"].isna().sum())
    st.markdown(
        f"{formats.plural(len(frame), 'price')} in saved plans: **{moved} changed**, {gone} without a price "
        "now. A plan keeps its own until you take the newest on the page Plans."
    )
    st.dataframe(
        frame, column_config=_config(CHANGE_COLUMNS), hide_index=True, placeholder="", key=f"{KEY}pinned",
        alt="Prices of saved plans then and now",
    )  # fmt: skip
    made_at = now()
    download_menu(
        "pinned-prices",
        f"plan-prices-{made_at:%Y-%m-%d}",
        lambda: Report("Prices of plans then and now", (table_of_frame("Prices", frame, CHANGE_COLUMNS),),
                       (("Price now", "the newest observation in this warehouse"),), made_at),
    )  # fmt: skip


def _show_brought(name: str, report: dict[str, Any], at: str, times: int) -> None:
    counts = [f"{len(report[field]):,} {title.lower()}" for field, title in BROUGHT if report[field]]
    title = formats.plain(f"{report['title']}, {at}: ")
    with st.expander(title + (formats.listing(counts) or f"{report['unchanged']:,} unchanged, nothing new")):
        st.caption(
            formats.plain(
                f"Refreshed {formats.plural(times, 'time')}"
                + (f", last for {report['region']}" if report["region"] else "")
                + f"; {report['unchanged']:,} unchanged."
            )
        )
        for field, heading in BROUGHT:
            if found := report[field]:
                st.markdown(f"**{heading}** ({len(found):,})")
                frame = pd.DataFrame(found if isinstance(found[0], dict) else {"offer": found})
                st.dataframe(frame, hide_index=True, height=min(260, 38 + 35 * len(frame)),
                             key=f"{KEY}brought.{name}.{field}")  # fmt: skip
        for note in report["notes"]:
            st.caption(formats.plain(note))


def _config(columns: dict[str, Column]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name, column in columns.items():
        if column.unit.startswith("USD"):
            config[name] = st.column_config.NumberColumn(column.header, format=formats.COLUMN_USD)
        elif column.unit == "%":
            config[name] = st.column_config.NumberColumn(column.header, format="%.1f")
        elif name in {"saved", "then_seen", "now_seen", "oldest", "newest"}:
            config[name] = st.column_config.DateColumn(column.name, format=formats.COLUMN_DATE)
        else:
            config[name] = st.column_config.Column(column.header)
    return config
