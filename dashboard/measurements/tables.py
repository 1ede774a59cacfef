"""Runs beside their estimates, as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from inferplan.dashboard import formats
from inferplan.datasets.measurements import OwnMeasurement
from inferplan.planner.performance.own_evidence import Compared

MOST_ROWS, MOST_PX = 8, 320
OF_THE_FILE = ("Deployment", "File")
RATIO = "Measured over estimated; 1 is as published runs alone make us expect"


def show_runs(runs: Sequence[Compared], key: str, *, with_file: bool) -> None:
    """Show each run: what was measured, and by what factor it differs from the estimate."""
    hidden = () if with_file else OF_THE_FILE
    rows = [{name: value for name, value in _row(run).items() if name not in hidden} for run in runs]
    ratio = st.column_config.NumberColumn(format="%.2f ×", help=RATIO)
    st.dataframe(
        rows,
        column_config={
            "TTFT": st.column_config.NumberColumn("TTFT (ms)", format="%.0f"),
            "TPOT": st.column_config.NumberColumn("TPOT (ms)", format="%.1f"),
            "Output": st.column_config.NumberColumn("Output (tokens/s)", format=formats.COLUMN_COUNT),
            "of estimate": ratio, "of estimate ": ratio, "of estimate  ": ratio,
            "Measured": st.column_config.DateColumn(format=formats.COLUMN_DATE),
        },
        hide_index=True,
        placeholder="",
        height="content" if len(runs) <= MOST_ROWS else MOST_PX,
        key=key,
        alt="Measured runs with what they are as multiples of the estimate",
    )  # fmt: skip


def _row(run: Compared) -> dict[str, object]:
    one = run.measurement
    ttft, tpot, output = (None if math.isnan(ratio) else ratio for ratio in run.ratios)
    return {
        "Deployment": deployment_words(one),
        "Tokens": f"{formats.count(one.input_tokens)} in, {formats.count(one.output_tokens)} out",
        "Load": load_words(one),
        "TTFT": None if one.ttft_s is None else one.ttft_s * 1000,
        "of estimate": ttft,
        "TPOT": None if one.tpot_s is None else one.tpot_s * 1000,
        "of estimate ": tpot,
        "Output": one.output_tokens_per_s,
        "of estimate  ": output,
        "Measured": one.measured_at,
        "File": one.file_name,
    }


def deployment_words(one: OwnMeasurement) -> str:
    """Return a measured deployment in a few words."""
    model = one.model.rpartition("/")[2]
    return f"{model} · {one.tp * one.pp * one.dp} × {one.gpu} · {one.engine} · {one.weights_dtype}"


def load_words(one: OwnMeasurement) -> str:
    """Return what was asked of a measured deployment."""
    if one.concurrency is None:
        return f"{formats.significant(one.request_rate_per_s or 0)} requests/s"
    return f"{formats.significant(one.concurrency)} {'at once' if one.at_once else 'in flight'}"
