"""Charts as pure functions of plain data; colours come from the theme of whoever shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from inferplan.dashboard import formats
from inferplan.datasets.schema import GIB

BAR_AND_AXIS_PX = 155  # Streamlit fits axis and legend into the height too
LEGEND_ROW_PX = 19
LEGEND_COLUMNS = 2
END_MARK_SHARE = 0.005
LABEL_LIMIT_PX = 220
# Fixed, so that a part keeps its colour from chart to chart; a part of another name comes after these.
MEMORY_PARTS = ("weights", "KV cache", "activations", "CUDA graphs", "outside of PyTorch", "unused")
TRAINING_PARTS = ("weights", "optimizer", "activations", "gradients", "logits and loss", "CUDA context")


def memory_parts(
    parts: Mapping[str, int], total_bytes: int, order: Sequence[str] = MEMORY_PARTS
) -> alt.Chart:
    """Return the memory of one GPU as a stacked bar, with a line where the GPU ends.

    Parameters
    ----------
    parts
        Bytes by name, in the order in which they are stacked; one that is negative is left out.
    total_bytes
        Memory of the GPU; what reaches beyond it does not fit.
    order
        Parts in the order of the theme's colours, those that this chart leaves out included.
    """
    rows = _stacked(parts)
    total = total_bytes / GIB
    reach = max(total, rows[-1]["end"]) if rows else total
    labels = {row["name"]: row["part"] for row in rows}
    domain = [labels.get(name, name) for name in [*order, *(name for name in labels if name not in order)]]
    if reach > total * 1.0001:
        half_width = reach * END_MARK_SHARE / 2
        end = f"the GPU ends at {formats.gib(total_bytes)}"
        rows.append(
            {"part": end, "start": total - half_width, "end": total + half_width, "name": end, "gpu": ""}
        )
        domain.insert(len(order), end)
    legend_rows = -(-len(rows) // LEGEND_COLUMNS)
    legend = alt.Legend(
        title=None,
        orient="bottom",
        columns=LEGEND_COLUMNS,
        offset=8,
        labelLimit=LABEL_LIMIT_PX,
        values=[row["part"] for row in rows],
    )
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(height=alt.RelativeBandSize(1))
        .encode(
            x=alt.X("start:Q", title="GiB of one GPU", scale=alt.Scale(domain=[0, reach], nice=False)),
            x2="end:Q",
            y=alt.Y("gpu:N", axis=None),
            color=alt.Color("part:N", scale=alt.Scale(domain=domain), legend=legend),
            tooltip=[alt.Tooltip("part:N", title="Memory")],
        )
        .properties(height=BAR_AND_AXIS_PX + legend_rows * LEGEND_ROW_PX)
    )


def _stacked(parts: Mapping[str, int]) -> list[dict[str, Any]]:
    start, rows = 0.0, []
    for name, size in parts.items():
        if size > 0:
            end = start + size / GIB
            rows.append(
                {"part": f"{name} {formats.gib(size)}", "start": start, "end": end, "name": name, "gpu": ""}
            )
            start = end
    return rows


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
