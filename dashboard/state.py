"""The current plan: one ``Case`` per session that belongs to us and not to the widgets.

Widgets show the case and write to it through callbacks, so page switches, share links, undo and tests
all see one object. Every session key begins with ``inferplan.``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from inferplan.datasets.errors import InferplanError
from inferplan.planner.case import Case

PREFIX = "inferplan."
CASE = PREFIX + "case"
PROBLEM = PREFIX + "problem"

FIRST_CASE = Case(
    model="meta-llama/Llama-3.3-70B-Instruct",
    gpu="H200 SXM",
    weights_dtype="fp8",
    max_model_len=32768,
    input_tokens=2000,
    output_tokens=400,
    concurrency=16,
)


def case() -> Case:
    """Return the case that all pages are about."""
    found = st.session_state.get(CASE)
    return found if isinstance(found, Case) else FIRST_CASE


def use(new: Case) -> None:
    """Make ``new`` the current case, as opening a saved plan does."""
    st.session_state[CASE] = new
    st.session_state.pop(PROBLEM, None)


def change(**fields: object) -> None:
    """Change fields of the current case; a refused value leaves it as it was and `problem` says why."""
    data = case().model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    try:
        use(Case.read({**data, **fields}))
    except InferplanError as error:
        refuse(error)


def refuse(error: InferplanError) -> None:
    """Remember why a change was refused, for `problem`."""
    st.session_state[PROBLEM] = str(error)


def problem() -> str | None:
    """Return why the last change was refused, once."""
    found = st.session_state.pop(PROBLEM, None)
    return found if isinstance(found, str) else None


def widget_key(field: str) -> str:
    """Return the key of the widget for ``field``."""
    return f"{PREFIX}input.{field}"


def bound(
    field: str,
    shown: object,
    read: Callable[[Any], object] | None = None,
    *,
    write: Callable[[Any], None] | None = None,
) -> dict[str, Any]:
    """Return the arguments that tie a widget to ``field`` of the case.

    Parameters
    ----------
    field
        Field of the case, which also names the widget.
    shown
        What the widget shows for the case as it is now.
    read
        Turns the widget's value into the field's, where they differ.
    write
        Stores the widget's value in place of the plain change of ``field``.
    """
    key = widget_key(field)
    st.session_state[key] = shown

    def store() -> None:
        value = st.session_state[key]
        if write is not None:
            write(value)
        else:
            change(**{field: value if read is None else read(value)})

    return {"key": key, "on_change": store}
