"""What was used, as frames remembered until the data changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from inferplan.dashboard.reports import Column
from inferplan.datasets.schema import GIB
from inferplan.datasets.uploads.metrics import METRICS
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import usage
from inferplan.pricing.offers import load_snapshot

KEEP_S = 3600
SHOWN_IN_CHART = 30
# What decides about a GPU, first; a metric that is not here comes after these by name.
IMPORTANCE = (
    "sm_active_ratio",
    "dram_active_ratio",
    "fb_used_share",
    "kv_cache_usage_ratio",
    "requests_waiting",
    "requests_running",
    "tensor_active_ratio",
    "gpu_util_ratio",
    "power_w",
)
ID_LETTERS = 6
SHORT_ID = 12
"""Letters of an id that is shown whole; of a longer one the last ``ID_LETTERS`` tell it apart."""
SHARES = ("p50", "p90", "p95", "p99", "max", "mean")
HELD_SHARE = "fb_used_share"
USAGE_COLUMNS: Mapping[str, Column] = {
    "label": Column("Entity"),
    "title": Column("Metric"),
    "p50": Column("P50"),
    "p90": Column("P90"),
    "p95": Column("P95"),
    "p99": Column("P99"),
    "max": Column("Max"),
    "unit": Column("Unit"),
    "n": Column("Samples"),
    "coverage": Column("Coverage", "share"),
    "days": Column("Days"),
    "confidence": Column("Confidence"),
    "gpu_name": Column("GPU"),
    "host": Column("Host"),
    "replica": Column("Replica"),
    "model": Column("Model"),
    "team": Column("Team"),
    "entity": Column("Id"),
}


def metric_title(metric: str) -> str:
    """Return a metric in words; the rate of a counter is named after it."""
    if metric == HELD_SHARE:
        return "GPU memory held"
    known = METRICS.get(metric) or METRICS.get(metric.removesuffix("_per_s"))
    if known is None:
        return metric.replace("_", " ")
    return known.title if metric in METRICS else f"{known.title}, per second"


def data_version(warehouse: Warehouse) -> str:
    """Return a text that changes whenever imports or prices do."""
    load_snapshot(warehouse)
    [row] = warehouse.rows(
        "SELECT (SELECT count(*) FROM imports), (SELECT max(import_id) FROM imports), "
        "(SELECT max(refresh_id) FROM price_refreshes)"
    )
    return f"{warehouse.path} {row}"


def percentiles(warehouse: Warehouse, by: usage.By, import_ids: Sequence[int]) -> pd.DataFrame:
    """Return percentiles with a readable ``label`` and ``title``, and memory as a share of what there is.

    The frame is shared: copy it before changing it.
    """
    return _percentiles(data_version(warehouse), by, tuple(import_ids), _warehouse=warehouse)


@st.cache_resource(max_entries=16, ttl=KEEP_S, show_spinner="Reading what was measured")
def _percentiles(
    version: str, by: usage.By, import_ids: tuple[int, ...], *, _warehouse: Warehouse
) -> pd.DataFrame:
    found = usage.percentiles(_warehouse, by, list(import_ids))
    found = pd.concat([found, _held_shares(found)], ignore_index=True)
    found["title"] = found["metric"].map(metric_title)
    places = (found[name] for name in ("entity", "entity_kind", "host", "gpu_index", "gpu_name"))
    found["label"] = [_label(*place) for place in zip(*places, strict=True)]
    ambiguous = found.duplicated(["label", "metric"], keep=False)
    ids = found.loc[ambiguous, "entity"]
    found.loc[ambiguous, "label"] += " · " + ids.where(ids.str.len() <= SHORT_ID, ids.str[-ID_LETTERS:])
    return found


def metrics_by_importance(frame: pd.DataFrame) -> list[str]:
    """Return the metrics in ``frame``, those that decide first."""
    order = {name: number for number, name in enumerate(IMPORTANCE)}
    return sorted(frame["metric"].unique(), key=lambda metric: (order.get(metric, len(order)), metric))


def _held_shares(found: pd.DataFrame) -> pd.DataFrame:
    """Return the memory held as a share of the GPU's total, where both were measured."""
    totals = found[found["metric"] == "fb_total_bytes"].set_index("entity")["max"]
    held = found[(found["metric"] == "fb_used_bytes") & found["entity"].isin(totals.index)].copy()
    for name in SHARES:
        held[name] = held[name] / totals.loc[held["entity"]].to_numpy()
    return held.assign(metric=HELD_SHARE, unit="ratio")


def _label(entity: str, kind: str | None, *parts: object) -> str:
    """Return what people call a GPU: host, index and name; groups are called by their own name."""
    if kind not in ("gpu", "mig"):
        return entity
    words = [part for part in parts if isinstance(part, str) and part]
    label = " · ".join([words[0], f"GPU {words[1]}", *words[2:]]) if len(words) > 2 else " · ".join(words)
    return label.replace("NVIDIA ", "") or entity


def axis_of(metric: str, unit: str) -> tuple[str, float]:
    """Return an axis title with its unit, and the factor to that unit: bytes are drawn in GiB."""
    if unit == "ratio":
        return metric_title(metric), 1.0
    shown, factor = ("GiB", 1 / GIB) if unit == "bytes" else (unit, 1.0)
    return f"{metric_title(metric)} ({shown})", factor


def value_text(value: float, unit: str) -> str:
    """Return a measured value in the unit that people read.

    >>> value_text(0.905, "ratio"), value_text(86 * 1024**3, "bytes"), value_text(63.3, "W")
    ('90.5%', '86.0 GiB', '63.3 W')
    """
    if unit == "ratio":
        return f"{value * 100:.1f}%"
    if unit == "bytes":
        return f"{value / GIB:.1f} GiB"
    return f"{value:,.4g} {unit}".strip()
