"""Findings as the page shows and downloads them, remembered until the data changes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.reports import Column, Report, Table
from inferplan.dashboard.rightsizing.usage_tables import KEEP_S, data_version, metric_title
from inferplan.dashboard.state import now
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import usage
from inferplan.planner.rightsizing import Finding, Profile
from inferplan.planner.rightsizing.evidence import Measurements
from inferplan.planner.rightsizing.recommend import context_of, decide

IN_FULL = 20
MOST_ROWS = 500
"""Of the table under them: tens of thousands would be sent again with every press."""
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
    Column("Then"),
    Column("Limit"),
    Column("Unit"),
    Column("Samples"),
    Column("Coverage", "share"),
    Column("Span", "days"),
    Column("Latency by"),
)


@dataclass(frozen=True)
class Overview:
    """What the page shows of findings: few objects, however large the fleet."""

    findings: int
    changes: int
    """Findings that save something."""
    upsizes: int
    gpus: int
    low: Decimal
    """Savings in USD per month, at list."""
    expected: Decimal
    high: Decimal
    net: Decimal | None
    """Savings in USD per month at the billed rates and net of commitments; ``None``: no bill."""
    bases: tuple[str, ...]
    """Prices and sources."""
    by_advice: pd.DataFrame
    """How many findings advise what, and what they save together, as texts."""
    first: tuple[Finding, ...]
    """Those that are shown in full."""
    table: pd.DataFrame
    """All of them, up to ``MOST_ROWS``."""


def overview(warehouse: Warehouse, profile: Profile, import_ids: Sequence[int]) -> Overview:
    """Return what the page shows of the advice on the chosen imports."""
    return _overview(
        data_version(warehouse), profile.model_dump_json(), tuple(import_ids), _warehouse=warehouse
    )


def findings(warehouse: Warehouse, profile: Profile, import_ids: Sequence[int]) -> tuple[Finding, ...]:
    """Return the advice on the chosen imports."""
    return _findings(
        data_version(warehouse), profile.model_dump_json(), tuple(import_ids), _warehouse=warehouse
    )


@st.cache_resource(max_entries=16, ttl=KEEP_S, show_spinner="Weighing what was measured")
def _overview(
    version: str, profile_json: str, import_ids: tuple[int, ...], *, _warehouse: Warehouse
) -> Overview:
    return _overview_of(_findings(version, profile_json, import_ids, _warehouse=_warehouse))


# As data, which Streamlit keeps as bytes.
@st.cache_data(max_entries=16, ttl=KEEP_S, show_spinner=False)
def _findings(
    version: str, profile_json: str, import_ids: tuple[int, ...], *, _warehouse: Warehouse
) -> tuple[Finding, ...]:
    profile = Profile.model_validate_json(profile_json)
    window = usage.window_within(_warehouse, profile.window, import_ids)
    measured = _measured(version, import_ids, window.lookback_days, window.warm_up_s, _warehouse=_warehouse)
    return decide(context_of(measured, profile))


def _overview_of(found: Sequence[Finding]) -> Overview:
    saving = [one.savings for one in found if one.savings and one.savings.expected > 0]
    net = [one.net for one in saving if one.net is not None]
    rows = [
        (
            TITLES[one.action],
            one.entity,
            float(one.savings.expected) if one.savings else None,
            one.no_savings_reason or "",
        )
        for one in found[:MOST_ROWS]
    ]
    return Overview(
        findings=len(found),
        changes=len(saving),
        upsizes=sum(one.action == "upsize" for one in found),
        gpus=sum(one.gpu_count for one in found if one.action != "commitment"),
        low=sum((one.low for one in saving), Decimal(0)),
        expected=sum((one.expected for one in saving), Decimal(0)),
        high=sum((one.high for one in saving), Decimal(0)),
        net=sum(net, Decimal(0)) if net else None,
        bases=tuple(sorted({one.basis for one in saving})),
        by_advice=_by_advice(found),
        first=tuple(found[:IN_FULL]),
        table=pd.DataFrame(rows, columns=["Advice", "Entity", "Savings per month", "Why nothing is saved"]),
    )


@st.cache_resource(max_entries=4, ttl=KEEP_S, show_spinner=False)
def _measured(
    version: str,
    import_ids: tuple[int, ...],
    lookback_days: float | None,
    warm_up_s: float,
    *,
    _warehouse: Warehouse,
) -> Measurements:
    return Measurements(_warehouse, list(import_ids), usage.Window(lookback_days, warm_up_s))


def _by_advice(found: Sequence[Finding]) -> pd.DataFrame:
    counts = Counter(one.action for one in found)
    worth: defaultdict[str, Decimal] = defaultdict(Decimal)
    for one in found:
        if one.savings and one.savings.expected > 0:
            worth[one.action] += one.savings.expected
    rows = [
        (TITLES[action], formats.count(count), formats.usd(worth[action], 0) if action in worth else "")
        for action, count in counts.items()
    ]
    return pd.DataFrame(rows, columns=["Advice", "Findings", "Savings per month"]).set_index("Advice")


def findings_report(
    warehouse: Warehouse, profile: Profile, import_ids: Sequence[int], sources: str
) -> Report:
    """Return the findings with their evidence as a report to download."""
    found = findings(warehouse, profile, import_ids)
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
            piece.then,
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
    return Report("Rightsizing findings", tables, facts, now(), _answer(_overview_of(found)))


def _answer(found: Overview) -> str:
    low, expected, high = (formats.usd(one, 0) for one in (found.low, found.expected, found.high))
    worth = f"{expected} per month ({low} to {high})"
    net = f", {formats.usd(found.net, 0)} of it off the next bill" if found.net is not None else ""
    return (
        f"{formats.plural(found.changes, 'change')} save {worth}{net}; "
        f"{formats.plural(found.upsizes, 'finding')} for more capacity; "
        f"{formats.plural(found.gpus, 'GPU')} measured."
    )


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
