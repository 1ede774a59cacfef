"""Charts as pure functions of plain data; colours come from the theme of whoever shows them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from inferplan.dashboard import formats
from inferplan.datasets.schema import GIB

BAR_AND_AXIS_PX = 155  # Streamlit fits axis and legend into the height too
LEGEND_ROW_PX = 19
LEGEND_COLUMNS = 2
END_MARK_SHARE = 0.005
COST_CHART_PX = 400
MOST_COLOURS = 8
WIDE_SPAN = 1000
OTHER_GPUS = "other GPUs"
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
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
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
    return chart


def short_numbers(sign: str = "") -> str:
    """Return how an axis labels numbers: 20k for 20,000; 0.2 and not 200m, which reads as millions."""
    return f"format(datum.value, abs(datum.value) < 1 ? '{sign}~g' : '{sign}~s')"


def log_ticks(values: Sequence[float]) -> list[float]:
    """Return round numbers for a logarithmic axis: steps of 1, 2, 5 or, over a wide span, powers of ten.

    >>> log_ticks([3.0, 42.0]), log_ticks([0.2, 400.0])
    ([5.0, 10.0, 20.0], [1.0, 10.0, 100.0])
    """
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if high / low > WIDE_SPAN else (1, 2, 5)
    ticks = (float(f"{step}e{power}") for power in powers for step in steps)
    return [tick for tick in ticks if low <= tick <= high]


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


def cost_against_speed(rows: Sequence[Mapping[Any, Any]], least_tokens_per_s: float | None) -> alt.LayerChart:
    """Return cost against interactivity, one mark per load, the best of them joined by a line.

    Parameters
    ----------
    rows
        With ``tokens_per_s``, ``usd_per_mtok_output``, ``gpu``, ``label`` and ``pareto``. GPUs that are
        never among the best share one colour.
    least_tokens_per_s
        Speed that the latency target asks for, drawn as a line, if there is one.
    """
    best = list(dict.fromkeys(row["gpu"] for row in rows if row["pareto"]))[:MOST_COLOURS]
    data = alt.InlineData(
        values=[{**row, "colour": row["gpu"] if row["gpu"] in best else OTHER_GPUS} for row in rows]
    )
    x = alt.X(
        "tokens_per_s:Q",
        title="Speed for each user (output tokens/s)",
        scale=alt.Scale(type="log", nice=False, padding=8),
        axis=alt.Axis(values=log_ticks([row["tokens_per_s"] for row in rows]), labelExpr=short_numbers()),
    )
    y = alt.Y(
        "usd_per_mtok_output:Q",
        title="USD per million output tokens",
        scale=alt.Scale(type="log", nice=False, padding=8),
        axis=alt.Axis(values=log_ticks([row["usd_per_mtok_output"] for row in rows]), format="$,.2~f"),
    )
    colour = alt.Color(
        "colour:N",
        scale=alt.Scale(domain=[*best, OTHER_GPUS]),
        legend=alt.Legend(title=None, orient="bottom", columns=3, offset=8, symbolOpacity=1),
    )
    marks = (
        alt.Chart(data)
        .mark_point(filled=True)
        .encode(
            x=x,
            y=y,
            color=colour,
            size=alt.condition("datum.pareto", alt.value(90), alt.value(22)),
            opacity=alt.condition("datum.pareto", alt.value(1), alt.value(0.4)),
            tooltip=[
                alt.Tooltip("label:N", title="Offer"),
                alt.Tooltip("usd_per_mtok_output:Q", title="USD per M output", format="$,.3f"),
                alt.Tooltip("tokens_per_s:Q", title="Tokens/s per user", format=",.1f"),
                alt.Tooltip("concurrency:Q", title="In flight per replica"),
            ],
        )
    )
    frontier = (
        alt.Chart(data)
        .transform_filter("datum.pareto")
        .mark_line(strokeWidth=1.5, opacity=0.5)
        .encode(x=x, y=y)
    )
    layers: list[alt.Chart] = [frontier, marks]
    if least_tokens_per_s is not None:
        target = alt.Chart(
            alt.InlineData(values=[{"tokens_per_s": least_tokens_per_s, "colour": OTHER_GPUS}])
        )
        rule = target.mark_rule(strokeDash=[5, 4]).encode(x="tokens_per_s:Q", color=colour)
        layers.append(rule)
    return alt.LayerChart(layer=layers, height=COST_CHART_PX)
