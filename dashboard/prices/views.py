"""Parts of the page Prices: an offer's history, hosted APIs, energy, and tables with their units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.prices import charts as price_charts
from inferplan.dashboard.prices.tables import (
    API_COLUMNS,
    ENERGY_COLUMNS,
    ENERGY_TITLES,
    OFFER_COLUMNS,
    WHOLE_MACHINE,
)
from inferplan.dashboard.reports import Column, Report, table_of_frame
from inferplan.dashboard.state import PREFIX, now
from inferplan.datasets.schema import Offer

KEY = f"{PREFIX}prices."
NARROW = {"gpu_count", "observed_on", "stale", "open_weights", "unit", "period", "as_of", "value"}
SOURCE_PX = 160
HISTORY_COLUMNS = {
    "observed_on": Column("Seen on"),
    "usd_per_gpu_hour": Column("Price of a GPU", "USD per GPU-hour"),
    "usd_per_hour": Column("Price of the machine", "USD per hour"),
    "no_price_reason": Column("Why there is no price"),
    "date_basis": Column("How the date is known"),
    "source": Column("Source"),
}


def column_config(columns: Mapping[str, Column]) -> dict[str, Any]:
    """Return how a table shows ``columns``: money with a dollar sign, dates as ISO, units in the header."""
    return {name: _config(name, column) for name, column in columns.items()}


def show_offers(shown: pd.DataFrame, filters: Mapping[str, Sequence[str]]) -> pd.Series | None:
    """Show the table of offers with its download and return the row that is selected, if one is."""
    selected = st.dataframe(
        shown,
        column_order=list(OFFER_COLUMNS),
        column_config=column_config(OFFER_COLUMNS),
        hide_index=True,
        height=420,
        key=f"{KEY}table",
        on_select="rerun",
        selection_mode="single-row",
        placeholder="",
    )
    made_at = now()
    facts = tuple((f"Filter: {name}", ", ".join(values)) for name, values in filters.items() if values)
    with st.container(horizontal=True, vertical_alignment="center"):
        download_menu(
            "offers",
            f"gpu-prices-{made_at:%Y-%m-%d}",
            lambda: Report("GPU prices", (table_of_frame("Offers", shown, OFFER_COLUMNS),), facts, made_at),
        )
        rows = [row for row in selected["selection"]["rows"] if row < len(shown)]
        if not rows:
            st.caption("Select a row to see the offer's history or to plan with its price.")
            return None
    return shown.iloc[rows[0]]


def show_history(observations: Sequence[Offer]) -> None:
    """Show how the price of one offer moved, every observation with its date and source."""
    rows = [
        observation.model_dump()
        | {"usd_per_gpu_hour": observation.usd_per_gpu_hour, "seen": observation.observed_on.isoformat()}
        for observation in observations
    ]
    frame = pd.DataFrame(rows).astype({"usd_per_gpu_hour": float, "usd_per_hour": float})
    priced = frame.dropna(subset="usd_per_gpu_hour")
    if priced["usd_per_gpu_hour"].nunique() > 1:
        points = priced[["seen", "usd_per_gpu_hour", "source"]].to_dict("records")
        first, last = priced["usd_per_gpu_hour"].iloc[[0, -1]]
        st.altair_chart(
            price_charts.price_history(points),
            alt=f"Price from {formats.usd(first)} on {priced['seen'].iloc[0]} "
            f"to {formats.usd(last)} on {priced['seen'].iloc[-1]}",
        )
    else:
        times = formats.plural(len(priced), "time")
        st.caption(f"Seen {times}, always at the same price. Later refreshes add to its history.")
    st.dataframe(
        frame.iloc[::-1],
        column_order=list(HISTORY_COLUMNS),
        placeholder="",
        column_config=column_config(HISTORY_COLUMNS),
        hide_index=True,
    )


def show_hosted(prices: pd.DataFrame) -> None:
    """Show what hosts charge for a model, and the table of all."""
    hosts_of = prices.groupby("canonical_model")["provider"].nunique().sort_values(ascending=False)
    model = st.selectbox(
        "Model",
        sorted(hosts_of.index, key=str.casefold),
        index=sorted(hosts_of.index, key=str.casefold).index(hosts_of.index[0]),
        key=f"{KEY}api_model",
        persist_state="session",
    )
    of_model = prices[prices["canonical_model"] == model]
    points = [
        {
            "host": row["provider"],
            "kind": kind,
            "usd_per_mtok": row[f"{kind.lower()}_usd_per_mtok"],
            "seen": str(row["observed_on"]),
        }
        for row in of_model.to_dict("records")
        for kind in ("Input", "Output")
    ]
    st.altair_chart(
        price_charts.hosted_prices(points),
        alt=f"Prices of {model} at {formats.plural(len(of_model), 'host')}",
    )
    oldest, newest = of_model["observed_on"].min(), of_model["observed_on"].max()
    st.caption(f"List prices seen between {oldest} and {newest}; taxes and volume discounts are not in them.")
    st.subheader("All hosted prices")
    _table("api-prices", "Hosted API prices", prices, API_COLUMNS)


def show_energy(figures: pd.DataFrame) -> None:
    """Show PUE, tariffs and carbon intensities; sources disagree, so every one is named."""
    st.caption(
        "For machines that you own: electricity is the rated power times PUE times the tariff. Sources "
        "disagree, sometimes by a factor of four, so each figure names its own."
    )
    for metric, title in ENERGY_TITLES.items():
        st.subheader(title)
        found = figures[figures["metric"] == metric]
        present = {
            name: column
            for name, column in ENERGY_COLUMNS.items()
            if name not in {"location", "notes"} or found[name].astype(bool).any()
        }
        _table(f"energy-{metric}", title, found, present)


def shown_filters(
    known: pd.DataFrame, labels: Mapping[str, str]
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Draw the filters and return the rows that pass them, with what was chosen by label."""
    chosen = {
        field: column.multiselect(
            label,
            sorted(known[field].unique()),
            placeholder="every one",
            key=f"{KEY}{field}",
            persist_state="session",
        )
        for column, (field, label) in zip(st.columns(len(labels)), labels.items(), strict=True)
    }
    with_stale = st.toggle(
        "Show stale prices",
        value=True,
        key=f"{KEY}stale",
        persist_state="session",
        help="Stale is older than prices of its kind usually hold: spot a day, marketplaces a week, "
        "on demand three months, commitments half a year.",
    )
    passing = known if with_stale else known[~known["stale"]]
    for field, values in chosen.items():
        passing = passing[passing[field].isin(values)] if values else passing
    return passing, {labels[field]: values for field, values in chosen.items()}


