"""Section of the page Tokens per dollar: own measurements, and what they make of an estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from inferplan.dashboard import cached, formats
from inferplan.dashboard.measurements import charts
from inferplan.dashboard.measurements.evidence_views import show_nearest
from inferplan.dashboard.measurements.tables import deployment_words, show_runs
from inferplan.dashboard.measurements.upload_views import KEY, show_files, show_messages, show_upload
from inferplan.datasets.measurements import CHECKPOINT, OwnMeasurement, files
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.case import Case
from inferplan.planner.interval import Interval
from inferplan.planner.performance import Estimate
from inferplan.planner.performance.own_evidence import Compared
from inferplan.planner.performance.own_measurements import METRICS, NEAR, Traits

TITLES = dict(zip(METRICS, ("Time to first token", "Time per output token", "Output tokens/s"), strict=True))


def show_own(warehouse: Warehouse, best: Case) -> None:
    """Show own measurements and what they change; ``best`` is the first deployment of the ranking."""
    st.subheader("Your own measurements")
    show_messages()
    brought = files(warehouse)
    runs, problems = cached.own_runs(warehouse)
    for problem in problems:
        st.warning(f"{formats.sentence(problem)} It is not used; remove its file.", icon=":material/warning:")
    if runs:
        _show_change(warehouse, best, runs)
    elif not brought:
        st.markdown(
            "Measured your own deployment? Bring the result of a load generator: estimates of that model, "
            "GPU and engine, and of those near it, are drawn to it, here and on the command line."
        )
    adding = st.expander("Bring a result", icon=":material/upload_file:", key=f"{KEY}add", on_change="rerun")
    if adding.open:
        with adding:
            show_upload(warehouse)
    if brought:
        with st.expander(f"{formats.plural(len(runs), 'run')} in {formats.plural(len(brought), 'file')}"):
            if runs:
                show_runs(runs, f"{KEY}runs", with_file=True)
            show_files(warehouse, brought)


def _show_change(warehouse: Warehouse, best: Case, runs: Sequence[Compared]) -> None:
    """Show the estimate of a chosen deployment under this page's workload, before and after."""
    choices = {f"First of the ranking: {best.tp * best.pp} × {best.gpu}": best}
    for run in runs:
        choices.setdefault(f"Measured: {deployment_words(run.measurement)}", _case_of(best, run.measurement))
    measured_first = [*list(choices)[1:], next(iter(choices))]
    picked = st.selectbox("Estimate of", measured_first, key=f"{KEY}of", persist_state="session")
    chosen = choices[picked if picked in choices else measured_first[0]]
    before, after = cached.speed(chosen), cached.speed(chosen, warehouse)
    near = [run for run in runs if run.traits.likeness(Traits.of(cached.deployment(chosen))) >= NEAR]
    ranges = [
        _range(name, kind, getattr(found, name), getattr(before, name))
        for name in METRICS
        for kind, found in ((charts.BEFORE, before), (charts.AFTER, after))
    ]
    st.altair_chart(
        charts.change_of_estimate(ranges, [mark for run in near for mark in _marks(run)]),
        alt=f"Estimates of {picked} with and without your measurements, as multiples of the one without",
    )
    if after.published_alone is not None:
        st.markdown(_table(before, after))
    else:
        st.markdown("None of your measurements is near enough to this deployment to change its estimate.")
    st.caption(
        f"Under this page's workload, {formats.plural(float(chosen.concurrency or 1), 'request')} in flight. "
        f"Bars are 80% intervals. Your runs are drawn at their multiple of the estimate of their own load; "
        f"{formats.plural(len(near), 'run')} of this deployment. The speed is estimated from "
        f"{formats.plain(after.basis)}."
    )
    show_nearest(chosen, f"{KEY}near", "Published runs most like it")


def _case_of(best: Case, one: OwnMeasurement) -> Case:
    """Return the page's workload on a measured deployment."""
    names = ("model", "gpu", "engine", "engine_version", "tp", "pp", "dp", "ep", "kv_dtype")
    weights = None if one.weights_dtype == CHECKPOINT else one.weights_dtype
    deployment = {name: getattr(one, name) for name in names}
    return best.model_copy(
        update={**deployment, "config": None, "gpu_memory_gib": None, "weights_dtype": weights}
    )


def _range(name: str, kind: str, found: Interval, before: Interval) -> Mapping[str, Any]:
    low, expected, high = found.scaled(1 / before.expected)
    text = _words(name, found)
    return {
        "figure": TITLES[name],
        "kind": kind,
        "low": low,
        "expected": expected,
        "high": high,
        "text": text,
    }


def _marks(run: Compared) -> list[Mapping[str, Any]]:
    return [
        {
            "figure": TITLES[name],
            "kind": charts.MEASURED,
            "expected": ratio,
            "text": _value(name, getattr(run.measurement, name)),
        }
        for name, ratio in zip(METRICS, run.ratios, strict=True)
        if not math.isnan(ratio)
    ]


def _table(before: Estimate, after: Estimate) -> str:
    """Return the figures before and after with their intervals, as a table of Markdown."""
    words = ((name, *(_words(name, getattr(found, name)) for found in (before, after))) for name in METRICS)
    rows = (f"| {TITLES[name]} | {old} | **{new}** |" for name, old, new in words)
    return "\n".join((f"| | {charts.BEFORE} | {charts.AFTER} |", "|---|---|---|", *rows))


def _words(name: str, found: Interval) -> str:
    low, expected, high = (_value(name, value) for value in found)
    return f"{expected} ({low}{formats.EN_DASH}{high})"


def _value(name: str, value: float) -> str:
    return formats.count(value) if name == "output_tokens_per_s" else formats.duration(value)
