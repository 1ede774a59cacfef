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

KEY = f"{PREFIX}rightsizing."
STATISTICS = ("p50", "p90", "p95", "p99", "max")


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
    unit = str(chosen["unit"].iloc[0])
    texts = chosen.assign(
        **{name: [value_text(value, unit) for value in chosen[name]] for name in STATISTICS},
        confidence=chosen["confidence"].str.capitalize(),
        coverage=[("" if pd.isna(share) else formats.percent(share)) for share in chosen["coverage"]],
    )
    columns = ["label", *STATISTICS, "n", "coverage", "days", "confidence", "model", "team"]
    st.dataframe(
        texts,
        column_order=columns,
        column_config={
            **{name: usage_tables.USAGE_COLUMNS[name].name for name in columns},
            "n": st.column_config.NumberColumn("Samples", format="localized"),
            "days": st.column_config.NumberColumn("Days", format="%.1f"),
        },
        hide_index=True,
        key=f"{KEY}usage",
    )


def _show_chart(chosen: pd.DataFrame, metric: str) -> None:
    unit = str(chosen["unit"].iloc[0])
    shown = chosen.head(SHOWN_IN_CHART)
    title, factor = axis_of(metric, unit)
    said = [f"{row['label']} P95 {value_text(row['p95'], unit)}" for row in shown.to_dict("records")]
    scaled = shown[list(STATISTICS)].mul(factor).assign(entity=shown["label"])
    rows = scaled.to_dict("records")
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
