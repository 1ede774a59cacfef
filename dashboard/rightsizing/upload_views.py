"""Part of the page Rightsizing: take exports in, report first, land whole, undo whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.once import once
from inferplan.dashboard.rightsizing.archives import each_file
from inferplan.dashboard.rightsizing.import_jobs import (
    JOB,
    ImportJob,
    show_running,
    start,
    without_name,
)
from inferplan.dashboard.rightsizing.inspections import inspection, keep_only, show_reading, show_stopped
from inferplan.dashboard.rightsizing.pull_views import show_pull
from inferplan.dashboard.rightsizing.question_fields import ask
from inferplan.dashboard.rightsizing.usage_tables import metric_title
from inferplan.dashboard.state import PREFIX
from inferplan.datasets import samples
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import (
    CancelledError,
    Import,
    ParseReport,
    ReadOptions,
    undo_import,
)
from inferplan.datasets.warehouse import Warehouse

KEY = f"{PREFIX}rightsizing."
ROUND = f"{KEY}upload_round"
MESSAGES = f"{KEY}messages"


def show_upload(warehouse: Warehouse) -> None:
    """Take files, tell what is in each, ask what they do not say, and import on confirmation."""
    upload_round = st.session_state.setdefault(ROUND, 0)
    dropped = st.file_uploader(
        "Drop exports here",
        accept_multiple_files=True,
        key=f"{KEY}files.{upload_round}",
        help="Prometheus or Grafana exports of DCGM and vLLM, nvidia-smi and dcgmi logs, bills and more: "
        "each is recognised by its content. Nothing is imported before you confirm. Larger files: "
        "`inferplan import FILE`.",
    )
    uploads: list[Any] = [*each_file(dropped), *show_pull(upload_round)]
    keep_only({upload.file_id for upload in uploads})
    ready = [
        (upload, options)
        for upload in uploads
        if (options := _show_inspection(warehouse, upload)) is not None
    ]
    if ready:
        label = f"Import {formats.plural(len(ready), 'file')}"
        st.button(label, type="primary", key=f"{KEY}import", on_click=_import, args=(warehouse, ready))


def show_messages() -> None:
    """Show the import that runs, and what came of the last import, undo or sample button, once."""
    job: ImportJob | None = st.session_state.get(JOB)
    if job and job.is_running:
        show_running(job)
    elif job:
        st.session_state.setdefault(MESSAGES, []).extend(job.outcomes)
        del st.session_state[JOB]
    told = st.session_state.pop(MESSAGES, [])
    for kind, show in (("success", st.success), ("error", st.error)):
        if texts := [formats.plain(text) for of_kind, text in told if of_kind == kind]:
            show("  \n".join(texts))


def show_imports(warehouse: Warehouse, imports: Sequence[Import]) -> None:
    """Show what was imported, each with its undo."""
    for one in imports:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch"):
                badge = " :gray-badge[sample]" if one.is_sample else ""
                st.markdown(f"**{formats.plain(one.file_name)}**{badge}")
                span = (
                    f"{one.first_at:%Y-%m-%d} to {one.last_at:%Y-%m-%d} UTC" if one.first_at else "no times"
                )
                st.caption(
                    f"{formats.plain(one.format)} · {span} · imported {one.imported_at:%Y-%m-%d %H:%M} UTC"
                )
            st.button(
                "Undo import",
                icon=":material/undo:",
                key=f"{KEY}undo.{one.import_id}",
                on_click=_undo,
                args=(warehouse, one.import_id, one.file_name),
            )


def show_sample_offer(warehouse: Warehouse) -> None:
    """Offer the sample fleet, and small files to try an upload with."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Load the sample fleet",
            icon=":material/science:",
            key=f"{KEY}sample",
            on_click=_load_samples,
            args=(warehouse,),
            help="Invented data of a small fleet over four weeks, labelled as such. One click removes it.",
        )
        with st.popover("Files to try an upload with", icon=":material/download:"):
            for name in ("sample-dcgm.json", "sample-vllm.json"):
                st.download_button(
                    name,
                    _sample_file(name),
                    file_name=name,
                    mime="application/json",
                    key=f"{KEY}sample.{name}",
                    on_click="ignore",
                    width="stretch",
                )


def _sample_file(name: str) -> Callable[[], bytes]:
    return lambda: samples.files()[name]


