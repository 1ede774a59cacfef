"""Parts of the page Plans for a plan of several models: its machines, its prices then and now."""

from __future__ import annotations

from datetime import date

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.comparing.portfolio_views import show_fleet
from inferplan.dashboard.navigation import show_link
from inferplan.dashboard.plans import actions as plan_actions
from inferplan.dashboard.plans.views import show_before_and_after
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.fleet_plan_results import FleetResults
from inferplan.planner.plan import FleetPlan
from inferplan.planner.plan_results import Results
from inferplan.pricing.offers import PinnedChange, changes_since, is_stale

KEY = plan_actions.KEY


def summary(plan: FleetPlan) -> str:
    """Return the models with their shares of the requests, in a few words."""
    shares = [
        f"{formats.percent(member.share, 0)} {member.case.model or 'uploaded config'}"
        for member in plan.portfolio.members
    ]
    rate = formats.significant(plan.portfolio.requests_per_s)
    return f"{formats.plain(formats.listing(shares))} of {rate} requests per second"


def show_fleet_plan(store: Warehouse, results: FleetResults, today: date) -> None:
    """Show what the plan of several models rents and runs, and what became of its prices."""
    st.markdown(summary(results.plan))
    if results.fleet is None:
        st.error(formats.sentence(results.fit_reason), icon=":material/cancel:")
    else:
        show_fleet(results.fleet)
        st.caption(formats.sentence(f"Speed: {results.estimate_reason}"))
    if results.published_alone is not None:
        show_before_and_after(results.published_alone, results)
    if changes := changes_since(store, results.plan.prices):
        _show_prices(changes, today)
    with st.container(horizontal=True, vertical_alignment="center"):
        show_link("tokens_per_dollar", "Change models and shares", ":material/edit:")
        st.button(
            "Back to the plan of one model",
            icon=":material/arrow_back:",
            key=f"{KEY}leave_fleet",
            on_click=plan_actions.leave_fleet,
        )


def offer_machines(results: Results) -> None:
    """Offer to go on with the machines and prices that were found for the current plan today."""
    if isinstance(results, FleetResults) and results.fleet is not None:
        st.button(
            "Use today's machines and prices",
            icon=":material/update:",
            key=f"{KEY}machines_today",
            on_click=plan_actions.use_machines,
            args=(results.plan,),
        )


def _show_prices(changes: tuple[PinnedChange, ...], today: date) -> None:
    with st.expander(_prices_title(changes, today), icon=":material/sell:"):
        rows = [_price_row(change, today) for change in changes]
        st.table(pd.DataFrame(rows).set_index("Offer"), border="horizontal")
        st.caption(
            "The plan keeps the prices it was made with: of its machines, and of those that each model would "
            "take alone. Compare it with today's under Compare two."
        )


def _prices_title(changes: tuple[PinnedChange, ...], today: date) -> str:
    old = sum(is_stale(change.pinned, today) for change in changes)
    moved = sum(bool(change.usd_per_hour_difference) for change in changes)
    return (
        f"{formats.plural(len(changes), 'price')}: {old} older than such prices usually hold, "
        f"{moved} moved since"
    )


def _price_row(change: PinnedChange, today: date) -> dict[str, str]:
    then, now = change.pinned, change.now
    seen = f"{formats.usd(then.usd_per_hour) if then.usd_per_hour else 'none'}, seen {then.observed_on}"
    newest = "not known here"
    if now is not None:
        newest = f"{formats.usd(now.usd_per_hour) if now.usd_per_hour else 'none'}, seen {now.observed_on}"
    return {
        "Offer": formats.plain(then.offer_id),
        "Price of a machine-hour": formats.plain(seen + (" (old)" if is_stale(then, today) else "")),
        "Newest price": formats.plain(newest),
        "Source": formats.plain(then.source),
    }
