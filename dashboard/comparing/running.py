"""A comparison on a page: its progress once it takes long, a way to stop it, and its result kept for all.

The sweep runs in the page's own script, step by step. Any press, another page or a closed tab ends the script
at the next sign of progress; the sweep waits in the session, and the same question goes on where it was.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.state import PREFIX
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.compare import Comparison, Sweep

RUNNING = f"{PREFIX}compare.running"
SILENT_S = 1.0  # shorter waits need no bar
KEPT = 16


@dataclass
class _Running:
    """A session's sweep; the lock is for two presses, whose scripts may overlap for a moment."""

    question: str
    sweep: Sweep
    stopped: bool = False
    stepping: Lock = field(default_factory=Lock)

    def step(self) -> bool:
        with self.stepping:
            return self.sweep.step()

    def stop(self) -> None:
        self.stopped = True

    def go_on(self) -> None:
        self.stopped = False


@dataclass
class _Finished:
    """The newest results of all sessions, by question."""

    results: OrderedDict[str, Comparison] = field(default_factory=OrderedDict)
    changing: Lock = field(default_factory=Lock)

    def keep(self, question: str, found: Comparison) -> None:
        with self.changing:
            self.results[question] = found
            while len(self.results) > KEPT:
                self.results.popitem(last=False)


@st.cache_resource(show_spinner=False)
def _finished() -> _Finished:
    return _Finished()


def result(warehouse: Warehouse, question: str, begin: Callable[[], Sweep]) -> Comparison:
    """Return the comparison that answers ``question``, run here unless somebody has its result already.

    Ends the script where the visitor stopped the sweep. The result is shared: copy a frame to change it.

    Parameters
    ----------
    question
        Everything that the result depends on, as text.
    begin
        Makes the sweep; raises ``InferplanError`` where there is nothing to compare.
    """
    known = _finished().results.get(question)
    if known is not None:
        return known
    running = st.session_state.get(RUNNING)
    if not isinstance(running, _Running) or running.question != question:
        running = st.session_state[RUNNING] = _Running(question, begin())
    if running.stopped:
        _show_stopped(running)
        st.stop()
    _sweep(running)
    found = running.sweep.comparison(warehouse)
    _finished().keep(question, found)
    st.session_state.pop(RUNNING, None)
    return found


def _sweep(running: _Running) -> None:
    """Take all steps that are left, with a bar and a button once it takes long."""
    began_s, bar, place = monotonic(), None, st.empty()
    sweep = running.sweep
    while running.step():
        if monotonic() - began_s < SILENT_S:
            continue
        said = (
            f"{formats.count(sweep.configurations)} configurations: {formats.percent(sweep.share_done)} done"
        )
        if bar is None:
            with place.container(horizontal=True, vertical_alignment="center"):
                bar = st.progress(sweep.share_done, said)
                st.button("Stop", key=f"{RUNNING}.stop", icon=":material/stop:", on_click=running.stop)
        bar.progress(sweep.share_done, said)
    place.empty()


def _show_stopped(running: _Running) -> None:
    share = formats.percent(running.sweep.share_done)
    st.info(f"Stopped after {share} of the comparison. What is done is kept.", icon=":material/pause:")
    st.button("Go on", key=f"{RUNNING}.go_on", icon=":material/play_arrow:", on_click=running.go_on)
