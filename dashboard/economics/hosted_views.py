"""Part of the page Tokens per dollar: the same request at hosts that sell the model by the token."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.navigation import show_link
from inferplan.dashboard.state import PREFIX
from inferplan.datasets import catalog
from inferplan.planner.case import Case
from inferplan.planner.hosted_api import HostedRequest, beside

THOUSAND = 1000


def show_hosted(current: Case, best: pd.Series) -> None:
    """Show what hosts charge for the request beside ``best``, the row of the cheapest own deployment."""
    prices = [
        price for price in catalog.api_prices() if current.model and price.catalog_model == current.model
    ]
    if not prices:
        return
    usd_per_hour: Decimal = best["usd_per_hour"]
    own_usd, served = float(best["usd_per_request"]), float(best["served_requests_per_s"])
    found = sorted(
        (beside(price, current.workload(), usd_per_hour) for price in prices),
        key=lambda hosted: hosted.usd_per_request,
    )
    st.subheader("Or buy it by the token")
    st.markdown(_sentence(found[0], served, own_usd, usd_per_hour))
    _show_table(found, served)
    st.caption("List prices without discounts. A host's speed, precision and rate limits are its own.")
    show_link("economics", "Own GPUs, an API or both, over your demand", ":material/query_stats:")


def _sentence(cheapest: HostedRequest, served: float, own_usd: float, usd_per_hour: Decimal) -> str:
    share = float(cheapest.break_even_requests_per_s) / served
    price = cheapest.price
    host = (
        f"{price.provider} charges {formats.usd(cheapest.usd_per_request)} for such a request "
        f"(price seen on {formats.day(price.observed_on)})"
    )
    if share < 1:
        answer = f"own GPUs are cheaper once they are busy more than {formats.percent(share)} of the time"
    else:
        answer = (
            f"the host is cheaper: own GPUs would have to serve {formats.significant(share, 2)} times as much"
        )
    text = (
        f"{host}; here it is {formats.usd(own_usd)} at full load, and {formats.usd(usd_per_hour)} an hour "
        f"whether there is load or not. **{answer[0].upper()}{answer[1:]}.**"
    )
    return text.replace("$", "\\$")


def _show_table(found: Sequence[HostedRequest], served: float) -> None:
    st.dataframe(
        [_row(hosted, served) for hosted in found],
        column_config={
            **{
                name: st.column_config.NumberColumn(f"{name}, USD/Mtok", format=formats.COLUMN_USD_FINE)
                for name in ("Input", "Cached input", "Output")
            },
            "Request": st.column_config.NumberColumn(
                "USD per 1,000 requests", format=formats.COLUMN_USD_FINE, help="Of this many tokens"
            ),
            "Break-even": st.column_config.NumberColumn(
                "Break-even, % busy",
                format="%.0f",
                help="Share of the time that own GPUs must be busy to be as cheap; above 100 they never are",
            ),
            "Price seen on": st.column_config.DateColumn(format=formats.COLUMN_DATE),
        },
        hide_index=True,
        placeholder="",
        key=f"{PREFIX}compare.hosted",
        alt="What hosts charge for the same model, and from which load on own GPUs are cheaper",
    )


def _row(hosted: HostedRequest, served: float) -> dict[str, object]:
    return {
        "Host": hosted.price.provider,
        "Input": float(hosted.price.input_usd_per_mtok),
        "Cached input": _optional(hosted.price.cached_input_usd_per_mtok),
        "Output": float(hosted.price.output_usd_per_mtok),
        "Request": float(hosted.usd_per_request) * THOUSAND,
        "Break-even": float(hosted.break_even_requests_per_s) / served * 100,
        "Price seen on": hosted.price.observed_on,
        "Price source": hosted.price.source,
        "Name at the host": hosted.price.model_id,
    }


def _optional(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