def _table(name: str, title: str, frame: pd.DataFrame, columns: Mapping[str, Column]) -> None:
    st.dataframe(
        frame,
        column_order=list(columns),
        column_config=column_config(columns),
        hide_index=True,
        key=KEY + name,
        placeholder="",
    )
    made_at = now()
    download_menu(
        name,
        f"{name}-{made_at:%Y-%m-%d}",
        lambda: Report(title, (table_of_frame(title, frame, columns),), (), made_at),
    )


def _config(name: str, column: Column) -> Any:
    width: int | Literal["small"] | None = (
        "small" if name in NARROW else SOURCE_PX if name == "source" else None
    )
    if column.unit.startswith("USD"):
        label = f"{column.unit.replace('million tokens', 'Mtok')}"
        label = f"{column.name}, {label}" if "tokens" in column.unit else label
        return st.column_config.NumberColumn(label, format="$%.3f", help=column.header)
    if name in {"observed_on", "as_of"}:
        return st.column_config.DateColumn(column.name, format=formats.COLUMN_DATE, width=width)
    if column.unit == "tokens":
        return st.column_config.NumberColumn(column.header, format=formats.COLUMN_TOKENS)
    return st.column_config.Column(column.header, width=width)


def median_by_gpu(priced: pd.DataFrame, limit: int) -> pd.Series:
    """Return the median price of the ``limit`` GPUs with most offers, the dearest first."""
    most_offered = priced["gpu"].value_counts().head(limit).index
    medians: pd.Series = priced.groupby("gpu")["usd_per_gpu_hour"].median()
    return medians[most_offered].sort_values(ascending=False)


def show_distribution(priced: pd.DataFrame, limit: int) -> None:
    """Show the spread of prices by GPU, for the ``limit`` GPUs with most offers."""
    priced = priced[priced["covers"] == WHOLE_MACHINE]
    medians = median_by_gpu(priced, limit)
    drawn = priced[priced["gpu"].isin(medians.index)]
    rows = drawn.assign(
        kind=drawn["purchase_option"].map(price_charts.option_kind),
        offer=drawn["offer_id"],
        seen=drawn["observed_on"].astype(str),
    )[["gpu", "usd_per_gpu_hour", "kind", "offer", "seen"]].to_dict("records")
    said = [f"{gpu} median {formats.usd(median)}" for gpu, median in medians.items()]
    st.altair_chart(
        price_charts.price_distribution(rows, list(medians.index)),
        alt="Price per GPU-hour of every offer: " + formats.listing(said),
    )
    left_out = priced["gpu"].nunique() - len(medians)
    st.caption(
        "Each mark is an offer, the ring their median. A GPU-hour is the machine's price over its GPUs; "
        "machines differ in CPU and memory. Prices that leave the machine out are only in the table."
        + (f" So are the {left_out} GPUs with the fewest offers." if left_out else "")
    )
