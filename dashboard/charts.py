"""Charts as pure functions of plain data; colours come from the theme of whoever shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from inferplan.dashboard import formats
from inferplan.datasets.schema import GIB

BAR_HEIGHT_PX = 56
LABEL_LIMIT_PX = 220


def memory_parts(parts: Mapping[str, int], total_bytes: int) -> alt.LayerChart:
    """Return the memory of one GPU as a stacked bar, with a line where the GPU ends.

    Parameters
    ----------
    parts
        Bytes by label, in the order in which they are stacked; a part of no bytes keeps its colour.
    total_bytes
        Memory of the GPU; parts beyond it do not fit.
    """
    labels = {name: f"{name} {formats.gib(size)}" for name, size in parts.items()}
    start, rows = 0.0, []
    for name, size in parts.items():
        end = start + max(size, 0) / GIB
        share = formats.percent(size / total_bytes, 1)
        rows.append({"part": labels[name], "start": start, "end": end, "share": share})
        start = end
    reach = max(start, total_bytes / GIB)
    bar = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(height=BAR_HEIGHT_PX, cornerRadius=2)
        .encode(
            x=alt.X("start:Q", title="GiB per GPU", scale=alt.Scale(domain=[0, reach * 1.01], nice=False)),
            x2="end:Q",
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=list(labels.values())),
                legend=alt.Legend(title=None, orient="bottom", columns=2, labelLimit=LABEL_LIMIT_PX),
            ),
            tooltip=[alt.Tooltip("part:N", title="Part"), alt.Tooltip("share:N", title="Of the GPU")],
        )
    )
    end_of_gpu = (
        alt.Chart(alt.Data(values=[{"total": total_bytes / GIB}]))
        .mark_rule(strokeWidth=2, strokeDash=[4, 3], color="gray")
        .encode(x="total:Q", tooltip=[alt.Tooltip("total:Q", title="GPU total (GiB)", format=",.1f")])
    )
    return alt.layer(bar, end_of_gpu).properties(height=BAR_HEIGHT_PX + 24)


def cost_against_speed(rows: Sequence[Mapping[str, Any]]) -> alt.LayerChart:
    """Return cost against interactivity, one mark per offer, the best of them joined by a line.

    Parameters
    ----------
    rows
        With ``tokens_per_s_per_user``, ``usd_per_mtok_output``, ``gpu``, ``label`` and ``pareto``.
    """
    data = alt.Data(values=[dict(row) for row in rows])
    x = alt.X(
        "tokens_per_s_per_user:Q",
        title="Speed for each user (output tokens/s)",
        scale=alt.Scale(zero=False, nice=True),
    )
    y = alt.Y(
        "usd_per_mtok_output:Q",
        title="USD per million output tokens",
        scale=alt.Scale(type="log", nice=True),
        axis=alt.Axis(format="$,.3~g"),
    )
    marks = (
        alt.Chart(data)
        .mark_point(filled=True)
        .encode(
            x=x,
            y=y,
            color=alt.Color("gpu:N", legend=alt.Legend(title=None, orient="bottom", columns=4)),
            size=alt.condition("datum.pareto", alt.value(110), alt.value(35)),
            opacity=alt.condition("datum.pareto", alt.value(1), alt.value(0.45)),
            tooltip=[
                alt.Tooltip("label:N", title="Offer"),
                alt.Tooltip("usd_per_mtok_output:Q", title="USD per M output", format="$,.3f"),
                alt.Tooltip("tokens_per_s_per_user:Q", title="Tokens/s per user", format=",.1f"),
            ],
        )
    )
    frontier = (
        alt.Chart(data)
        .transform_filter("datum.pareto")
        .mark_line(interpolate="step-before", strokeWidth=1.5, opacity=0.6, color="gray")
        .encode(x=x, y=y)
    )
    return alt.layer(frontier, marks).properties(height=380)
