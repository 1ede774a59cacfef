"""Inspections that run beside the page: of a large file they show how far they are and can be stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.rightsizing.import_jobs import KEY
from inferplan.dashboard.spooled import spooled
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import ParseReport, Progress, ReadOptions, inspect
from inferplan.datasets.warehouse import Warehouse

INSPECTED = f"{KEY}inspected"
KEPT_INSPECTIONS = 20
PATIENCE_S = 3.0
"""How long the page waits for an inspection before it shows progress instead."""


@dataclass
class Inspection:
    """What is being found in a file by a thread of its own, or was."""

    progress: Progress = field(default_factory=Progress)
    thread: Thread | None = None
    report: ParseReport | None = None
    error: InferplanError | None = None

    @property
    def is_running(self) -> bool:
        """Whether the file is still being read."""
        return self.thread is not None and self.thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Wait for the end, but not longer than ``seconds``."""
        if self.thread is not None:
            self.thread.join(seconds)

    def result(self) -> ParseReport:
        """Return the report, or raise the error that ended the inspection."""
        if self.report is None:
            msg = "A fault of ours ended the reading; the log of the dashboard has it."
            raise self.error or InferplanError(msg)
        return self.report


def inspection(warehouse: Warehouse, upload: Any, options: ReadOptions) -> Inspection:
    """Return the inspection of a file, begun once for each way to read it; a long one is still running."""
    known = _known()
    key = (upload.file_id, options.model_dump_json())
    if key not in known:
        while len(known) >= KEPT_INSPECTIONS:
            _drop(next(iter(known)))
        known[key] = _begin(warehouse, upload, options)
        with st.spinner(f"Reading {upload.name}"):
            known[key].wait(PATIENCE_S)
    return known[key]


def _begin(warehouse: Warehouse, upload: Any, options: ReadOptions) -> Inspection:
    begun = Inspection()

    def work() -> None:
        try:
            with spooled(upload.getbuffer()) as path:
                begun.report = inspect(path, options, begun.progress, warehouse)
        except InferplanError as error:
            begun.error = error

    begun.thread = Thread(target=work, name="inferplan-inspection", daemon=True)
    begun.thread.start()
    return begun


def keep_only(file_ids: set[str]) -> None:
    """Stop and forget the inspections of all other files."""
    for key in [key for key in _known() if key[0] not in file_ids]:
        _drop(key)


@st.fragment(run_every=0.5)
def show_reading(upload: Any, running: Inspection) -> None:
    """Show how far an inspection is, with a way to stop it; run the page again when it has ended."""
    if not running.is_running:
        st.rerun()
    progress = running.progress
    text = f"{upload.name}: {progress.stage.lower()}"
    st.progress(progress.share or 0.0, text=formats.plain(text))
    st.button(
        "Stop reading",
        icon=":material/cancel:",
        key=f"{KEY}stop.{upload.file_id}",
        on_click=progress.cancel,
    )


def show_stopped(upload: Any) -> None:
    """Say that the reading of a file was stopped, with a way to begin it again."""
    st.info(formats.plain(f"The reading of {upload.name} was stopped."), icon=":material/cancel:")
    st.button(
        "Read it again",
        icon=":material/refresh:",
        key=f"{KEY}again.{upload.file_id}",
        on_click=_forget,
        args=(upload.file_id,),
    )


def _known() -> dict[tuple[str, str], Inspection]:
    known: dict[tuple[str, str], Inspection] = st.session_state.setdefault(INSPECTED, {})
    return known


def _drop(key: tuple[str, str]) -> None:
    _known().pop(key).progress.cancel()


def _forget(file_id: str) -> None:
    keep_only({key[0] for key in _known()} - {file_id})
