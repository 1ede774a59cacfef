"""Prices as frames for the page and its downloads: offers, hosted APIs, energy, each with source and date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from inferplan.dashboard.reports import Column
from inferplan.datasets import catalog
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing.offers import current_offers, is_stale, load_snapshot

OPTION_TITLES: Mapping[str, str] = {
    "on_demand": "On demand",
    "spot": "Spot",
    "reserved_1y": "Reserved, 1 year",
    "reserved_3y": "Reserved, 3 years",
    "reserved_6mo": "Reserved, 6 months",
    "reserved_from": "Reserved, from",
    "savings_plan_1y": "Savings plan, 1 year",
    "savings_plan_3y": "Savings plan, 3 years",
    "capacity_block": "Capacity block",
    "flex_start": "Flex start",
    "owned": "Owned",
    "negotiated": "Negotiated",
}
WHOLE_MACHINE = "whole machine"
COVERS_TITLES: Mapping[str, str] = {
    "machine": WHOLE_MACHINE,
    "gpu_only": "GPU only, CPU and memory extra",
    "reservation_fee": "reservation fee, paid ahead",
}
OFFER_COLUMNS: Mapping[str, Column] = {
    "gpu": Column("GPU"),
    "usd_per_gpu_hour": Column("Price of a GPU", "USD per GPU-hour"),
    "observed_on": Column("Seen on"),
    "source": Column("Source"),
    "provider": Column("Provider"),
    "instance_type": Column("Instance"),
    "gpu_count": Column("GPUs"),
    "region": Column("Region"),
    "option": Column("Purchase option"),
    "stale": Column("Stale"),
    "usd_per_hour": Column("Price of the machine", "USD per hour"),
    "covers": Column("Price covers"),
    "date_basis": Column("How the date is known"),
    "no_price_reason": Column("Why there is no price"),
    "notes": Column("Notes"),
}
API_COLUMNS: Mapping[str, Column] = {
    "canonical_model": Column("Model"),
    "provider": Column("Host"),
    "input_usd_per_mtok": Column("Input", "USD per million tokens"),
    "cached_input_usd_per_mtok": Column("Cached input", "USD per million tokens"),
    "output_usd_per_mtok": Column("Output", "USD per million tokens"),
    "context_window_tokens": Column("Context", "tokens"),
    "open_weights": Column("Open weights"),
    "observed_on": Column("Seen on"),
    "source": Column("Source"),
    "model_id": Column("Name at the host"),
}
ENERGY_COLUMNS: Mapping[str, Column] = {
    "scope": Column("Scope"),
    "location": Column("Place"),
    "value": Column("Value"),
    "unit": Column("Unit"),
    "period": Column("Period"),
    "as_of": Column("As of"),
    "source": Column("Source"),
    "notes": Column("Notes"),
}
ENERGY_TITLES: Mapping[str, str] = {
    "pue": "Power usage effectiveness of data centres",
    "electricity_price": "Electricity prices",
    "grid_carbon": "Carbon intensity of grids",
}
KEEP_S = 3600


def option_title(option: str) -> str:
    """Return a purchase option in words; a source's own option is shown as it is called."""
    return OPTION_TITLES.get(option, option.replace("_", " ").capitalize())


def offers(warehouse: Warehouse, today: date) -> pd.DataFrame:
    """Return the newest price of every offer, the dearest GPU first; read again only after a refresh."""
    load_snapshot(warehouse)
    [(newest_refresh,)] = warehouse.rows("SELECT max(refresh_id) FROM price_refreshes")
    return _offers(str(warehouse.path), newest_refresh, today, _warehouse=warehouse)


@st.cache_data(max_entries=4, ttl=KEEP_S, show_spinner=False)
def _offers(path: str, newest_refresh: int, today: date, *, _warehouse: Warehouse) -> pd.DataFrame:
    frame = pd.DataFrame([_offer_row(offer, today) for offer in current_offers(_warehouse)])
    return frame.sort_values(["gpu", "usd_per_gpu_hour", "offer_id"], ignore_index=True)


def _offer_row(offer: Offer, today: date) -> dict[str, Any]:
    price, per_gpu = offer.usd_per_hour, offer.usd_per_gpu_hour
    return offer.model_dump(exclude={"usd_per_hour", "price_covers", "vcpus", "memory_gib"}) | {
        "offer_id": offer.offer_id,
        "option": option_title(offer.purchase_option),
        "usd_per_hour": None if price is None else float(price),
        "usd_per_gpu_hour": None if per_gpu is None else round(float(per_gpu), 6),
        "covers": COVERS_TITLES[offer.price_covers],
        "stale": is_stale(offer, today),
    }


@st.cache_data(ttl=KEEP_S, max_entries=1, show_spinner=False)
def api_prices() -> pd.DataFrame:
    """Return the prices of hosted models, by model and then by the price of output."""
    frame = pd.DataFrame([price.model_dump() for price in catalog.api_prices()])
    money = [name for name in frame.columns if name.endswith("_usd_per_mtok")]
    frame[money] = frame[money].astype(float)
    return frame.sort_values(["canonical_model", "output_usd_per_mtok", "provider"], ignore_index=True)


@st.cache_data(ttl=KEEP_S, max_entries=1, show_spinner=False)
def energy() -> pd.DataFrame:
    """Return PUE, tariffs and carbon intensities."""
    frame = pd.DataFrame([figure.model_dump() for figure in catalog.energy()])
    return frame.sort_values(["metric", "location", "value"], ignore_index=True)
