"""Part of the page Economics: what a useful token costs, and where the month's money goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.economics import charts as economics_charts
from inferplan.dashboard.figures import show_figure
from inferplan.dashboard.reports import Column, Report, Table
from inferplan.dashboard.state import now
from inferplan.datasets.errors import InferplanError
from inferplan.planner.deployment_energy import Ends, MonthOfEnergy, PowerInputs, month_of_energy
from inferplan.planner.economics import SECONDS_PER_HOUR, TOKENS_PER_MTOK, UsdInterval
from inferplan.planner.planned import Planned
from inferplan.planner.unit_economics import PARTS, UnitEconomics, Use, times

PART_TITLES = {
    "useful": "useful tokens",
    "retried": "retried",
    "cancelled": "cancelled",
    "failed": "failed",
    "off_slo": "too late",
    "idle": "idle",
}
OWNED = "owned"
_NOT_KNOWN = (None, None, None)


def show_unit_costs(plan: Planned, found: UnitEconomics, use: Use, power: PowerInputs) -> None:
    """Show the cost of useful tokens beside the floor, the month's money by part, and the energy."""
    useful, floor = found.fully_loaded, found.floor
    st.markdown(_sentence(found, use))
    with st.container(horizontal=True, gap="medium"):
        _cost("Useful output, per million tokens", useful.usd_per_mtok_output)
        _cost("Useful input, per million tokens", useful.usd_per_mtok_input)
        _cost("Useful request", useful.usd_per_request)
        show_figure("Useful tokens per dollar", formats.count(useful.tokens_per_usd.expected))
        if found.usd_per_user_month is not None and found.active_users is not None:
            enough = f"Enough for {formats.count(float(found.active_users))} of them."
            _cost("Active user, per month", found.usd_per_user_month, enough)
        show_figure("All of it, per month", formats.usd(found.month_usd), note="730 hours.")
    _show_parts(found)
    rows = list(unit_rows(found))
    st.subheader("Each kind of token")
    texts = [(name, unit, _amount(at_floor), _amount(as_used)) for name, unit, at_floor, as_used in rows]
    columns = ["What", "Unit", "Full load, all useful", "As used, everything paid"]
    st.table(pd.DataFrame(texts, columns=columns).set_index("What"), border="horizontal")
    energy = _energy(plan, use, power)
    st.caption(
        "In brackets an 80% interval of the speed. The first column is also what tokens of a further "
        f"replica cost. {formats.plain(_next_token(plan, energy, floor.usd_per_hour))}"
    )
    if energy is not None:
        _show_energy(energy, plan)
    facts = basis(plan, found, use, energy)
    made_at = now()
    download_menu("unit-costs", f"unit-costs-{made_at:%Y-%m-%d}",
                  lambda: _report(found, rows, facts, made_at))  # fmt: skip


def unit_rows(found: UnitEconomics) -> Iterator[tuple[str, str, UsdInterval | None, UsdInterval | None]]:
    """Yield each kind of token with its unit, its cost at full load and as it is used."""
    floor, useful = found.floor, found.fully_loaded
    mtok = "USD per million"
    yield "New input", mtok, floor.usd_per_mtok_new_input, useful.usd_per_mtok_new_input
    yield "Cached input", mtok, floor.usd_per_mtok_cached_input, useful.usd_per_mtok_cached_input
    yield "Input on average", mtok, floor.usd_per_mtok_input, useful.usd_per_mtok_input
    yield "Output (and reasoning)", mtok, floor.usd_per_mtok_output, useful.usd_per_mtok_output
    if useful.usd_per_mtok_visible_output is not None:
        visible = floor.usd_per_mtok_visible_output, useful.usd_per_mtok_visible_output
        yield "Visible output, with its reasoning", mtok, visible[0], visible[1]
    thousand = Decimal(1000)
    requests = times(floor.usd_per_request, thousand), times(useful.usd_per_request, thousand)
    yield "1,000 requests", "USD", requests[0], requests[1]
    if floor.usd_per_task is not None and useful.usd_per_task is not None:
        tasks = times(floor.usd_per_task, thousand), times(useful.usd_per_task, thousand)
        yield "1,000 tasks", "USD", tasks[0], tasks[1]


def basis(
    plan: Planned, found: UnitEconomics, use: Use, energy: MonthOfEnergy | None
) -> tuple[tuple[str, str], ...]:
    """Return everything that the figures rest on: price with date and source, speed, shares, energy."""
    return (
        ("Price", plan.price_basis),
        ("Deployment at list", f"{plan.usd_per_hour:f} USD per hour"),
        ("Deployment under the contract", f"{found.usd_per_hour:f} USD per hour"),
        ("Speed", plan.estimate.basis),
        ("Busy share of full load", f"{use.busy_share:.4f}"),
        *((f"Share {PART_TITLES[name]}", str(getattr(use, name))) for name in PARTS[1:-1]),
        ("Other costs", f"{use.fixed_usd_per_month} USD per month"),
        ("Not included", "tax, and traffic unless it is in other costs"),
        *((f"Energy: {name.lower()}", said) for name, said in (energy.basis if energy else ())),
    )


