"""The chart of the page Speed: how latency grows with the rate of requests."""

from collections.abc import Sequence
from typing import NamedTuple

import altair as alt

from inferplan.dashboard.charts import log_ticks

CHART_PX = 340
MEAN, SLOW, TOKEN = "time to first token, mean", "time to first token, P99", "time per output token, mean"
OWN_RATE = "this plan's rate"


class Point(NamedTuple):
    """Latency at one rate."""

    requests_per_s: float
    seconds: float
    line: str


def latency_against_rate(points: Sequence[Point], rate_per_s: float | None) -> alt.LayerChart:
    """Return latency (logarithmic) against the rate, with a line at the plan's own rate if it has one."""
    names = [MEAN, SLOW, TOKEN] + ([] if rate_per_s is None else [OWN_RATE])
    colour = alt.Color(
        "line:N",
        scale=alt.Scale(domain=names),
        legend=alt.Legend(title=None, orient="bottom", columns=2, offset=8),
    )
    x = alt.X(
        "requests_per_s:Q",
        title="Requests per second, whole deployment",
        scale=alt.Scale(zero=True, nice=False),
    )
    layers: list[alt.Chart] = [_lines(points, x, colour)]
    if rate_per_s is not None:
        asked = alt.Chart(alt.InlineData(values=[{"requests_per_s": rate_per_s, "line": OWN_RATE}]))
        layers.append(asked.mark_rule(strokeDash=[5, 4]).encode(x=x, color=colour))
    return alt.LayerChart(layer=layers, height=CHART_PX)


def _lines(points: Sequence[Point], x: alt.X, colour: alt.Color) -> alt.Chart:
    data = alt.InlineData(values=[point._asdict() for point in points])
    ticks = log_ticks([point.seconds for point in points])
    lines: alt.Chart = (
        alt.Chart(data)
        .mark_line(point=True)
        .encode(
            x=x,
            y=alt.Y(
                "seconds:Q",
                title="Seconds",
                scale=alt.Scale(type="log", nice=False, padding=8),
                axis=alt.Axis(values=ticks, format="~g"),
            ),
            color=colour,
            tooltip=[
                alt.Tooltip("line:N", title="Latency"),
                alt.Tooltip("seconds:Q", title="Seconds", format=",.3~r"),
                alt.Tooltip("requests_per_s:Q", title="Requests/s", format=",.3~r"),
            ],
        )
    )
    return lines
