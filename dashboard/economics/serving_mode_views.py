"""Part of the page Economics: always on, by opening hours or elastic, with what each does to requests."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import available_timezones

import altair as alt
import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.economics.inputs import KEY
from inferplan.dashboard.economics.tables import USD_PER_MONTH, column_config
from inferplan.dashboard.reports import Column, Report, table_of_frame
from inferplan.dashboard.state import now
from inferplan.datasets.errors import InferplanError
from inferplan.planner.demand import Demand
from inferplan.planner.opening_hours import OpeningHours
from inferplan.planner.planned import Planned
from inferplan.planner.serving_modes import (
    STEPS_PER_HOUR,
    ModeOutcome,
    Serving,
    cheapest_within,
    compare_modes,
    times_of,
)

TITLES = {"always_on": "Always on", "calendar": "Opening hours", "elastic": "Elastic"}
SHOWN_HOURS = 14 * 24
CHART_PX = 280
COLUMNS = {
    "mode": Column("Way"),
    "usd": Column("Cost", USD_PER_MONTH),
    "mean": Column("Replicas paid for, on average"),
    "most": Column("At most"),
    "late": Column("Late", "%"),
    "away": Column("Turned away", "%"),
    "hours": Column("Hours with a miss", "%"),
    "wait": Column("Mean wait", "s"),
    "p99": Column("P99 wait", "s"),
    "price": Column("Price of a replica"),
    "demand": Column("Demand"),
}
HELP = {
    "mean": "Those that are still starting are paid for too",
    "late": "Of all requests, those that wait in the queue for longer than allowed",
    "away": "Of all requests, those that come while nothing is open",
    "hours": "Share of the hours in which a request is late or turned away",
    "p99": "One request in a hundred waits longer",
}


def show_serving_modes(plan: Planned, demand: Demand) -> None:
    """Compare the ways to serve the demand with replicas of the plan."""
    try:
        serving, hours, allowed = _inputs(plan)
        found = compare_modes(demand, serving, hours)
    except InferplanError as error:
        st.error(formats.sentence(error), icon=":material/error:")
        return
    st.markdown(_sentence(found, allowed))
    rows = pd.DataFrame([_row(one) for one in found]).assign(price=plan.price_basis, demand=demand.basis)
    _show_table(rows)
    st.altair_chart(
        _chart(found, demand, hours.zone if hours else "UTC"),
        alt="Replicas that are ready in each hour, by way to serve",
    )
    st.caption(
        formats.plain(
            f"Demand: {demand.basis}. A replica: {plan.price_basis}; at full load "
            f"{formats.count(float(plan.requests_per_replica_hour))} requests an hour. Within an hour they "
            "come evenly; bursts are what the planned share of full load is kept for. On-demand capacity is "
            "taken to be there when it is asked for."
        )
    )
    made_at = now()
    download_menu(
        "modes",
        f"always-on-or-elastic-{made_at:%Y-%m-%d}",
        lambda: Report(
            "Always on, opening hours or elastic",
            (table_of_frame("Ways to serve", rows, COLUMNS),),
            (("Demand", demand.basis), ("Price", plan.price_basis), ("Month", "730 hours")),
            made_at,
        ),
    )


def _show_table(rows: pd.DataFrame) -> None:
    shares = {
        name: st.column_config.NumberColumn(f"{COLUMNS[name].name} (%)", format="%.2f", help=HELP[name])
        for name in ("late", "away", "hours")
    }
    st.dataframe(
        rows, column_order=list(COLUMNS)[:-2], hide_index=True,
        column_config=column_config(COLUMNS, HELP) | shares, key=f"{KEY}modes",
        alt="Cost and waiting of each way to serve the demand",
    )  # fmt: skip


def _inputs(plan: Planned) -> tuple[Serving, OpeningHours | None, float]:
    first, second, third, fourth = st.columns(4)
    start = first.number_input(
        "Start of a replica (s)", 0, 7200, 300, 30, key=f"{KEY}start_up", persist_state="session",
        help="Machine, image, weights and warm-up: until it serves",
    )  # fmt: skip
    least = second.number_input(
        "Least replicas", 0, 10_000, 1, key=f"{KEY}least", persist_state="session",
        help="That an autoscaler keeps; 0 lets the first request wait for the start",
    )  # fmt: skip
    wait = third.number_input(
        "Longest wait (s)", 0, 3600, 10, key=f"{KEY}longest_wait", persist_state="session",
        help="In the queue; a request that waits longer is late",
    )  # fmt: skip
    allowed = fourth.number_input(
        "Allowed misses (%)", 0.0, 100.0, 1.0, 0.5, key=f"{KEY}allowed", persist_state="session",
        help="Requests that may be late or turned away",
    )  # fmt: skip
    left, right = st.columns([2, 1])
    text = left.text_input(
        "Opening hours", "Mon-Fri 08:00-20:00", key=f"{KEY}hours", persist_state="session",
        help="Such as Mon-Fri 08:00-20:00; Sat 10-14. Empty: not compared",
    )  # fmt: skip
    zones = ["UTC", *sorted(zone for zone in available_timezones() if "/" in zone)]
    zone = right.selectbox("Time zone", zones, key=f"{KEY}zone", persist_state="session")
    serving = Serving(
        requests_per_replica_hour=float(plan.requests_per_replica_hour),
        usd_per_replica_hour=plan.replica_usd_per_hour,
        start_up_s=float(start),
        min_replicas=int(least),
        most_wait_s=float(wait),
    )
    return serving, OpeningHours.read(text, zone) if text.strip() else None, allowed / 100


def _sentence(found: Sequence[ModeOutcome], allowed: float) -> str:
    best, always = cheapest_within(found, allowed), found[0]
    if best is None:
        return (
            f"**Every way makes more than {formats.percent(allowed, 1)} of the requests late or turns them "
            "away.** Start replicas faster, keep more of them, or allow a longer wait."
        )
    missed = f"{formats.percent(best.missed_share, 2)} of the requests late or turned away"
    if best is always:
        return f"**Stay always on.** Nothing cheaper keeps the target; {missed}."
    saved = float(1 - best.usd_per_month / always.usd_per_month)
    return f"**{TITLES[best.mode]} costs {formats.percent(saved)} less than always on**, with {missed}."


def _row(one: ModeOutcome) -> dict[str, object]:
    return {
        "mode": TITLES[one.mode],
        "usd": float(one.usd_per_month),
        "mean": round(one.mean_replicas, 2),
        "most": one.most_replicas,
        "late": one.late_share * 100,
        "away": one.turned_away_share * 100,
        "hours": one.late_hours_share * 100,
        "wait": one.mean_wait_s,
        "p99": one.p99_wait_s,
    }


def _chart(found: Sequence[ModeOutcome], demand: Demand, zone: str) -> alt.Chart:
    """Return the replicas of the first two weeks, by the hour."""
    times = times_of(demand, zone)[:SHOWN_HOURS]
    rows = [
        {"at": f"{at:%Y-%m-%dT%H:%M:%S}Z", "replicas": float(count), "way": TITLES[one.mode]}
        for one in found
        for at, count in zip(
            times, one.replicas.reshape(-1, STEPS_PER_HOUR).mean(axis=1)[:SHOWN_HOURS], strict=True
        )
    ]
    days = alt.Axis(
        format="%a" if demand.hours_at is None else "%b %d", tickCount={"interval": "day", "step": 1}
    )
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("utcyearmonthdatehours(at):T", title="Time (UTC)", axis=days),
            y=alt.Y("replicas:Q", title="Replicas ready", axis=alt.Axis(tickMinStep=1)),
            color=alt.Color("way:N", title=None, sort=list(TITLES.values()), legend=alt.Legend(orient="top")),
            tooltip=[alt.Tooltip("way:N", title="Way"), alt.Tooltip("replicas:Q", title="Replicas")],
        )
        .properties(height=CHART_PX)
    )
    return chart
