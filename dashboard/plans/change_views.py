"""Part of the page Plans: why one plan costs more than the other, as a waterfall that sums to the cent."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.economics import charts as economics_charts
from inferplan.datasets.errors import InferplanError
from inferplan.planner.plan import Plan
from inferplan.planner.plan_change import explain_plans
from inferplan.planner.plan_results import PlanResults
from inferplan.pricing.waterfall import Waterfall

STEP_TITLES = {
    "price": "Price of a GPU-hour",
    "volume": "Volume: tokens a month",
    "utilization": "Utilization and speed",
    "model mix": "Model mix",
}


def show_change(first: Plan, second: Plan, results: tuple[PlanResults, PlanResults]) -> None:
    """Show how A's monthly cost becomes B's: price, volume, utilization, model mix, in this order."""
    st.subheader("Why the cost changes")
    try:
        found = explain_plans(first, second, results)
    except InferplanError as error:
        st.info(formats.plain(str(error)), icon=":material/info:")
        return
    rows = waterfall_rows(found)
    st.altair_chart(
        economics_charts.waterfall(rows),
        alt=f"From {formats.usd(found.before_usd)} to {formats.usd(found.after_usd)} a month: "
        + formats.listing([f"{row['label']} {formats.usd(Decimal(str(row['usd'])))}" for row in rows[1:-1]]),
    )
    texts = [(row["label"], formats.plain(_amount(row))) for row in rows]
    st.table(pd.DataFrame(texts, columns=["Step", "USD per month"]).set_index("Step"), border="horizontal")
    st.caption(
        formats.plain(
            "Each driver is set from A to B in this order, so joint effects fall to the later one. Tokens "
            "are input and output together at the planned load over 730 hours. Another model counts as "
            f"volume first, then as mix. Price of A: {results[0].price_basis}. Price of B: "
            f"{results[1].price_basis}."
        )
    )


def waterfall_rows(found: Waterfall) -> list[dict[str, object]]:
    """Return the bars of a waterfall from the first total to the last."""
    rows = [_bar("A, a month", Decimal(0), found.before_usd, "total")]
    reached = found.before_usd
    for step in found.steps:
        kind = "dearer" if step.usd > 0 else "cheaper"
        rows.append(_bar(STEP_TITLES.get(step.label, step.label), reached, reached + step.usd, kind))
        reached += step.usd
    return [*rows, _bar("B, a month", Decimal(0), reached, "total")]


def _bar(label: str, start: Decimal, end: Decimal, kind: str) -> dict[str, object]:
    return {"label": label, "start": float(start), "end": float(end), "usd": float(end - start), "kind": kind}


def _amount(row: dict[str, object]) -> str:
    usd = Decimal(str(row["usd"])).quantize(Decimal("0.01"))
    return formats.usd(usd, 2) if row["kind"] == "total" or usd <= 0 else f"+{formats.usd(usd, 2)}"
