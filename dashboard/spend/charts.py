"""Charts of the page Spend; colours come from the theme of whoever shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from inferplan.dashboard.charts import short_numbers

ROW_PX = 28
AXES_PX = 150
BARS_PX = 420
MONTH_PX = 340
KINDS = ("effective cost", "paid and not used", "used", "not divided")
# In the order of the theme's colours, so that over time parts look as they do in the waterfall.
PARTS = (
    "unused_commitment", "loaded_headroom", "useful", "unknown", "unallocated", "shared", "allocated_idle",
)  # fmt: skip


def parts_of_cost(rows: Sequence[Mapping[str, Any]], currency: str) -> alt.Chart:
    """Return the waterfall: the whole cost, then each part from where the one before ends.

    Parameters
    ----------
    rows
        With ``label``, ``start``, ``end``, ``amount`` and ``kind`` (of ``KINDS``), in order.
    """
    labels = [row["label"] for row in rows]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=list(rows)))
        .mark_bar(height=alt.RelativeBandSize(0.9))
        .encode(
            x=alt.X("start:Q", title=currency, axis=_money_axis(currency, 6)),
            x2="end:Q",
            y=alt.Y(
                "label:N",
                title=None,
                sort=labels,
                axis=alt.Axis(labelLimit=220, labelOverlap=False, ticks=False),
            ),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=list(KINDS)),
                legend=alt.Legend(title=None, orient="bottom", columns=2),
            ),
            tooltip=[
                alt.Tooltip("label:N", title="Part"),
                alt.Tooltip("amount:Q", title=currency, format=",.2f"),
            ],
        )
        .properties(height=len(rows) * ROW_PX + AXES_PX)
    )
    return chart


def cost_over_time(rows: Sequence[Mapping[str, Any]], titles: Mapping[str, str], currency: str) -> alt.Chart:
    """Return stacked bars by day, week or month.

    Parameters
    ----------
    rows
        With ``at`` (its label), ``part`` (a title), ``amount`` and ``rank`` from the bottom, in time's order.
    titles
        Of the parts, from the bottom.
    """
    times = list(dict.fromkeys(row["at"] for row in rows))
    present = {row["part"] for row in rows}
    shown = [title for title in titles.values() if title in present]
    every = -(-len(times) // 12)
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=list(rows)))
        .mark_bar()
        .encode(
            x=alt.X(
                "at:O",
                title=None,
                sort=times,
                axis=alt.Axis(values=times[::every], labelAngle=-40, labelOverlap=True),
            ),
            y=alt.Y("amount:Q", title=currency, axis=_money_axis(currency, 5)),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=[titles[part] for part in PARTS]),
                legend=alt.Legend(title=None, orient="bottom", columns=2, values=shown),
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("at:O", title="From"),
                alt.Tooltip("part:N", title="Part"),
                alt.Tooltip("amount:Q", title=currency, format=",.2f"),
            ],
        )
        .properties(height=BARS_PX)
    )
    return chart


def month_end(rows: Sequence[Mapping[str, Any]], budget: float | None, currency: str) -> alt.LayerChart:
    """Return what a month has cost by the end of each day, and what it may reach.

    Parameters
    ----------
    rows
        With ``day`` (of the month), ``low``, ``expected``, ``high`` and ``kind`` ("spent" or "forecast").
    budget
        Drawn as a line, if there is one.
    """
    data = alt.Chart(alt.InlineData(values=list(rows)))
    x = alt.X("day:Q", title="Day of the month", axis=alt.Axis(tickMinStep=1, tickCount=10, format="d"))
    y_axis = _money_axis(currency, 5)
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=["spent", "forecast", *(["budget"] if budget is not None else [])]),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    band = (
        data.transform_filter("datum.kind == 'forecast'")
        .mark_area(opacity=0.3)
        .encode(x=x, y=alt.Y("low:Q", title=currency, axis=y_axis), y2="high:Q", color=colour)
    )
    line = data.mark_line(strokeWidth=2.5).encode(
        x=x,
        y=alt.Y("expected:Q", title=currency, axis=y_axis),
        color=colour,
        tooltip=[
            alt.Tooltip("day:Q", title="Day"),
            alt.Tooltip("low:Q", title="Low", format=",.0f"),
            alt.Tooltip("expected:Q", title="Expected", format=",.0f"),
            alt.Tooltip("high:Q", title="High", format=",.0f"),
        ],
    )
    layers: list[Any] = [band, line]
    if budget is not None:
        rule = alt.Chart(alt.InlineData(values=[{"budget": budget, "kind": "budget"}]))
        layers.append(rule.mark_rule(strokeDash=[6, 3], strokeWidth=2).encode(y="budget:Q", color=colour))
    return alt.LayerChart(layer=layers, height=MONTH_PX)


def _money_axis(currency: str, ticks: int) -> alt.Axis:
    """Return an axis of amounts such as $5k; another currency than USD stands in the axis' title only."""
    return alt.Axis(tickCount=ticks, labelExpr=short_numbers("$" if currency == "USD" else ""))