def _show_inspection(warehouse: Warehouse, upload: Any) -> ReadOptions | None:
    """Show what is in one file; return how to read it once nothing is left to ask."""
    with st.container(border=True):
        heading = st.empty()
        heading.markdown(f"**{formats.plain(upload.name)}**")
        try:
            options, report = _read_with_answers(warehouse, upload)
        except CancelledError:
            show_stopped(upload)
            return None
        except InferplanError as error:
            heading.empty()
            _refuse(upload.name, error)
            return None
        if report is None:
            return None
        heading.markdown(f"**{formats.plain(upload.name)}** · {formats.plain(report.title)}")
        if report.recalled or st.session_state.get(_anew_key(upload)):
            st.checkbox("Say anew what the columns mean", key=_anew_key(upload), persist_state="session")
        if report.questions:
            st.caption("What is in it is shown once that is answered.")
            return None
        _show_report(report)
        return options if report.can_import else None


def _refuse(name: str, error: InferplanError) -> None:
    st.error(f"**{formats.plain(name)}** {formats.plain(without_name(name, error))}", icon=":material/error:")


def _show_report(report: ParseReport) -> None:
    parts = [
        f"{report.rows_read:,} rows read",
        f"{report.rows_refused:,} refused",
        f"{report.values_kept:,} values kept",
        f"{report.values_missing:,} missing",
    ]
    if report.first_at and report.last_at:
        series = f"{report.series:,} series " if report.series else ""
        parts.append(f"{series}from {report.first_at:%Y-%m-%d %H:%M} to {report.last_at:%Y-%m-%d %H:%M} UTC")
    if report.coverage is not None:
        parts.append(f"{formats.percent(report.coverage)} of the samples are there")
    st.caption(formats.plain(", ".join(parts)))
    if report.metrics:
        names = [metric_title(name) for name, _ in report.metrics]
        st.caption(formats.plain(f"Metrics: {formats.listing(names)}."))
    for note in report.notes:
        st.caption(formats.plain(note))
    if not report.can_import:
        st.warning("Nothing in this file can be used.", icon=":material/block:")
    if report.problems:
        refused = formats.plural(report.rows_refused, "row")
        with st.expander(f"{refused} refused: the first ones"):
            st.dataframe(
                pd.DataFrame([(one.line, one.reason) for one in report.problems], columns=["Line", "Reason"]),
                column_config={"Line": st.column_config.NumberColumn(width="small")},
                hide_index=True,
            )
    if report.ignored:
        unused = formats.plural(len(report.ignored), "name")
        with st.expander(f"{unused} not used"):
            st.dataframe(pd.DataFrame(report.ignored, columns=["Name", "Times"]), hide_index=True)


def _read_with_answers(warehouse: Warehouse, upload: Any) -> tuple[ReadOptions, ParseReport | None]:
    """Ask what the file does not say, each thing once; answers live as long as the file.

    While the file is being read there is no report of it yet.
    """
    given: dict[str, Any] = {"file_name": upload.name, "member": getattr(upload, "member", None)}
    if st.session_state.get(_anew_key(upload)):
        given["columns"] = {}
    asked: set[tuple[str, int]] = set()
    while True:
        options = ReadOptions.model_validate(given)
        found = inspection(warehouse, upload, options)
        if found.is_running:
            show_reading(upload, found)
            return options, None
        report = found.result()
        fresh = {(one.option, len(one.choices)): one for one in report.questions}
        fresh = {key: one for key, one in fresh.items() if key not in asked}
        for (option, choices), question in fresh.items():
            answer = ask(question, f"{KEY}ask.{upload.file_id}.{option}.{choices}")
            asked.add((option, choices))
            if answer not in (None, "", {}):
                given[question.option] = answer
        if not fresh or ReadOptions.model_validate(given) == options:
            return options, report


def _anew_key(upload: Any) -> str:
    return f"{KEY}anew.{upload.file_id}"


def _import(warehouse: Warehouse, ready: Sequence[tuple[Any, ReadOptions]]) -> None:
    action = ("import", *((upload.file_id, options.model_dump_json()) for upload, options in ready))
    st.session_state[JOB] = once(action, lambda: start(warehouse, ready))
    st.session_state[ROUND] += 1
    keep_only(set())


def _undo(warehouse: Warehouse, import_id: int, file_name: str) -> None:
    try:
        undo_import(warehouse, import_id)
    except InferplanError as error:
        _say("error", str(error))
        return
    _say("success", f"Took {file_name} out again, whole.")


def _load_samples(warehouse: Warehouse) -> None:
    try:
        samples.load(warehouse)
    except InferplanError as error:
        _say("error", str(error))
        return
    _say("success", "The sample fleet is loaded. It is invented: use it to look around.")


def _say(kind: str, text: str) -> None:
    st.session_state.setdefault(MESSAGES, []).append((kind, text))
