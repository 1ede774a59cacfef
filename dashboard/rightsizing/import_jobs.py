"""Imports that run beside the page: long ones show how far they are and can be stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.spooled import spooled
from inferplan.dashboard.state import PREFIX
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import CancelledError, Progress, ReadOptions, import_file
from inferplan.datasets.warehouse import Warehouse

KEY = f"{PREFIX}rightsizing."
JOB = f"{KEY}import_job"
PATIENCE_S = 5.0
"""How long a press waits for its import before the page shows progress instead."""


@dataclass
class ImportJob:
    """Files on their way into the warehouse, in a thread of their own."""

    names: tuple[str, ...]
    progress: Progress = field(default_factory=Progress)
    outcomes: list[tuple[str, str]] = field(default_factory=list)
    """What to tell of each file that is done: ``success`` or ``error``, and the words."""
    thread: Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether files are left to import."""
        return self.thread is not None and self.thread.is_alive()


def start(warehouse: Warehouse, ready: Sequence[tuple[Any, ReadOptions]]) -> ImportJob:
    """Start to import files and wait a little for the end; must not touch the session state."""
    job = ImportJob(tuple(upload.name for upload, _ in ready))

    def work() -> None:
        for upload, options in ready:
            outcome = "error", f"{upload.name}: a fault of ours ended the import; nothing of it landed."
            try:
                outcome = _outcome(warehouse, upload, options, job.progress)
            finally:  # a thread that dies would tell nobody
                job.outcomes.append(outcome)

    job.thread = Thread(target=work, name="inferplan-import", daemon=True)
    job.thread.start()
    job.thread.join(PATIENCE_S)
    return job


def without_name(name: str, error: InferplanError) -> str:
    """Return what an error says of a file whose name stands before it already."""
    return str(error).removeprefix(name).removeprefix(":").strip()


def _outcome(warehouse: Warehouse, upload: Any, options: ReadOptions, progress: Progress) -> tuple[str, str]:
    """Import one file; return what to tell of it."""
    try:
        with spooled(upload.getbuffer()) as path:
            done = import_file(warehouse, path, options, progress=progress)
    except CancelledError:
        return "error", f"{upload.name}: the import was cancelled, nothing of it landed."
    except InferplanError as error:
        return "error", f"{upload.name}: {without_name(upload.name, error)}"
    if done.already_imported:
        return "success", f"{upload.name} was imported before: nothing changed."
    return "success", f"Imported {upload.name}: {done.parsed.values_kept:,} values."


@st.fragment(run_every=0.5)
def show_running(job: ImportJob) -> None:
    """Show how far a running import is, with a way to stop it; run the page again when it has ended."""
    if not job.is_running:
        st.rerun()
    progress = job.progress
    done = len(job.outcomes)
    text = f"Importing {formats.listing(job.names)}: {progress.stage.lower()}"
    if len(job.names) > 1:
        text += f", {done} of {len(job.names)} files done"
    st.progress(progress.share or 0.0, text=formats.plain(text))
    st.button("Cancel the import", icon=":material/cancel:", key=f"{KEY}cancel", on_click=progress.cancel)
