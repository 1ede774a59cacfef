"""Part of the page Economics: own replicas, a hosted API, or own replicas with an API for the peaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.economics import charts as economics_charts
from inferplan.dashboard.economics.inputs import KEY
from inferplan.dashboard.economics.tables import USD_PER_MONTH, column_config
from inferplan.dashboard.reports import Column, Report, table_of_frame
from inferplan.dashboard.state import now
from inferplan.datasets import catalog
from inferplan.planner.case import Case
from inferplan.planner.demand import Demand
from inferplan.planner.economics import HOURS_PER_MONTH
from inferplan.planner.hosted_api import HostedChoice, choices, own_usd_per_hour
from inferplan.planner.planned import Planned
from inferplan.planner.unit_economics import CENT

POINTS = 160
COLUMNS = {
    "host": Column("Host"),
    "name": Column("Name at the host"),
    "only_api": Column("API alone", USD_PER_MONTH),
    "mix": Column("Cheapest mix", USD_PER_MONTH),
    "replicas": Column("Own replicas in it"),
    "own": Column("of it own", USD_PER_MONTH),
    "api": Column("of it API", USD_PER_MONTH),
    "own_share": Column("Served by own", "%"),
    "break_even": Column("One replica pays from", "requests per hour"),
    "request": Column("API, 1,000 requests", "USD"),
    "input": Column("Input", "USD per million tokens"),
    "cached": Column("Cached input", "USD per million tokens"),
    "output": Column("Output", "USD per million tokens"),
    "observed_on": Column("Price seen on"),
    "source": Column("Price source"),
    "own_basis": Column("Price of own"),
    "demand": Column("Demand"),
}


def show_self_host(current: Case, plan: Planned, demand: Demand) -> None:
    """Show own replicas beside the hosts of the same model, by load and over the demand."""
    prices = catalog.hosted_prices(current.model) if current.model else ()
    if not prices:
        st.info(
            f"No host's price of {formats.plain(current.model or 'an uploaded config')} is known, so there "
            "is nothing to compare with. Prices → Hosted APIs lists those that are.",
            icon=":material/info:",
        )
        return
    found = choices(prices, plan.workload, demand, plan.replica_usd_per_hour, plan.requests_per_replica_hour)
    best = found[0]
    st.markdown(_sentence(best, demand))
    monthly = HOURS_PER_MONTH / len(demand.per_hour)
    _show_figures(found, monthly)
    st.subheader("Cost of an hour by its load")
    _show_lines(found, plan, demand)
    st.subheader("Hours from busy to quiet")
    _show_base(best, plan, demand)
    st.subheader("Hosts, the cheapest mix first")
    frame = pd.DataFrame([_row(choice, monthly) for choice in found]).assign(
        own_basis=plan.price_basis, demand=demand.basis
    )
    _show_table(frame)
    facts = _facts(plan, demand)
    st.caption(
        formats.plain(
            f"Own replicas: {plan.price_basis}. Demand: {demand.basis}. List prices without discounts; a "
            "host's speed, precision and rate limits are its own. Replicas run day and night."
        )
    )
    made_at = now()
    download_menu("self-host", f"self-host-or-api-{made_at:%Y-%m-%d}",
                  lambda: _report(frame, facts, made_at))  # fmt: skip


def _show_figures(found: Sequence[HostedChoice], monthly: Decimal) -> None:
    best, cheapest_api = found[0].hybrid, min(found, key=lambda one: one.usd_per_request)
    with st.container(horizontal=True, gap="medium"):
        for label, usd in (
            ("Only own, per month", best.only_own_usd),
            (f"Only {cheapest_api.price.provider}, per month", cheapest_api.hybrid.only_api_usd),
            ("Cheapest mix, per month", best.total_usd),
        ):
            st.metric(label, formats.usd(usd * monthly))
        st.metric("Own replicas in the mix", formats.count(best.replicas))


def _facts(plan: Planned, demand: Demand) -> tuple[tuple[str, str], ...]:
    return (
        ("Own price", plan.price_basis),
        ("One own replica", f"{plan.replica_usd_per_hour:f} USD per hour"),
        ("One replica serves", f"{plan.requests_per_replica_hour:.0f} requests per hour at full load"),
        ("Speed", plan.estimate.basis),
        ("Demand", demand.basis),
        ("Month", "730 hours like those of the demand, in the same mixture"),
        ("Not included", "tax, traffic, discounts of hosts; a replica costs its part of a shared machine"),
    )


def _sentence(best: HostedChoice, demand: Demand) -> str:
    hybrid, host = best.hybrid, best.price.provider
    saved_api = hybrid.only_api_usd - hybrid.total_usd
    saved_own = hybrid.only_own_usd - hybrid.total_usd
    if not hybrid.replicas:
        text = f"**Buy it from {host}.** No replica would pay for its hours at this demand."
    elif hybrid.api_usd == 0:
        text = (
            f"**Host it yourself:** {formats.plural(hybrid.replicas, 'replica')} serve every hour for less."
        )
    else:
        share = formats.percent(float(hybrid.own_share or 0))
        text = (
            f"**Serve the base on {formats.plural(hybrid.replicas, 'own replica')} and the peaks from {host}:"
            f"** own replicas serve {share} of the requests. That is "
            f"{formats.percent(float(saved_api / hybrid.only_api_usd))} less than the API alone and "
            f"{formats.percent(float(saved_own / hybrid.only_own_usd))} less than owning enough for the peak."
        )
    return text.replace("$", "\\$")


def _show_lines(found: tuple[HostedChoice, ...], plan: Planned, demand: Demand) -> None:
    top = max(demand.peak, plan.requests_per_replica_hour)
    hosts = sorted(found, key=lambda one: one.usd_per_request)[: economics_charts.MOST_HOSTS]
    rows = [
        {"requests": float(load), "usd": float(usd), "way": economics_charts.OWN}
        for load, usd in _own_steps(top, plan)
    ]
    rows.extend(
        {"requests": float(load), "usd": float(load * host.usd_per_request), "way": _way(host)}
        for host in hosts
        for load in (Decimal(0), top)
    )
    ways = [economics_charts.OWN, *map(_way, hosts)]
    evens = [
        f"{one.price.provider} from {formats.count(float(one.break_even_requests_per_hour))} an hour"
        for one in hosts
        if one.break_even_requests_per_hour is not None
    ]
    st.altair_chart(
        economics_charts.cost_by_load(rows, ways),
        alt=f"Cost of an hour against its load for {formats.listing(ways)}. One replica is cheaper than "
        + (formats.listing(evens) or "none of them"),
    )
    text = f"One own replica is cheaper than {formats.listing(evens)} (requests)." if evens else (
        "Even a full replica costs more for each request than every one of these hosts."
    )  # fmt: skip
    left_out = len(found) - len(hosts)
    st.caption(text + (f" {formats.plural(left_out, 'dearer host')} only in the table." if left_out else ""))


def _own_steps(top: Decimal, plan: Planned) -> Iterator[tuple[Decimal, Decimal]]:
    """Yield load and cost of own replicas: both ends of each step, or samples where there are many."""
    capacity, usd = plan.requests_per_replica_hour, plan.replica_usd_per_hour
    steps = int(top // capacity) + 1
    if steps > POINTS:
        for step in range(POINTS + 1):
            yield top * step / POINTS, own_usd_per_hour(top * step / POINTS, usd, capacity)
        return
    for replica in range(steps):
        yield replica * capacity, (replica + 1) * usd
        yield min(top, (replica + 1) * capacity), (replica + 1) * usd


def _way(choice: HostedChoice) -> str:
    return f"{choice.price.provider} ({choice.price.model_id.rsplit('/', 1)[-1]})"


def _show_base(best: HostedChoice, plan: Planned, demand: Demand) -> None:
    base = float(best.hybrid.replicas * plan.requests_per_replica_hour)
    st.altair_chart(
        economics_charts.hours_by_demand(duration_rows(demand.per_hour), [base], "Requests per hour"),
        alt=f"Demand of the hours from {formats.count(float(demand.peak))} requests down; own replicas serve "
        f"up to {formats.count(base)}",
    )
    st.caption(f"Below the line own replicas serve, above it {best.price.provider}.")


def duration_rows(per_hour: tuple[Decimal, ...]) -> list[dict[str, float]]:
    """Return the hours from the busiest to the quietest as points of a chart, at most ``POINTS`` steps."""
    ordered = sorted(per_hour, reverse=True)
    step = max(1, len(ordered) // POINTS)
    kept = [*range(0, len(ordered), step)]
    rows = [{"share": at / len(ordered), "wanted": float(ordered[at])} for at in kept]
    return [*rows, {"share": 1.0, "wanted": float(ordered[-1])}]


def _row(choice: HostedChoice, monthly: Decimal) -> dict[str, object]:
    price, hybrid = choice.price, choice.hybrid
    own, api = (hybrid.own_usd * monthly).quantize(CENT), (hybrid.api_usd * monthly).quantize(CENT)
    cached = price.cached_input_usd_per_mtok
    return {
        "host": price.provider,
        "only_api": float((hybrid.only_api_usd * monthly).quantize(CENT)),
        "mix": float(own + api),
        "replicas": hybrid.replicas,
        "own": float(own),
        "api": float(api),
        "own_share": None if hybrid.own_share is None else float(hybrid.own_share * 100),
        "break_even": None if choice.break_even_requests_per_hour is None
        else float(choice.break_even_requests_per_hour),
        "request": float(choice.usd_per_request * 1000),
        "input": float(price.input_usd_per_mtok),
        "cached": None if cached is None else float(cached),
        "output": float(price.output_usd_per_mtok),
        "observed_on": price.observed_on,
        "source": price.source,
        "name": price.model_id,
    }  # fmt: skip


def _show_table(frame: pd.DataFrame) -> None:
    st.dataframe(
        frame, column_order=list(COLUMNS), column_config=column_config(COLUMNS), hide_index=True,
        placeholder="", key=f"{KEY}hosts",
        alt="Hosts of the same model with the cheapest mix of each and own replicas",
    )  # fmt: skip


def _report(frame: pd.DataFrame, facts: tuple[tuple[str, str], ...], made_at: datetime) -> Report:
    return Report("Self-host or API", (table_of_frame("Hosts", frame, COLUMNS),), facts, made_at)
