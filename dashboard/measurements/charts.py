"""How own measurements change an estimate, as a chart; colours come from the theme of whoever shows it."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from inferplan.dashboard.charts import log_ticks

ROW_PX = 62
AXIS_AND_LEGEND_PX = 120
BEFORE, AFTER, MEASURED = "Published runs alone", "With yours", "Your runs"


def change_of_estimate(
    ranges: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]
) -> alt.LayerChart:
    """Return estimates before and after as ranges, and single runs, all as multiples of the estimate before.

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
    reach = [row[end] for row in ranges for end in ("low", "high")] + [row["expected"] for row in runs]
    x: dict[str, Any] = {
        "title": "Published estimate = 1",
        "scale": alt.Scale(type="log", nice=False, padding=12),
        "axis": alt.Axis(format="~g", values=log_ticks(reach)),
    }
    y = alt.Y("figure:N", title=None, sort=figures, axis=alt.Axis(ticks=False, labelPadding=8))
    offset = alt.YOffset("kind:N", sort=kinds, scale=alt.Scale(domain=kinds))
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=kinds),
        legend=alt.Legend(title=None, orient="bottom", columns=2, offset=8, symbolType="circle"),
    )
    tooltip = [alt.Tooltip("kind:N", title="From"), alt.Tooltip("text:N", title="Value")]
    spans = data.mark_rule(strokeWidth=5, opacity=0.45, strokeCap="round").encode(
        x=alt.X("low:Q", **x), x2="high:Q", y=y, yOffset=offset, color=colour, tooltip=tooltip
    )
    points = marks.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("expected:Q", **x), y=y, yOffset=offset, color=colour, tooltip=tooltip
    )
    return alt.LayerChart(layer=[spans, points], height=len(figures) * ROW_PX + AXIS_AND_LEGEND_PX)
