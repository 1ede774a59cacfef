"""A button that is pressed twice does its work once, although Streamlit runs its callback twice.

The second press starts its callback while the first one's still runs, in a thread beside it, and the first
one then ends at its next touch of the session state, between the work and what the page remembers of it.
So the second waits for the work, gets its result, and tells the page what the first could not.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any, TypeVar, cast

import streamlit as st

from inferplan.dashboard.state import PREFIX

LAST = f"{PREFIX}last_press"
DOUBLE_CLICK_S = 1.5  # well over the half second that desktops allow: the page may be busy in between
T = TypeVar("T")

_looking = Lock()


@dataclass(slots=True)
class _Press:
    action: Hashable = None
    ended_s: float = 0.0
    result: Any = None
    working: Lock = field(default_factory=Lock)


def once(action: Hashable, work: Callable[[], T]) -> T:
    """Return what ``work`` returns; the same ``action`` again at once gets the result of the first.

    Parameters
    ----------
    action
        What is done to what, such as ``("duplicate", plan_id)``; any other action in between makes it new.
    work
        Must not touch the session state: gather what it needs before.
    """
    with _looking:
        last: _Press = st.session_state.setdefault(LAST, _Press())
    with last.working:
        if last.action == action and monotonic() - last.ended_s < DOUBLE_CLICK_S:
            return cast("T", last.result)
        result = work()
        last.action, last.ended_s, last.result = action, monotonic(), result
        return result
