"""Charts of what was used; colours come from the theme of whoever shows them.

They take frames, which Streamlit sends as Arrow: Altair checks rows of its own one by one.
"""

from typing import Any

import altair as alt
import pandas as pd

from inferplan.dashboard.charts import short_numbers

ROW_PX = 26
AXES_PX = 130
SERIES_PX = 200
LABEL_LIMIT_PX = 190
STATISTICS = ("P50", "P90", "P95", "P99", "Max")


def usage_percentiles(rows: pd.DataFrame, title: str, *, is_share: bool) -> alt.LayerChart:
    """Return one line per entity from its median to its maximum, with every percentile marked.

    Parameters
    ----------
    rows
        With ``entity`` and each of ``STATISTICS``, in the order of the lines.
    title
        Metric and unit, for the axis.
    is_share
        Whether values are shares (0-1) of a capacity, which is then drawn at 100 %.
    """
    axis = _axis(is_share, tickCount=6, orient="top")
    scale = alt.Scale(domain=[0, _reach(rows)]) if is_share else alt.Scale(domainMin=0, nice=True)
    x: dict[str, Any] = {"title": title, "axis": axis, "scale": scale}
    labels = alt.Axis(labelLimit=LABEL_LIMIT_PX, labelFlush=False, ticks=False)
    y = alt.Y("entity:N", title=None, sort=None, axis=labels)
    span = alt.Chart().mark_rule(strokeWidth=6, opacity=0.35, strokeCap="round", color="gray")
    layers: list[Any] = [
        span.encode(x=alt.X("P50:Q", **x), x2="Max:Q", y=y),
        _percentile_marks(alt.X("value:Q", **x), y, ".1%" if is_share else ",.3~f"),
    ]
    if is_share:
        capacity = alt.Chart(alt.InlineData(values=[{"capacity": 1}]))
        layers.append(capacity.mark_rule(strokeDash=[4, 3], color="gray").encode(x=alt.X("capacity:Q", **x)))
    return alt.LayerChart(data=rows, layer=layers, height=len(rows) * ROW_PX + AXES_PX)


def _percentile_marks(x: alt.X, y: alt.Y, number: str) -> alt.Chart:
    legend = alt.Legend(title=None, orient="bottom", symbolType="circle", columns=3)
    marks: alt.Chart = (
        alt.Chart()
        .transform_fold(list(STATISTICS), ["statistic", "value"])
        .mark_point(filled=True, size=75, opacity=1)
        .encode(
            x=x,
            y=y,
            color=alt.Color("statistic:O", sort=list(STATISTICS), legend=legend),
            tooltip=[
                alt.Tooltip("entity:N", title="Entity"),
                alt.Tooltip("statistic:N", title="Statistic"),
                alt.Tooltip("value:Q", title="Value", format=number),
            ],
        )
    )
    return marks


def usage_series(rows: pd.DataFrame, title: str, limit: float | None, *, is_share: bool) -> alt.LayerChart:
    """Return a metric over time: the band from low to high, its mean, and the limit it is held against.

    Parameters
    ----------
    rows
        With ``at`` (ISO time, UTC), ``low``, ``mean``, ``high``; ``gap`` numbers the stretches without a gap.
    """
    chart = alt.Chart().encode(
        x=alt.X(
            "at:T",
            title=None,
            scale=alt.Scale(type="utc"),
            axis=alt.Axis(format="%d %b", tickCount=8, labelOverlap=True),
        )
    )
    axis = _axis(is_share, tickCount=4)
    y = alt.Y("low:Q", title=None, axis=axis, scale=alt.Scale(domainMin=0, nice=True))
    band = chart.mark_area(opacity=0.3).encode(y=y, y2="high:Q", detail="gap:N")
    number = ".1%" if is_share else ",.3~f"
    line = chart.mark_line(strokeWidth=1.5).encode(
        y=alt.Y("mean:Q", title=None),
        detail="gap:N",
        tooltip=[
            alt.Tooltip("utcyearmonthdatehoursminutes(at):T", title="From (UTC)", format="%Y-%m-%d %H:%M"),
            alt.Tooltip("mean:Q", title="Mean", format=number),
            alt.Tooltip("high:Q", title="High", format=number),
        ],
    )
    layers: list[Any] = [band, line]
    if limit is not None:
        rule = alt.Chart(alt.InlineData(values=[{"limit": limit}])).mark_rule(strokeDash=[4, 3], color="gray")
        layers.append(rule.encode(y=alt.Y("limit:Q", title=None), tooltip=[_limit_told(number)]))
    return alt.LayerChart(data=rows, layer=layers, height=SERIES_PX, title=f"{title}, UTC")


def counted_values(rows: pd.DataFrame, title: str, limit: float | None, *, is_share: bool) -> alt.LayerChart:
    """Return in which share of the time a metric lay where, and the limit it is held against.

    Parameters
    ----------
    rows
        With ``low``, ``high`` (bounds of a bucket) and ``share`` (of the time, 0-1).
    """
    axis = _axis(is_share, tickCount=8)
    x: dict[str, Any] = {"title": title, "axis": axis, "scale": alt.Scale(domainMin=0, nice=True)}
    number = ".1%" if is_share else ",.3~f"
    layers: list[Any] = [
        alt.Chart()
        .mark_bar()
        .encode(
            x=alt.X("low:Q", bin="binned", **x),
            x2="high:Q",
            y=alt.Y("share:Q", title="Share of the time", axis=alt.Axis(format="~%", tickCount=4)),
            tooltip=[
                alt.Tooltip("low:Q", title="From", format=number),
                alt.Tooltip("high:Q", title="To", format=number),
                alt.Tooltip("share:Q", title="Share of the time", format=".1%"),
            ],
        )
    ]
    if limit is not None:
        rule = alt.Chart(alt.InlineData(values=[{"limit": limit}])).mark_rule(strokeDash=[4, 3], color="gray")
        layers.append(rule.encode(x=alt.X("limit:Q", **x), tooltip=[_limit_told(number)]))
    return alt.LayerChart(data=rows, layer=layers, height=SERIES_PX)


def _axis(is_share: bool, **settings: Any) -> alt.Axis:
    return alt.Axis(format="%", **settings) if is_share else alt.Axis(labelExpr=short_numbers(), **settings)


def _limit_told(number: str) -> alt.Tooltip:
    return alt.Tooltip("limit:Q", title="Limit", format=number)


def _reach(rows: pd.DataFrame) -> float:
    return max(1.0, float(rows["Max"].max())) * 1.02
