"""Prices: what an hour of a GPU, a million hosted tokens and a kilowatt-hour cost, since when, says who."""

import streamlit as st

from inferplan.dashboard import cached, formats, inputs
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.prices import changes as price_changes
from inferplan.dashboard.prices import sources as price_sources
from inferplan.dashboard.prices import tables as price_tables
from inferplan.dashboard.prices import views as price_views
from inferplan.dashboard.state import PREFIX, case, change, now
from inferplan.dashboard.tabs import page_tabs
from inferplan.datasets.errors import InferplanError
from inferplan.pricing.offers import history

GPUS_IN_CHART = 14
FILTERS = {"gpu": "GPU", "provider": "Provider", "region": "Region", "option": "Purchase option"}

current = case()
st.title("Prices")
inputs.show_problem()
try:
    store = warehouse()
    known = price_tables.offers(store, now().date())
except InferplanError as error:
    st.error(formats.sentence(error), icon=":material/error:")
    st.stop()

machines, hosted, energy, changes, sources = page_tabs(
    ["GPU machines", "Hosted APIs", "Energy", "Changes", "Sources"],
    key=f"{PREFIX}prices.tab",
)
if hosted.open:
    with hosted:
        price_views.show_hosted(price_tables.api_prices())
if energy.open:
    with energy:
        price_views.show_energy(price_tables.energy())
if changes.open:
    with changes:
        price_changes.show_changes(store, cached.offers(store), now().date())
if sources.open:
    with sources:
        price_sources.show_sources(store)
if not machines.open:
    st.stop()

with machines:
    shown, filters = price_views.shown_filters(known, FILTERS)
    if shown.empty:
        st.info("No offer matches these filters. Clear one of them.", icon=":material/info:")
        st.stop()
    priced = shown.dropna(subset="usd_per_gpu_hour")
    figures = st.container(horizontal=True, gap="medium")
    figures.metric("Offers", formats.count(len(shown)), help=f"of {formats.count(len(known))} known")
    if shown["gpu"].nunique() == 1 and not priced.empty:
        cheapest = priced.iloc[int(priced["usd_per_gpu_hour"].argmin())]
        figures.metric(
            "Cheapest GPU-hour",
            formats.usd(cheapest["usd_per_gpu_hour"]),
            help=formats.plain(f"{cheapest['offer_id']}, seen {cheapest['observed_on']}"),
        )
        figures.metric("Median GPU-hour", formats.usd(priced["usd_per_gpu_hour"].median()))
    else:
        figures.metric("GPUs", formats.count(shown["gpu"].nunique()))
        figures.metric("Providers", formats.count(shown["provider"].nunique()))
    figures.metric(
        "Stale",
        formats.percent(shown["stale"].mean()),
        help=f"Seen between {shown['observed_on'].min()} and {shown['observed_on'].max()}. "
        "Refresh them under Sources.",
    )
    if (priced["covers"] == price_tables.WHOLE_MACHINE).any():
        st.subheader("One GPU name is never one price")
        price_views.show_distribution(priced, GPUS_IN_CHART)
    st.subheader("Offers")
    planned_first = shown.sort_values("gpu", key=lambda gpu: gpu != current.gpu, kind="stable")
    picked = price_views.show_offers(planned_first, filters)
    if picked is not None:
        st.subheader(formats.plain(picked["offer_id"].replace("/", " / ")), anchor=False)
        if picked["gpu"] == current.gpu:
            st.button(
                "Use this price in the current plan",
                icon=":material/add_task:",
                key=f"{PREFIX}prices.use",
                on_click=change,
                kwargs={"offer": picked["offer_id"], "usd_per_gpu_hour": None},
            )
        price_views.show_history(history(store, picked["offer_id"]))
