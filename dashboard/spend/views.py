"""Parts of the page Spend: where the money went, who caused it, how it goes on."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.figures import show_figure
from inferplan.dashboard.reports import Table
from inferplan.dashboard.spend import charts, tables
from inferplan.dashboard.spend.inputs import KEY
from inferplan.dashboard.spend.words import NOT_USED, TITLES, money
from inferplan.planner.forecast import METHOD, MonthForecast
from inferplan.planner.spend import Spend, Statement
from inferplan.planner.spend_division import SM_TARGET
from inferplan.planner.spend_showback import RULES, Rule


def show_summary(found: Spend, statement: Statement, forecast: MonthForecast | str) -> None:
    """Show the figures that one looks at first."""
    whole, currency = statement.effective_cost, statement.currency
    not_used = sum((statement.parts[part] for part in NOT_USED), Decimal(0))
    with st.container(horizontal=True, gap="medium"):
        st.metric("Effective cost", money(whole, currency, _decimals(whole)))
        st.metric("Useful", _amount_and_share(statement.parts["useful"], whole, currency))
        st.metric("Paid and not used", _amount_and_share(not_used, whole, currency))
        used = statement.gpu_hours.per_used_hour
        st.metric(
            "A used GPU-hour",
            "unknown" if used is None else money(used, currency),
            help="Effective cost of a GPU-hour divided by the mean activity of the multiprocessors.",
        )
        if not isinstance(forecast, str):
            low, expected, high = (money(end, currency, 0) for end in forecast.total)
            show_figure(f"{forecast.month:%B}, expected", expected, low, high)
    st.caption(formats.plain(" ".join(_basis(found, statement))))


def _amount_and_share(amount: Decimal, whole: Decimal, currency: str) -> str:
    share = f" · {formats.percent(float(amount / whole))}" if whole > 0 else ""
    return f"{money(amount, currency, _decimals(whole))}{share}"


def _decimals(whole: Decimal) -> int:
    """Return the digits after the point that parts of ``whole`` need: cents of a small bill."""
    return 0 if abs(whole) >= 1000 else 2


def _basis(found: Spend, statement: Statement) -> list[str]:
    days = formats.day_range(one.day for one in statement.days)
    if statement.basis == "list":
        return [f"{days}, UTC. No bill has these machines: GPU-hours seen, at on-demand list prices."]
    if statement.basis == "allocation":
        return [
            f"{days}, UTC. What OpenCost or Kubecost allocate to pods, at the prices of that tool: an "
            "allocation of what was asked for, not a bill, and in no bill's figures."
        ]
    said = [
        f"{days}, UTC, amortised: commitments count where they are used. Invoices of these days: "
        f"{money(statement.billed_cost, statement.currency, 0)}."
    ]
    if statement.list_cost:
        said.append(f"The usage at list prices: {money(statement.list_cost, statement.currency, 0)}.")
    whole_until = found.last_whole_day
    if whole_until and whole_until < statement.days[0].day:
        said.append("No day is billed to its end.")
    elif whole_until and whole_until < statement.days[-1].day:
        said.append(f"Machines are billed to the end of {formats.day(whole_until)}.")
    return said


def show_waterfall(statement: Statement) -> None:
    """Show the waterfall as a chart and a table."""
    start, rows = 0.0, []
    for part, title in TITLES.items():
        amount = float(statement.parts[part])
        kind = "used" if part == "useful" else "paid and not used" if part in NOT_USED else "not divided"
        if amount:
            rows.append(
                {"label": title, "start": start, "end": start + amount, "amount": amount, "kind": kind}
            )
        start += amount
    whole = {"label": "Effective cost", "start": 0.0, "end": start, "amount": start, "kind": "effective cost"}
    st.altair_chart(
        charts.parts_of_cost([whole, *rows], statement.currency),
        alt=f"Effective cost of {start:,.0f} {statement.currency} by what became of it",
    )
    show_table(tables.waterfall_table(statement), statement.currency, key=f"{KEY}waterfall")


def show_tokens(statement: Statement) -> None:
    """Show what a GPU-hour and a token cost."""
    hours, currency = statement.gpu_hours, statement.currency
    paid, used = hours.per_paid_hour, hours.per_used_hour
    with st.container(horizontal=True, gap="medium"):
        st.metric("GPU-hours paid", formats.count(hours.paid))
        st.metric("A paid GPU-hour", "unknown" if paid is None else money(paid, currency))
        activity = hours.activity
        st.metric("Mean activity", "not measured" if activity is None else formats.percent(activity, 1))
        st.metric("A used GPU-hour", "unknown" if used is None else money(used, currency))
    st.caption(
        formats.plain(
            "Activity is SM activity (the graphics engine's where that is not exported), averaged over the "
            f"{formats.count(hours.seen)} GPU-hours that were seen. A used GPU-hour costs what a paid one "
            f"does, divided by it; {formats.percent(SM_TARGET)} counts as fully used in the waterfall."
        )
    )
    if not statement.tokens:
        st.info(
            "No model is named for these GPUs. Import the engine's metrics with its pods, or request logs.",
            icon=":material/info:",
        )
        return
    show_table(tables.token_table(statement), currency, key=f"{KEY}tokens")
    st.caption(
        "Everything paid for a model's GPUs, idle and headroom included, over the tokens of the same days. "
        "Tokens are those of finished requests in request logs, else the engine's counters."
    )


def show_showback(statement: Statement, rule: Rule) -> None:
    """Show who caused which cost."""
    dimension = st.selectbox(
        "By", list(statement.costs), format_func=tables.dimension_title, key=f"{KEY}dimension"
    )
    show_table(tables.showback_table(statement, dimension, rule), statement.currency, key=f"{KEY}showback")
    st.caption(
        "Direct cost is that of the GPUs by whose processes are on them, else by the tags of the bill. "
        f"Unused commitments and shared cost that nobody is named for are shared out {RULES[rule]}; idle, "
        "unallocated and unknown cost without a name stays unnamed."
    )


def show_trend(statement: Statement, viewer_zone: str | None) -> None:
    """Show cost over time."""
    currency = statement.currency
    step = st.segmented_control("Step", tables.STEPS, default="Day", key=f"{KEY}step", required=True) or "Day"
    rows = [
        {"at": f"{start:%Y-%m-%d}", "part": title, "amount": float(parts[part]), "rank": rank}
        for start, parts in tables.trend(statement, step).items()
        for rank, (part, title) in enumerate(TITLES.items())
        if parts.get(part)
    ]
    st.altair_chart(
        charts.cost_over_time(rows, TITLES, currency),
        alt=f"Effective cost in {currency} by {step.lower()} and part",
    )
    last = statement.days[-1].day + timedelta(days=1)
    zone = "" if viewer_zone in (None, "UTC") else f" The last one ended at {_local(last, viewer_zone)}."
    st.caption(formats.plain(f"Days are the bill's, from 0:00 to 24:00 UTC; weeks begin on Monday.{zone}"))


def show_month_end(whole: Statement, forecast: MonthForecast | str, budget: Decimal | None) -> None:
    """Show what the last month of all days will have cost at its end."""
    currency = whole.currency
    st.subheader("Month end")
    if isinstance(forecast, str):
        st.info(f"No forecast: {forecast}.", icon=":material/info:")
        return
    low, expected, high = (money(end, currency, 0) for end in forecast.total)
    over = "" if budget is None else _against(forecast, budget, currency)
    st.markdown(
        formats.plain(
            f"{forecast.month:%B %Y} has cost {money(forecast.spent, currency, 0)} so far, with "
            f"{formats.plural(forecast.days_left, 'day')} left. At its end: {expected} expected, "
            f"{low} to {high} in four cases of five.{over}"
        )
    )
    st.altair_chart(
        charts.month_end(_month_rows(whole, forecast), None if budget is None else float(budget), currency),
        alt=f"Cost of {forecast.month:%B %Y} so far and its forecast: {low} to {high}",
    )
    st.caption(formats.plain(f"Method: {METHOD}."))


def _local(day: date, zone: str | None) -> str:
    return f"{pd.Timestamp(day, tz='UTC').tz_convert(zone):%Y-%m-%d %H:%M} of your time"


def _against(forecast: MonthForecast, budget: Decimal, currency: str) -> str:
    chance = formats.percent(forecast.chance_above(float(budget)))
    return f" The budget of {money(budget, currency, 0)} is passed in {chance} of the draws."


def _month_rows(statement: Statement, forecast: MonthForecast) -> list[Mapping[str, object]]:
    reached, rows = 0.0, list[Mapping[str, object]]()
    last = calendar.monthrange(forecast.month.year, forecast.month.month)[1]
    today = last - forecast.days_left
    for one in statement.days:
        if one.day >= forecast.month and one.day.day <= today:
            reached += float(one.cost)
            rows.append(
                {"day": one.day.day, "kind": "spent"} | dict.fromkeys(("low", "expected", "high"), reached)
            )
    if forecast.days_left:
        start = dict.fromkeys(("low", "expected", "high"), reached)
        rows.append({"day": today, "kind": "forecast"} | start)
        rows.append({"day": last, "kind": "forecast"} | forecast.total._asdict())
    return rows


def show_table(table: Table, currency: str, *, key: str) -> None:
    """Show a table, its money in the currency's way and its shares as percents."""
    frame = pd.DataFrame(
        [[float(cell) if isinstance(cell, Decimal) else cell for cell in row] for row in table.rows],
        columns=[column.name for column in table.columns],
    )
    frame = frame.loc[:, [name for name in frame if name not in TITLES.values() or frame[name].any()]]
    config = {}
    for column in table.columns:
        if column.unit == currency:
            config[column.name] = _money_column(column.name, currency)
        elif column.unit.startswith(f"{currency} per"):
            title = f"{column.name}, {currency}/Mtok" if "million" in column.unit else "Per request"
            digits = "%.3f" if "million" in column.unit else "%.5f"
            config[column.name] = st.column_config.NumberColumn(title, format=digits, help=column.header)
        elif column.unit == "share":
            frame[column.name] *= 100
            config[column.name] = st.column_config.NumberColumn(column.name, format=formats.COLUMN_PERCENT)
        elif column.unit:
            is_millions = column.unit == "millions"
            config[column.name] = st.column_config.NumberColumn(
                f"{column.name}, M" if is_millions else column.name,
                format="%,.1f" if is_millions else formats.COLUMN_COUNT,
            )
    st.dataframe(frame, column_config=config, hide_index=True, key=key, placeholder="")


def _money_column(title: str, currency: str) -> Any:
    sign = "dollar" if currency == "USD" else "localized"
    header = title if currency == "USD" else f"{title}, {currency}"
    return st.column_config.NumberColumn(header, format=sign)
