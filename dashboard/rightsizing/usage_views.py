"""Part of the page Rightsizing: percentiles of what was used against what there is."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.reports import Report, table_of_frame
from inferplan.dashboard.rightsizing import usage_charts, usage_tables
from inferplan.dashboard.rightsizing.latency_views import COLUMNS, show_latencies
from inferplan.dashboard.rightsizing.usage_tables import SHOWN_IN_CHART, axis_of, metric_title, value_text
from inferplan.dashboard.state import PREFIX, now
from inferplan.datasets.schema import GIB

KEY = f"{PREFIX}rightsizing."
STATISTICS = ("p50", "p90", "p95", "p99", "max")
MOST_ROWS = 500
"""Of a table on the page: tens of thousands would be sent again with every press."""
_SHAPES = {"ratio": (100.0, "%.1f%%"), "bytes": (1 / GIB, "%.1f GiB")}
"""Factor and format of a unit that is not shown as it is."""


def show_usage(frame: pd.DataFrame, timed: pd.DataFrame, by: str, sources: str) -> None:
    """Show the percentiles of one metric by entity, and how long requests took, with a download of all."""
    if len(frame):
        _show_metric(frame)
    if len(timed):
        show_latencies(timed)
    download_menu(
        "usage",
        f"usage-by-{by}-{now():%Y-%m-%d}",
        lambda: _report(frame, timed, by, sources),
        label="Download all metrics",
    )


@st.fragment
def _show_metric(frame: pd.DataFrame) -> None:
    metric = st.selectbox(
        "Metric",
        usage_tables.metrics_by_importance(frame),
        format_func=metric_title,
        key=f"{KEY}metric",
        persist_state="session",
    )
    chosen = frame[frame["metric"] == metric].sort_values("p95", ascending=False)
    _show_chart(chosen, metric)
    _show_table(chosen)


def _show_table(chosen: pd.DataFrame) -> None:
    """Show the rows with the highest P95; more than ``MOST_ROWS`` are for the download."""
    unit = str(chosen["unit"].iloc[0])
    shown, factor, shape = chosen.head(MOST_ROWS), *_SHAPES.get(unit, (1.0, f"%.4g {unit}"))
    columns = ["label", *STATISTICS, "n", "coverage", "days", "confidence", "model", "team"]
    st.dataframe(
        shown[columns].assign(
            **{name: shown[name] * factor for name in STATISTICS},
            confidence=shown["confidence"].str.capitalize(),
            coverage=shown["coverage"] * 100,
        ),
        column_config={
            **{name: usage_tables.USAGE_COLUMNS[name].name for name in columns},
            **{
                name: st.column_config.NumberColumn(usage_tables.USAGE_COLUMNS[name].name, format=shape)
                for name in STATISTICS
            },
            "n": st.column_config.NumberColumn("Samples", format="localized"),
            "coverage": st.column_config.NumberColumn("Coverage", format=formats.COLUMN_PERCENT),
            "days": st.column_config.NumberColumn("Days", format="%.1f"),
        },
        hide_index=True,
        placeholder="",
        key=f"{KEY}usage",
    )
    if len(chosen) > MOST_ROWS:
        st.caption(f"The {MOST_ROWS:,} with the highest P95 of {len(chosen):,}; the download has all.")


def _show_chart(chosen: pd.DataFrame, metric: str) -> None:
    unit = str(chosen["unit"].iloc[0])
    shown = chosen.head(SHOWN_IN_CHART)
    title, factor = axis_of(metric, unit)
    said = [f"{row['label']} P95 {value_text(row['p95'], unit)}" for row in shown.to_dict("records")]
    names = {name: usage_tables.USAGE_COLUMNS[name].name for name in STATISTICS}
    rows = shown[list(STATISTICS)].mul(factor).rename(columns=names).assign(entity=shown["label"])
    st.altair_chart(
        usage_charts.usage_percentiles(rows, title, is_share=unit == "ratio"),
        alt=f"{title}: {formats.listing(said)}",
    )
    if len(chosen) > len(shown):
        st.caption(f"The {len(shown)} with the highest P95 of {len(chosen):,}.")
    if metric == "gpu_util_ratio":
        st.caption(
            "GPU_UTIL says that some kernel ran, not that the GPU was full: no advice rests on it alone. "
            "Where SM activity was measured, look at that."
        )


def _report(frame: pd.DataFrame, timed: pd.DataFrame, by: str, sources: str) -> Report:
    """Return percentiles as a report to download; bytes and shares stay as they are."""
    facts = (
        ("Measured in", sources),
        ("Grouped by", by),
        ("Percentiles", "exact, interpolated linearly; of groups: of sums taken at the same time"),
    )
    tables = (
        table_of_frame("Percentiles", frame, usage_tables.USAGE_COLUMNS),
        table_of_frame("Latency of requests", timed, COLUMNS),
    )
    return Report("Usage percentiles", tables if len(timed) else tables[:1], facts, now())
