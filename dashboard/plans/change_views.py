"""Part of the page Plans: why a plan costs more than another or than before, summing to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.economics import charts as economics_charts
from inferplan.dashboard.plans.report import ORDER, change_report
from inferplan.dashboard.state import PREFIX, now
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.planner.performance import OwnEvidence
from inferplan.planner.plan_change import ChangeOverTime, explain_dates, explain_plans
from inferplan.planner.plan_results import Results
from inferplan.planner.plan_store import PlanEntry
from inferplan.pricing.waterfall import Waterfall

KEY = f"{PREFIX}plans."
DAY = timedelta(days=1)
RECENT = 20
STEP_TITLES = {
    "price": "Price of a GPU-hour",
    "volume": "Volume: tokens a month",
    "utilization": "Utilization and speed",
    "model mix": "Model mix",
}


def show_change(before: Results, after: Results) -> None:
    """Show how A's monthly cost becomes B's: price, volume, utilization, model mix, in this order."""
    st.subheader("Why the cost changes")
    try:
        found = explain_plans(before, after)
    except InferplanError as error:
        st.info(formats.sentence(error), icon=":material/info:")
        return
    _show_waterfall(found, ("A, a month", "B, a month"))
    st.caption(ORDER)


def show_over_time(
    warehouse: Warehouse, entries: Sequence[PlanEntry], today: date, own: OwnEvidence | None
) -> None:
    """Ask for plans and two days, and show how what they cost changed between them."""
    if not entries:
        st.info(
            "Save a plan first: what it costs is then followed through the prices seen.",
            icon=":material/info:",
        )
        return
    names = {entry.plan_id: entry.name for entry in entries}
    plans = st.multiselect(
        "Plans",
        list(names),
        default=[_priced_first(warehouse, entries)],
        format_func=names.__getitem__,
        key=f"{KEY}time_plans",
    )
    left, right = st.columns(2)
    first_saved = (plan_store.history(warehouse, plan_id)[-1].saved_at.date() for plan_id in plans)
    start = min([*first_saved, today - DAY])
    first = left.date_input("From", start, max_value=today, key=f"{KEY}time_from", format="YYYY-MM-DD")
    second = right.date_input("To", today, max_value=today, key=f"{KEY}time_to", format="YYYY-MM-DD")
    if not plans:
        st.info("Choose at least one plan.", icon=":material/info:")
        return
    try:
        found = explain_dates(warehouse, plans, first, second, own)
    except InferplanError as error:
        st.info(formats.sentence(error), icon=":material/info:")
        return
    _show_between(found, first, second)


def _show_between(found: ChangeOverTime, first: date, second: date) -> None:
    _show_waterfall(found.waterfall, (f"On {first}, a month", f"On {second}, a month"))
    made_at = now()
    download_menu(
        "why",
        f"why-the-cost-changed-{made_at:%Y-%m-%d}",
        lambda: change_report(found, first, second, made_at=made_at),
    )
    prices = pd.DataFrame(found.prices, columns=["Plan", f"Price on {first}", f"Price on {second}"])
    st.table(prices.set_index("Plan").map(formats.plain), border="horizontal")
    st.caption(
        f"{ORDER} A plan stands as it was last saved by each day, earlier as it was first saved; its price "
        "is the newest one seen by then. A price given with the plan has no history."
    )


def _priced_first(warehouse: Warehouse, entries: Sequence[PlanEntry]) -> str:
    """Return the plan saved last whose price has a history, else the one saved last."""
    recent = (entry.plan_id for entry in entries[:RECENT])
    priced = (plan_id for plan_id in recent if plan_store.load(warehouse, plan_id).prices)
    return next(priced, entries[0].plan_id)


def _show_waterfall(found: Waterfall, ends: tuple[str, str]) -> None:
    rows = waterfall_rows(found, ends)
    st.altair_chart(
        economics_charts.waterfall(rows),
        alt=f"From {formats.usd(found.before_usd)} to {formats.usd(found.after_usd)} a month: "
        + formats.listing([f"{row['label']} {formats.usd(Decimal(str(row['usd'])))}" for row in rows[1:-1]]),
    )
    texts = [(row["label"], formats.plain(_amount(row))) for row in rows]
    st.table(pd.DataFrame(texts, columns=["Step", "USD per month"]).set_index("Step"), border="horizontal")


def waterfall_rows(found: Waterfall, ends: tuple[str, str]) -> list[dict[str, object]]:
    """Return the bars of a waterfall from the first total to the last, which are called ``ends``."""
    rows = [_bar(ends[0], Decimal(0), found.before_usd, "total")]
    reached = found.before_usd
    for step in found.steps:
        kind = "dearer" if step.usd > 0 else "cheaper"
        rows.append(_bar(STEP_TITLES.get(step.label, step.label), reached, reached + step.usd, kind))
        reached += step.usd
    return [*rows, _bar(ends[1], Decimal(0), reached, "total")]


def _bar(label: str, start: Decimal, end: Decimal, kind: str) -> dict[str, object]:
    return {"label": label, "start": float(start), "end": float(end), "usd": float(end - start), "kind": kind}


def _amount(row: dict[str, object]) -> str:
    usd = Decimal(str(row["usd"])).quantize(Decimal("0.01"))
    return formats.usd(usd, 2) if row["kind"] == "total" or usd <= 0 else f"+{formats.usd(usd, 2)}"