def _sentence(found: UnitEconomics, use: Use) -> str:
    if use.useful_share == 1 and not use.fixed_usd_per_month:
        floor = formats.usd(found.floor.usd_per_mtok_output.expected)
        return (
            f"**A million output tokens cost {floor}** at full load while every token "
            "is useful. Say how busy it really is and what is served for nothing."
        ).replace("$", "\\$")
    dearer = found.fully_loaded.usd_per_request.expected / found.floor.usd_per_request.expected
    costs = formats.usd(found.fully_loaded.usd_per_mtok_output.expected)
    text = (
        f"**A million useful output tokens cost {costs}**, "
        f"{formats.significant(float(dearer))} times the "
        f"{formats.usd(found.floor.usd_per_mtok_output.expected)} at full load with every token useful: "
        f"{formats.percent(float(use.useful_share), 1)} of the paid capacity does useful work."
    )
    return text.replace("$", "\\$")


def _show_parts(found: UnitEconomics) -> None:
    parts = [(PART_TITLES[name], found.month_parts_usd[name]) for name in PARTS]
    rows = [
        {"part": title, "label": f"{title} {formats.usd(usd)}", "usd": float(usd)}
        for title, usd in parts
        if usd
    ]
    order = [f"{title} {formats.usd(usd)}" for title, usd in parts]
    st.altair_chart(
        economics_charts.month_parts(rows, order),
        alt=f"Of {formats.usd(found.month_usd)} a month: "
        + formats.listing([f"{row['label']}" for row in rows]),
    )


def _energy(plan: Planned, use: Use, power: PowerInputs) -> MonthOfEnergy | None:
    provider, region = (plan.offer.provider, plan.offer.region) if plan.offer else (OWNED, "")
    if plan.offer is not None and plan.offer.purchase_option == OWNED:
        provider = OWNED
    try:
        return month_of_energy(plan.deployment.gpu, plan.deployment.gpu_count, use.busy_share,
                               provider, region, power)  # fmt: skip
    except InferplanError as error:
        st.info(formats.sentence(f"no energy: {error}"), icon=":material/bolt:")
        return None


def _show_energy(energy: MonthOfEnergy, plan: Planned) -> None:
    st.subheader("Energy")
    with st.container(horizontal=True, gap="medium"):
        st.metric("Energy, per month", f"{_ends(energy.kwh)} kWh")
        if energy.usd is not None:
            st.metric("At the tariff, per month", formats.usd_range(energy.usd.low, energy.usd.high))
        if energy.kg_co2e is not None:
            st.metric("Carbon, per month", f"{_ends(energy.kg_co2e)} kg CO₂e")
    rented = plan.offer is not None and plan.offer.purchase_option != OWNED
    paid = "Rented machines have the electricity in their price: it is not added." if rented else (
        "It is a part of the cost of owned machines; a given price must contain it."
    )  # fmt: skip
    st.caption(paid)
    with st.expander("Where these come from"):
        for name, said in energy.basis:
            st.caption(f"**{name}:** {formats.plain(said)}")


def _next_token(plan: Planned, energy: MonthOfEnergy | None, usd_per_hour: Decimal) -> str:
    """Say what a token costs that paid machines have room for."""
    owned = plan.offer is None or plan.offer.purchase_option == OWNED
    if not owned:
        return (
            "While paid machines have room, a further token costs nothing more: they are rented by the hour."
        )
    if energy is None or energy.busy_hour_usd is None:
        return "While machines have room, a further token costs its electricity, whose tariff is not known."
    tokens = Decimal(repr(plan.estimate.output_tokens_per_s.expected)) * SECONDS_PER_HOUR
    low, high = (
        usd / tokens * TOKENS_PER_MTOK for usd in (energy.busy_hour_usd.low, energy.busy_hour_usd.high)
    )
    return (
        "While machines have room, a further million output tokens costs its electricity only: "
        f"{formats.usd_range(low, high)} of the {formats.usd(usd_per_hour)} an hour."
    )


def _report(
    found: UnitEconomics,
    rows: list[tuple[str, str, UsdInterval | None, UsdInterval | None]],
    facts: tuple[tuple[str, str], ...],
    made_at: datetime,
) -> Report:
    ends = ("low", "expected", "high")
    rests_on = [said for name, said in facts if name in {"Price", "Speed"}]
    costs = Table(
        "Unit costs",
        (
            Column("What"), Column("Unit"), *(Column(f"Full load, {end}") for end in ends),
            *(Column(f"As used, {end}") for end in ends), Column("Price"), Column("Speed"),
        ),
        tuple(
            (name, unit, *(full or _NOT_KNOWN), *(used or _NOT_KNOWN), *rests_on)
            for name, unit, full, used in rows
        ),
    )  # fmt: skip
    parts = Table(
        "Month",
        (Column("Part"), Column("Amount", "USD per month of 730 hours")),
        (
            *((PART_TITLES[name], found.month_parts_usd[name]) for name in PARTS),
            ("all", found.month_usd),
        ),
    )
    return Report("Unit costs", (costs, parts), facts, made_at)


def _amount(interval: UsdInterval | None) -> str:
    if interval is None:
        return "not known"
    low, expected, high = interval
    return formats.plain(f"{formats.usd(expected)} ({formats.usd_range(low, high)})")


def _cost(label: str, interval: UsdInterval, note: str = "") -> None:
    low, expected, high = map(formats.usd, interval)
    show_figure(label, expected, low, high, note=note)


def _ends(ends: Ends) -> str:
    low, high = (formats.significant(float(end)) for end in (ends.low, ends.high))
    return low if low == high else f"{low}{formats.EN_DASH}{high}"
