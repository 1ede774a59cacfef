"""A figure as every page shows it: the interval stands below the value, in grey."""

from __future__ import annotations

import streamlit as st

from inferplan.dashboard import formats


def show_figure(
    label: str, value: str, low: str = "", high: str = "", *, meaning: str = "80% interval", note: str = ""
) -> None:
    """Show a labelled value with the ends of its interval.

    Parameters
    ----------
    label, value
        The value as a text with its unit.
    low, high
        Ends of the interval as texts; empty, or both alike, where there is none.
    meaning
        What lies between the ends.
    note
        What there is to say besides, behind the question mark.
    """
    has_ends = low != high
    said = f"Below it: {meaning}." if has_ends else ""
    st.metric(
        label,
        value,
        delta=formats.plain(f"{low} {formats.EN_DASH} {high}") if has_ends else None,
        delta_color="off",
        delta_arrow="off",
        help=formats.plain(f"{note} {said}".strip()) or None,
    )
