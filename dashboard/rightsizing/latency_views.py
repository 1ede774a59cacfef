"""Part of the page Rightsizing: how long requests took, by process, model or team."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from inferplan.dashboard.reports import Column
from inferplan.dashboard.rightsizing.usage_tables import KEEP_S, data_version, metric_title, value_text
from inferplan.dashboard.state import PREFIX
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import usage
from inferplan.planner.request_latency import Percentile, processes, request_latencies

COLUMNS: Mapping[str, Column] = {
    "group": Column("Entity"),
    "latency": Column("Latency"),
    "p50": Column("P50"),
    "p90": Column("P90"),
    "p95": Column("P95"),
    "p99": Column("P99"),
    "observations": Column("Timed"),
    "basis": Column("By"),
    "first_at": Column("From", "UTC"),
    "last_at": Column("To", "UTC"),
}


def latencies(warehouse: Warehouse, by: usage.By, import_ids: Sequence[int]) -> pd.DataFrame:
    """Return how long requests took, in ``COLUMNS``; of GPUs and nodes by the processes on them.

    The frame is shared: copy it before changing it.
    """
    return _latencies(data_version(warehouse), by, tuple(import_ids), _warehouse=warehouse)


@st.cache_resource(max_entries=16, ttl=KEEP_S, show_spinner="Reading how long requests took")
def _latencies(
    version: str, by: usage.By, import_ids: tuple[int, ...], *, _warehouse: Warehouse
) -> pd.DataFrame:
    groups = processes(_warehouse, by)
    rows = [
        {
            "group": one.group,
            "latency": metric_title(one.metric),
            "observations": one.observations,
            **{name: _percentile_text(at) for name, at in one.percentiles.items()},
            "basis": one.basis,
            "first_at": one.first_at,
            "last_at": one.last_at,
        }
        for one in request_latencies(_warehouse, groups, import_ids)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _percentile_text(at: Percentile) -> str:
    return value_text(at.value, "s") if at.is_exact else bounds_text(at.low, at.high)


def bounds_text(low: float, high: float | None) -> str:
    """Return between which seconds a latency lies.

    >>> bounds_text(0.5, 1.0), bounds_text(80.0, None)
    ('0.5 to 1 s', 'more than 80 s')
    """
    return f"more than {low:,.3g} s" if high is None else f"{low:,.3g} to {high:,.3g} s"


def show_latencies(timed: pd.DataFrame) -> None:
    """Show how long requests took as a table: exact values of logs, bounds of histograms' buckets."""
    st.subheader("How long requests took", anchor=False)
    st.caption(
        "Percentiles of requests (or tokens), not of averages. A histogram tells between which bounds the "
        "percentile lies; a request log tells it exactly."
    )
    columns = {name: column.name for name, column in COLUMNS.items()}
    st.dataframe(
        timed,
        column_config={
            **columns,
            "observations": st.column_config.NumberColumn("Timed", format="localized"),
            **{
                name: st.column_config.DatetimeColumn(f"{columns[name]} (UTC)", format="YYYY-MM-DD HH:mm")
                for name in ("first_at", "last_at")
            },
        },
        hide_index=True,
        placeholder="",
        key=f"{PREFIX}rightsizing.latencies",
    )
