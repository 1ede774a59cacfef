"""How own measurements change an estimate, as a chart; colours come from the theme of whoever shows it."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

ROW_PX = 62
AXIS_AND_LEGEND_PX = 110
BEFORE, AFTER, MEASURED = "published runs alone", "with your measurements", "your runs"


def change_of_estimate(
    ranges: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]
) -> alt.LayerChart:
    """Return estimates before and after as ranges, and single runs, all as multiples of the first estimate.

    Parameters
    ----------
    ranges
        With ``figure``, ``kind`` (``BEFORE`` or ``AFTER``), ``low``, ``expected``, ``high`` and ``text``.
    runs
        With ``figure``, ``kind`` (``MEASURED``), ``expected`` and ``text``.
    """
    figures = list(dict.fromkeys(row["figure"] for row in ranges))
    kinds = [BEFORE, AFTER, MEASURED]
    data = alt.Chart(alt.InlineData(values=[dict(row) for row in ranges]))
    marks = alt.Chart(alt.InlineData(values=[dict(row) for row in (*ranges, *runs)]))
    x: dict[str, Any] = {
        "title": "Multiple of the estimate from published runs alone",
        "scale": alt.Scale(type="log", nice=False, padding=12),
        "axis": alt.Axis(format="~g", tickCount=6),
    }
    y = alt.Y("figure:N", title=None, sort=figures, axis=alt.Axis(ticks=False, labelPadding=8))
    offset = alt.YOffset("kind:N", sort=kinds, scale=alt.Scale(domain=kinds))
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=kinds),
        legend=alt.Legend(title=None, orient="bottom", columns=3, offset=8, symbolType="circle"),
    )
    tooltip = [alt.Tooltip("kind:N", title="From"), alt.Tooltip("text:N", title="Value")]
    spans = data.mark_rule(strokeWidth=5, opacity=0.45, strokeCap="round").encode(
        x=alt.X("low:Q", **x), x2="high:Q", y=y, yOffset=offset, color=colour, tooltip=tooltip
    )
    points = marks.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("expected:Q", **x), y=y, yOffset=offset, color=colour, tooltip=tooltip
    )
    return alt.LayerChart(layer=[spans, points], height=len(figures) * ROW_PX + AXIS_AND_LEGEND_PX)
