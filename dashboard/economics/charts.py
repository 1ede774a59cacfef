"""Charts of the page Economics; colours come from the theme of whoever shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from inferplan.dashboard.charts import short_numbers

BAR_PX = 150
LEGEND_ROW_PX = 19
LEGEND_COLUMNS = 2
LINES_PX = 380
STEPS_PX = 280
OWN = "own replicas"
MIX = "cheapest mix"
MOST_HOSTS = 4


def month_parts(rows: Sequence[Mapping[str, Any]], order: Sequence[str]) -> alt.Chart:
    """Return a month's money as one stacked bar.

    Parameters
    ----------
    rows
        With ``part``, ``label`` (part with its amount) and ``usd``, in the order of the bar.
    order
        Labels in the order of the theme's colours.
    """
    legend = alt.Legend(
        title=None, orient="bottom", columns=LEGEND_COLUMNS, labelLimit=260, offset=8,
        values=[row["label"] for row in rows],
    )  # fmt: skip
    legend_rows = -(-len(rows) // LEGEND_COLUMNS)
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=[{**row, "at": at, "all": ""} for at, row in enumerate(rows)]))
        .mark_bar(height=alt.RelativeBandSize(1))
        .encode(
            x=alt.X(
                "usd:Q",
                title="USD per month",
                stack="zero",
                axis=alt.Axis(format="$,.0f", tickCount=5),
                scale=alt.Scale(nice=False),
            ),
            y=alt.Y("all:N", axis=None),
            color=alt.Color("label:N", scale=alt.Scale(domain=list(order)), legend=legend),
            order="at:Q",
            tooltip=[alt.Tooltip("part:N", title="Part"), alt.Tooltip("usd:Q", title="USD", format="$,.2f")],
        )
        .properties(height=BAR_PX + legend_rows * LEGEND_ROW_PX)
    )
    return chart


def cost_by_load(rows: Sequence[Mapping[str, Any]], ways: Sequence[str]) -> alt.Chart:
    """Return what an hour costs against its load: own replicas as steps, hosts as straight lines.

    Parameters
    ----------
    rows
        With ``requests``, ``usd`` and ``way``.
    ways
        Ways in the order of the theme's colours, own replicas first.
    """
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=280)
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=list(rows)))
        .mark_line(interpolate="linear", strokeWidth=2.5)
        .encode(
            x=alt.X(
                "requests:Q", title="Requests per hour", axis=alt.Axis(labelExpr=short_numbers(), tickCount=6)
            ),
            y=alt.Y("usd:Q", title="USD per hour", axis=alt.Axis(format="$,.2~f", tickCount=6)),
            color=alt.Color("way:N", scale=alt.Scale(domain=list(ways)), legend=legend),
            strokeDash=alt.condition(f"datum.way == '{OWN}'", alt.value([1, 0]), alt.value([6, 3])),
            tooltip=[
                alt.Tooltip("way:N", title="Way"),
                alt.Tooltip("requests:Q", title="Requests per hour", format=",.0f"),
                alt.Tooltip("usd:Q", title="USD per hour", format="$,.2f"),
            ],
        )
        .properties(height=LINES_PX)
    )
    return chart


def hours_by_demand(rows: Sequence[Mapping[str, Any]], bases: Sequence[float], unit: str) -> alt.LayerChart:
    """Return hours from the busiest to the quietest, with a line at the top of each base.

    Parameters
    ----------
    rows
        With ``share`` (of the hours, 0-1) and ``wanted``.
    bases
        Heights of the lines.
    unit
        What is counted.
    """
    area = (
        alt.Chart(alt.InlineData(values=list(rows)))
        .mark_area(interpolate="step-after", opacity=0.55)
        .encode(
            x=alt.X(
                "share:Q",
                title="Share of the hours with at least this demand",
                axis=alt.Axis(format=".0%", tickCount=5),
                scale=alt.Scale(domain=[0, 1]),
            ),
            y=alt.Y("wanted:Q", title=unit, axis=alt.Axis(tickCount=5, labelExpr=short_numbers())),
            tooltip=[
                alt.Tooltip("share:Q", title="Share of the hours", format=".0%"),
                alt.Tooltip("wanted:Q", title=unit, format=",.0f"),
            ],
        )
    )
    line = (
        alt.Chart(alt.InlineData(values=[{"base": base} for base in bases]))
        .mark_rule(strokeWidth=2.5, strokeDash=[6, 3], color="gray")
        .encode(y="base:Q")
    )
    return alt.LayerChart(layer=[area, line], height=STEPS_PX)


def waterfall(rows: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """Return a waterfall: bars from ``start`` to ``end``, totals and steps apart by colour.

    Parameters
    ----------
    rows
        With ``label``, ``start``, ``end``, ``usd`` and ``kind`` ("total", "dearer" or "cheaper"), in order.
    """
    labels = [row["label"] for row in rows]
    legend = alt.Legend(title=None, orient="bottom")
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=list(rows)))
        .mark_bar(size=26)
        .encode(
            x=alt.X("start:Q", title="USD per month", axis=alt.Axis(format="$,.0f", tickCount=5)),
            x2="end:Q",
            y=alt.Y("label:N", title=None, sort=labels, axis=alt.Axis(labelLimit=220)),
            color=alt.Color("kind:N", scale=alt.Scale(domain=["total", "dearer", "cheaper"]), legend=legend),
            tooltip=[alt.Tooltip("label:N", title="Step"), alt.Tooltip("usd:Q", title="USD", format="$,.2f")],
        )
        .properties(height=len(labels) * 38 + 90)
    )
    return chart
