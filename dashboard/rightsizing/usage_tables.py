"""What was used and what follows from it, as frames and findings remembered until the data changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from inferplan.dashboard.reports import Column, Report, Table
from inferplan.dashboard.state import now
from inferplan.datasets.schema import GIB
from inferplan.datasets.uploads.metrics import METRICS
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import usage
from inferplan.planner.rightsizing import Finding, Profile
from inferplan.planner.rightsizing.evidence import Measurements
from inferplan.planner.rightsizing.recommend import context_of, decide
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
SHARES = ("p50", "p90", "p95", "p99", "max", "mean")
HELD_SHARE = "fb_used_share"
TITLES: Mapping[str, str] = {
    "insufficient_history": "Not enough history",
    "upsize": "Add capacity",
    "terminate": "Stop it",
    "suspected_idle": "Probably idle",
    "schedule": "Stop by calendar",
    "reduce_replicas": "Fewer replicas",
    "mig_slice": "Move to a slice",
    "consolidate": "Share a GPU",
    "downsize_type": "Smaller GPU",
    "commitment": "Commit",
    "keep": "Keep",
}
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
FINDING_COLUMNS = (
    Column("Advice"),
    Column("Entity"),
    Column("Model"),
    Column("GPU"),
    Column("GPUs"),
    Column("Team"),
    Column("Savings, low", "USD per month"),
    Column("Savings, expected", "USD per month"),
    Column("Savings, high", "USD per month"),
    Column("Savings, as billed", "USD per month"),
    Column("Savings, net of commitments", "USD per month"),
    Column("Confidence"),
    Column("Risk", "0 to 4"),
    Column("Effort"),
    Column("What to do"),
    Column("Why"),
    Column("Prices"),
    Column("Condition, or why nothing is saved"),
    Column("Sample data"),
)
REJECTED_COLUMNS = (Column("Advice"), Column("Entity"), Column("Alternative"), Column("Why not"))
EVIDENCE_COLUMNS = (
    Column("Advice"),
    Column("Entity"),
    Column("Series"),
    Column("Metric"),
    Column("Statistic"),
    Column("Value"),
    Column("Low"),
    Column("High"),
    Column("Limit"),
    Column("Unit"),
    Column("Samples"),
    Column("Coverage", "share"),
    Column("Span", "days"),
    Column("Latency by"),
)


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


def findings(warehouse: Warehouse, profile: Profile, import_ids: Sequence[int]) -> tuple[Finding, ...]:
    """Return the advice on the chosen imports."""
    return _findings(
        data_version(warehouse), profile.model_dump_json(), tuple(import_ids), _warehouse=warehouse
    )


@st.cache_resource(max_entries=16, ttl=KEEP_S, show_spinner="Weighing what was measured")
def _findings(
    version: str, profile_json: str, import_ids: tuple[int, ...], *, _warehouse: Warehouse
) -> tuple[Finding, ...]:
    profile = Profile.model_validate_json(profile_json)
    window = usage.window_within(_warehouse, profile.window, import_ids)
    measured = _measured(version, import_ids, window.lookback_days, window.warm_up_s, _warehouse=_warehouse)
    return decide(context_of(measured, profile))


@st.cache_resource(max_entries=4, ttl=KEEP_S, show_spinner="Reading what was measured")
def _measured(
    version: str,
    import_ids: tuple[int, ...],
    lookback_days: float | None,
    warm_up_s: float,
    *,
    _warehouse: Warehouse,
) -> Measurements:
    return Measurements(_warehouse, list(import_ids), usage.Window(lookback_days, warm_up_s))


def percentiles(warehouse: Warehouse, by: usage.By, import_ids: Sequence[int]) -> pd.DataFrame:
    """Return percentiles with a readable ``label`` and ``title``, and memory as a share of what there is."""
    return _percentiles(data_version(warehouse), by, tuple(import_ids), _warehouse=warehouse)


@st.cache_data(max_entries=16, ttl=KEEP_S, show_spinner="Reading what was measured")
def _percentiles(
    version: str, by: usage.By, import_ids: tuple[int, ...], *, _warehouse: Warehouse
) -> pd.DataFrame:
    found = usage.percentiles(_warehouse, by, list(import_ids))
    found = pd.concat([found, _held_shares(found)], ignore_index=True)
    found["title"] = found["metric"].map(metric_title)
    found["label"] = [_label(row) for row in found.to_dict("records")]
    ambiguous = found.duplicated(["label", "metric"], keep=False)
    found.loc[ambiguous, "label"] += " · " + found.loc[ambiguous, "entity"].str[-ID_LETTERS:]
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


def _label(row: Mapping[Any, Any]) -> str:
    """Return what people call a GPU: host, index and name; groups are called by their own name."""
    if row.get("entity_kind") not in ("gpu", "mig"):
        return str(row["entity"])
    parts = [row.get("host"), row.get("gpu_index"), row.get("gpu_name")]
    words = [str(part) for part in parts if isinstance(part, str) and part]
    label = " · ".join([words[0], f"GPU {words[1]}", *words[2:]]) if len(words) > 2 else " · ".join(words)
    return label.replace("NVIDIA ", "") or str(row["entity"])


def findings_report(found: Sequence[Finding], profile: Profile, sources: str) -> Report:
    """Return findings with their evidence as a report to download."""
    evidence = tuple(
        (
            TITLES[one.action],
            one.entity,
            piece.entity,
            metric_title(piece.metric),
            piece.statistic,
            piece.value,
            piece.low,
            piece.high,
            piece.limit,
            piece.unit,
            piece.samples,
            piece.coverage,
            piece.span_days,
            piece.basis,
        )
        for one in found
        for piece in one.evidence
    )
    rejected = tuple(
        (TITLES[one.action], one.entity, TITLES.get(other.action, other.action), other.reason)
        for one in found
        for other in one.rejected
    )
    tables = (
        Table("Findings", FINDING_COLUMNS, tuple(map(_finding_row, found))),
        Table("Evidence", EVIDENCE_COLUMNS, evidence),
        Table("Rejected", REJECTED_COLUMNS, rejected),
    )
    facts = (
        ("Measured in", sources),
        ("Profile", profile.model_dump_json()),
        ("Month", "730 hours; USD before tax"),
    )
    return Report("Rightsizing findings", tables, facts, now())


def _finding_row(one: Finding) -> tuple[object, ...]:
    worth = one.savings
    return (
        TITLES[one.action],
        one.entity,
        one.model,
        one.gpu_name,
        one.gpu_count,
        one.team,
        worth.low if worth else None,
        worth.expected if worth else None,
        worth.high if worth else None,
        worth.effective if worth else None,
        worth.net if worth else None,
        one.confidence.name.lower(),
        one.risk,
        one.effort,
        one.title,
        one.detail,
        worth.basis if worth else "",
        worth.condition if worth else one.no_savings_reason,
        one.is_sample,
    )


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
