"""Charts of prices; colours come from the theme of whoever shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

ROW_PX = 26
AXES_PX = 110
MARK_HEIGHT_PX = 16
HOSTS_AXES_PX = 80
HISTORY_PX = 220
LABEL_LIMIT_PX = 210
KINDS = ("On demand", "Spot", "Committed", "Other")
_KINDS_BY_START = {
    "on_demand": "On demand",
    "spot": "Spot",
    "reserved": "Committed",
    "savings_plan": "Committed",
}


def option_kind(option: str) -> str:
    """Return the group of a purchase option, of which there are few enough to tell apart by colour.

    >>> option_kind("spot"), option_kind("savings_plan_3y")
    ('Spot', 'Committed')
    """
    return next((kind for start, kind in _KINDS_BY_START.items() if option.startswith(start)), "Other")


def price_distribution(rows: Sequence[Mapping[Any, Any]], gpus: Sequence[str]) -> alt.LayerChart:
    """Return one line of marks per GPU, one mark per offer, with the median as a ring.

    Parameters
    ----------
    rows
        With ``gpu``, ``usd_per_gpu_hour``, ``kind``, ``offer``, ``seen``.
    gpus
        Order of the lines.
    """
    x = alt.X(
        "usd_per_gpu_hour:Q",
        title="USD per GPU-hour",
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(format="$,.2~f", tickCount=6),
    )
    y = alt.Y(
        "gpu:N", title=None, sort=list(gpus), axis=alt.Axis(labelLimit=LABEL_LIMIT_PX, grid=True, ticks=False)
    )
    base = alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))
    layers = [_offer_marks(base, x, y), _medians(base, y)]
    return alt.LayerChart(layer=layers, height=len(gpus) * ROW_PX + AXES_PX)


def _offer_marks(base: alt.Chart, x: alt.X, y: alt.Y) -> alt.Chart:
    legend = alt.Legend(title=None, orient="bottom", columns=2)
    marks: alt.Chart = base.mark_tick(height=MARK_HEIGHT_PX, thickness=2, opacity=0.75).encode(
        x=x,
        y=y,
        color=alt.Color("kind:N", scale=alt.Scale(domain=list(KINDS)), legend=legend),
        tooltip=[
            alt.Tooltip("offer:N", title="Offer"),
            alt.Tooltip("usd_per_gpu_hour:Q", title="USD per GPU-hour", format="$,.3f"),
            alt.Tooltip("kind:N", title="Kind"),
            alt.Tooltip("seen:N", title="Seen on"),
        ],
    )
    return marks


def _medians(base: alt.Chart, y: alt.Y) -> alt.Chart:
    medians: alt.Chart = (
        base.transform_aggregate(median="median(usd_per_gpu_hour)", offers="count()", groupby=["gpu"])
        .mark_point(size=110, strokeWidth=2.5, color="gray", opacity=1, filled=False)
        .encode(
            x=alt.X("median:Q", title="USD per GPU-hour"),
            y=y,
            tooltip=[
                alt.Tooltip("gpu:N", title="GPU"),
                alt.Tooltip("median:Q", title="Median", format="$,.2f"),
                alt.Tooltip("offers:Q", title="Offers"),
            ],
        )
    )
    return medians


def price_history(rows: Sequence[Mapping[Any, Any]]) -> alt.LayerChart:
    """Return the price of one offer over time as steps: it held until the next observation.

    Parameters
    ----------
    rows
        With ``seen`` (ISO date), ``usd_per_gpu_hour`` and ``source``.
    """
    chart = alt.Chart(alt.InlineData(values=[dict(row) for row in rows])).encode(
        x=alt.X(
            "utcyearmonthdate(seen):T",
            title=None,
            axis=alt.Axis(format="%Y-%m-%d", tickCount=5, labelOverlap=True),
        ),
        y=alt.Y(
            "usd_per_gpu_hour:Q",
            title="USD per GPU-hour",
            scale=alt.Scale(zero=False, nice=True, padding=12),
            axis=alt.Axis(format="$,.2f", tickCount=5),
        ),
        tooltip=[
            alt.Tooltip("utcyearmonthdate(seen):T", title="Seen on", format="%Y-%m-%d"),
            alt.Tooltip("usd_per_gpu_hour:Q", title="USD per GPU-hour", format="$,.4f"),
            alt.Tooltip("source:N", title="Source"),
        ],
    )
    line = chart.mark_line(interpolate="step-after", strokeWidth=2)
    return alt.LayerChart(layer=[line, chart.mark_point(filled=True, size=60)], height=HISTORY_PX)


def hosted_prices(rows: Sequence[Mapping[Any, Any]]) -> alt.Chart:
    """Return what hosts charge for one model: input and output price of each on one line.

    Parameters
    ----------
    rows
        With ``host``, ``kind`` ("Input" or "Output"), ``usd_per_mtok`` and ``seen``.
    """
    hosts = list(dict.fromkeys(row["host"] for row in rows))
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))
        .mark_point(filled=True, size=90)
        .encode(
            x=alt.X(
                "usd_per_mtok:Q",
                title="USD per million tokens",
                scale=alt.Scale(type="log", nice=False, padding=16),
                axis=alt.Axis(format="$,.3~f", tickCount=6),
            ),
            y=alt.Y("host:N", title=None, sort=hosts, axis=alt.Axis(labelLimit=LABEL_LIMIT_PX, grid=True)),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=["Input", "Output"]),
                legend=alt.Legend(title=None, orient="bottom"),
            ),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=["Input", "Output"]), legend=None),
            tooltip=[
                alt.Tooltip("host:N", title="Host"),
                alt.Tooltip("kind:N", title="Tokens"),
                alt.Tooltip("usd_per_mtok:Q", title="USD per million", format="$,.3f"),
                alt.Tooltip("seen:N", title="Seen on"),
            ],
        )
        .properties(height=len(hosts) * ROW_PX + HOSTS_AXES_PX)
    )
    return chart
