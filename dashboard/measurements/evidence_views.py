"""Part of the page Tokens per dollar: what the estimate rests on, and published runs that come near it."""

from __future__ import annotations

import re

import pandas as pd
import streamlit as st

from inferplan.dashboard import cached, formats
from inferplan.dashboard.comparing.row_case import deployment_fields
from inferplan.dashboard.state import PREFIX
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.case import Case
from inferplan.planner.performance import NearMeasurement, nearest_measurements

MEASUREMENTS = 8
SHOWN_OF_LINK = r"https?://(?:github\.com/)?(.+)"
_IN_REPOSITORY = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+):(?P<path>\S+?)(?:@(?P<commit>[0-9a-f]{7,40}))?")


def of_row(current: Case, row: pd.Series) -> Case:
    """Return ``current`` on the deployment and at the load of a ranked row, one replica of it."""
    changed = {
        **deployment_fields(current, row),
        "gpu_memory_gib": current.gpu_memory_gib if row["gpu"] == current.gpu else None,
        "dp": 1,
        "concurrency": max(1, int(row["concurrency"])),
        "request_rate": None,
    }
    return current.model_copy(update=changed)


def show_evidence(warehouse: Warehouse, best: Case) -> None:
    """Show what limits a replica, what its estimate rests on, and what others measured."""
    found = cached.speed(best, warehouse)
    st.caption(
        f"Limited by {found.bound_by.replace('_', ' ')}; {formats.significant(found.running_sequences)} of "
        f"{formats.plural(float(best.concurrency or 1), 'request')} in flight run at once on a replica. "
        f"The speed is estimated from {formats.plain(found.basis)}."
    )
    show_nearest(best, f"{PREFIX}compare.near", "What others measured")


def show_nearest(case: Case, key: str, title: str) -> None:
    """Show the published runs most like ``case``, each with a link, once the expander is opened."""
    near = st.expander(title, icon=":material/speed:", key=key, on_change="rerun")
    if not near.open:
        return
    runs = nearest_measurements(cached.deployment(case), case.workload(), MEASUREMENTS)
    near.dataframe(
        [_row(run) for run in runs],
        column_config={
            "TTFT": st.column_config.NumberColumn("TTFT (ms)", format=formats.COLUMN_MS),
            "TPOT": st.column_config.NumberColumn("TPOT (ms)", format="%.1f"),
            "Output": st.column_config.NumberColumn("Output (tokens/s)", format=formats.COLUMN_COUNT),
            "Source": st.column_config.LinkColumn(width="large", display_text=SHOWN_OF_LINK),
        },
        hide_index=True,
        placeholder="",
        key=f"{key}.runs",
        alt="Published runs that are most like this deployment",
    )
    near.caption("The nearest first; how near counts model, engine, GPU, format, layout and load.")


def source_link(source: str) -> str:
    """Return the address of a source that is written as ``owner/repository:path@commit``.

    >>> source_link("NVIDIA/TensorRT-LLM:docs/source/performance/perf-overview.md@00f37686")
    'https://github.com/NVIDIA/TensorRT-LLM/blob/00f37686/docs/source/performance/perf-overview.md'
    """
    match = _IN_REPOSITORY.fullmatch(source)
    if match is None:
        return source
    return f"https://github.com/{match['repository']}/blob/{match['commit'] or 'HEAD'}/{match['path']}"


def _row(run: NearMeasurement) -> dict[str, object]:
    one = run.benchmark
    return {
        "Model": one.published_model,
        "GPU": one.gpu,
        "GPUs": one.gpus,
        "Engine": one.engine,
        "Weights": one.weights_dtype,
        "Tokens": f"{formats.count(one.input_tokens or 0)} in, {formats.count(one.output_tokens or 0)} out",
        "In flight": None if one.concurrency is None else str(one.concurrency).removesuffix(".0"),
        "TTFT": one.ttft_p50_ms or one.ttft_mean_ms,
        "TPOT": one.tpot_p50_ms or one.tpot_mean_ms,
        "Output": one.output_tokens_per_s,
        "Differs in": formats.listing(run.differs_in),
        "Measured on": one.measured_on,
        "Source": source_link(one.source),
    }
