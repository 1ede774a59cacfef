"""Part of the page Rightsizing: findings, each with what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.figures import show_figure
from inferplan.dashboard.rightsizing import usage_charts
from inferplan.dashboard.rightsizing.finding_tables import TITLES, Overview
from inferplan.dashboard.rightsizing.latency_views import bounds_text
from inferplan.dashboard.rightsizing.usage_tables import axis_of, metric_title, value_text
from inferplan.dashboard.state import PREFIX
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import usage
from inferplan.planner.request_latency import latency_over_time
from inferplan.planner.rightsizing import Evidence, Finding, Profile, Savings
from inferplan.planner.rightsizing.evidence import series_together
from inferplan.planner.rightsizing.latency import COUNTERS, latency_series
from inferplan.planner.usage_histograms import counted_values
from inferplan.planner.usage_queries import ENDS

KEY = f"{PREFIX}rightsizing."
ICONS = {
    "upsize": ":material/trending_up:",
    "insufficient_history": ":material/hourglass_empty:",
    "keep": ":material/check:",
    "commitment": ":material/handshake:",
}
SHRINKS = ":material/savings:"
MOST_PRICES = 20
BEST_AND_WORST = "the savings in the worst and in the best case"
NET_HELP = "Savings at the rates of the imported bills, without what a commitment goes on being paid for"
ENDED_BEFORE = """
SELECT i.file_name, max(u.last_at) AS last_at FROM usage_series AS u JOIN imports AS i USING (import_id)
WHERE list_contains($imports::BIGINT[], import_id)
GROUP BY import_id, i.file_name HAVING max(u.last_at) < $begins ORDER BY last_at
"""
RISKS = ("None", "Very low", "Low", "Medium", "High")


def show_summary(found: Overview) -> None:
    """Show what all findings are worth together: at list low to high, and by the bill where there is one."""
    with st.container(horizontal=True, gap="medium"):
        show_figure(
            "Savings per month",
            *(formats.usd(one, 0) for one in (found.expected, found.low, found.high)),
            meaning=BEST_AND_WORST,
        )
        if found.net is not None:
            st.metric("Off the next bill", formats.usd(found.net, 0), help=NET_HELP)
        st.metric("Changes that save", formats.count(found.changes))
        st.metric("Need more capacity", formats.count(found.upsizes))
        st.metric("GPUs measured", formats.count(found.gpus))
    if found.changes:
        st.caption(
            "The low end is where freed GPUs stay on machines that go on running and commitments meet less "
            "demand."
        )
        rest = len(found.bases) - MOST_PRICES
        more = [f"{rest} more, in the table"] if rest > 0 else []
        with st.popover("Prices and sources", icon=":material/sell:"):
            st.markdown("\n".join(f"- {formats.plain(text)}" for text in [*found.bases[:MOST_PRICES], *more]))


def show_left_out(warehouse: Warehouse, profile: Profile, import_ids: Sequence[int]) -> None:
    """Name the files that ended before the days that count: nothing of them is in the findings."""
    [(_, latest)] = warehouse.rows(ENDS, {"imports": list(import_ids)})
    if latest is None or profile.lookback_days is None:
        return
    begins = latest - timedelta(days=profile.lookback_days)
    old = warehouse.rows(ENDED_BEFORE, {"imports": list(import_ids), "begins": begins})
    if old:
        files = formats.listing([f"{name} (until {formats.day(last_at)})" for name, last_at in old])
        st.info(
            formats.plain(
                f"Left out as older than the {profile.lookback_days:g} days up to {formats.day(latest)}: "
                f"{files}. Choose such a file alone in the sidebar to judge it."
            ),
            icon=":material/event_busy:",
        )


def show_findings(warehouse: Warehouse, found: Overview) -> None:
    """Show each finding as a line that opens; the rest of a long list is in the table."""
    if found.findings > len(found.first):
        st.table(found.by_advice, border="horizontal")
    for number, finding in enumerate(found.first):
        _show_finding(warehouse, finding, number)
    if found.findings > len(found.first):
        _show_table(found)


@st.fragment
def _show_finding(warehouse: Warehouse, finding: Finding, number: int) -> None:
    panel = st.expander(
        _headline(finding),
        icon=ICONS.get(finding.action, SHRINKS),
        key=f"{KEY}finding.{finding.action}.{finding.entity}.{number}",
        on_change="rerun",
    )
    if panel.open:
        with panel:
            _show_one(warehouse, finding)


def _show_table(found: Overview) -> None:
    shown, whole = len(found.table), found.findings
    has = f"has {shown:,}, the download has" if whole > shown else "and the download have"
    st.caption(f"The first {len(found.first)} of {whole:,}; the table {has} all.")
    st.dataframe(
        found.table,
        column_config={"Savings per month": st.column_config.NumberColumn(format="dollar")},
        hide_index=True,
        placeholder="",
        key=f"{KEY}findings",
    )


def _headline(finding: Finding) -> str:
    sample = " :gray-badge[sample]" if finding.is_sample else ""
    return f"**{formats.plain(finding.title)}** · {formats.plain(finding.entity)} · {_worth(finding)}{sample}"


def _worth(finding: Finding) -> str:
    if finding.savings is None or finding.savings.expected == 0:
        return formats.plain(finding.no_savings_reason or "nothing saved by itself")
    return formats.plain(f"{formats.usd(finding.savings.expected, 0)} per month")


def _show_one(warehouse: Warehouse, finding: Finding) -> None:
    st.markdown(formats.plain(finding.detail))
    with st.container(horizontal=True, gap="medium"):
        if finding.savings:
            worth = finding.savings
            ends = (formats.usd(one, 0) for one in (worth.expected, worth.low, worth.high))
            show_figure("Savings per month", *ends, meaning=BEST_AND_WORST)
        st.metric("Confidence", finding.confidence.name.capitalize())
        if finding.risk is not None:
            st.metric(
                "Risk",
                RISKS[finding.risk],
                help="By the share of time in which use would exceed the new shape",
            )
        st.metric("Effort", finding.effort.capitalize())
    if finding.savings:
        st.caption(formats.plain(f"{finding.savings.condition} Prices: {finding.savings.basis}."))
        st.caption(formats.plain(_as_billed(finding.savings)))
    about = (finding.model, _gpus(finding), finding.host, finding.team)
    st.caption(" · ".join(formats.plain(part) for part in about if part))
    _show_evidence(warehouse, finding)
    if finding.rejected:
        st.markdown("**Looked at and rejected**")
        st.markdown(
            "\n".join(
                f"- {TITLES.get(other.action, other.action)}: {formats.plain(other.reason)}"
                for other in finding.rejected
            )
        )


def _as_billed(savings: Savings) -> str:
    if savings.effective is None or savings.net is None:
        return f"As billed: {savings.billed}."
    effective, net = formats.usd(savings.effective), formats.usd(savings.net)
    return f"As billed: {effective} per month, {net} net of commitments ({savings.billed})."


def _gpus(finding: Finding) -> str:
    return f"{finding.gpu_count} × {finding.gpu_name or 'GPU of unknown type'}"


def _statistic_text(name: str) -> str:
    return name.upper().replace("P999", "P99.9") if name.startswith("p") else name


def _show_evidence(warehouse: Warehouse, finding: Finding) -> None:
    st.markdown("**Evidence**")
    rows = [
        (
            metric_title(piece.metric),
            _statistic_text(piece.statistic),
            value_text(piece.value, piece.unit) if piece.low is None else bounds_text(piece.low, piece.high),
            "" if piece.then is None else value_text(piece.then, piece.unit),
            "" if piece.limit is None else value_text(piece.limit, piece.unit),
            formats.count(piece.samples),
            "" if piece.coverage is None else formats.percent(piece.coverage),
            f"{piece.span_days:.1f}" + (f", until {piece.last_at:%Y-%m-%d}" if piece.last_at else ""),
        )
        for piece in finding.evidence
    ]
    columns = ["Metric", "Statistic", "Measured", "Then", "Limit", "Samples", "Coverage", "Days"]
    table = pd.DataFrame(rows, columns=columns).set_index("Metric")
    if not table["Then"].any():
        table = table.drop(columns="Then")
    st.table(table, border="horizontal")
    if "Then" in table:
        st.caption("Then: what was measured as a share of the GPU or slice that is advised.")
    if bases := sorted({piece.basis for piece in finding.evidence if piece.basis}):
        st.caption(f"Latency by {formats.listing(bases)}. A histogram tells between which bounds it lies.")
    drawn = list({(piece.entity, piece.metric): piece for piece in finding.evidence}.values())
    chosen = drawn[0]
    if len(drawn) > 1:
        names = [metric_title(piece.metric) for piece in drawn]
        picked = st.segmented_control(
            "Over time",
            range(len(drawn)),
            format_func=names.__getitem__,
            default=0,
            key=f"{KEY}series.{finding.action}.{finding.entity}",
            label_visibility="collapsed",
        )
        chosen = drawn[picked or 0]
    found = _series(warehouse, finding, chosen)
    if not found.empty:
        _show_series(found, chosen)
    elif len(counted := counted_values(warehouse, chosen.entity, chosen.metric)):
        _show_counted(counted, chosen)
    else:
        st.caption("Counted, not measured: there is no series of it.")


def _series(warehouse: Warehouse, finding: Finding, piece: Evidence) -> pd.DataFrame:
    """Return the measurements behind a number, of a group at the same time."""
    if piece.basis:
        return latency_over_time(warehouse, piece.entity, piece.metric, piece.basis, piece.statistic)
    found = usage.series(warehouse, piece.entity, piece.metric)
    if found.empty and piece.metric in COUNTERS:
        return latency_series(warehouse, piece.entity, piece.metric)
    if found.empty and piece.entity == finding.entity:
        found = series_together(warehouse, finding.entities, piece.metric)
        if finding.action == "consolidate":
            found[["low", "mean", "high"]] *= len(finding.entities)
    return found


def _show_series(found: pd.DataFrame, piece: Evidence) -> None:
    gap = found["measured_at"].diff() > found["measured_at"].diff().median() * 2.5
    rows = found.assign(at=found["measured_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"), gap=gap.cumsum())
    title, factor = axis_of(piece.metric, piece.unit)
    rows[["low", "mean", "high"]] *= factor
    st.altair_chart(
        usage_charts.usage_series(
            rows[["at", "low", "mean", "high", "gap"]],
            title,
            _limit(piece, factor),
            is_share=_is_share(piece),
        ),
        alt=f"{title} of {piece.entity} from {found['measured_at'].min()} to {found['measured_at'].max()}",
    )


def _show_counted(found: pd.DataFrame, piece: Evidence) -> None:
    title, factor = axis_of(piece.metric, piece.unit)
    found[["low", "high"]] *= factor
    st.altair_chart(
        usage_charts.counted_values(found, title, _limit(piece, factor), is_share=_is_share(piece)),
        alt=f"{title} of {piece.entity}: in which share of the time it lay where",
    )
    st.caption("Counted by value where the samples are: there is no course over time.")


def _is_share(piece: Evidence) -> bool:
    return piece.unit == "ratio" and piece.metric.endswith("_ratio")


def _limit(piece: Evidence, factor: float) -> float | None:
    """Return the limit to draw over what was measured; a limit of counts is none of values."""
    if piece.limit is None or not piece.statistic.startswith(("p", "max")):
        return None
    now = piece.limit / piece.times
    return None if _is_share(piece) and now > 1 else now * factor
