"""Part of the page Rightsizing: what is remembered of the columns of uploaded tables."""

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.state import PREFIX
from inferplan.datasets.exports import Remembered, forget, remembered
from inferplan.datasets.warehouse import Warehouse


def show_remembered_columns(warehouse: Warehouse) -> None:
    """Show what columns were said to mean, each with a button to forget it."""
    found = remembered(warehouse)
    if not found:
        return
    st.subheader("Remembered columns", anchor=False)
    st.caption("Applied to the next file with the same header. Undoing an import does not forget them.")
    for one in found:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch"):
                st.markdown(formats.plain(_meanings(one)))
                st.caption(formats.plain(f"Said for {one.file_name} on {one.said_at:%Y-%m-%d %H:%M} UTC"))
            st.button(
                "Forget columns",
                icon=":material/close:",
                key=f"{PREFIX}rightsizing.forget.{one.signature}",
                on_click=forget,
                args=(warehouse, one.signature),
            )


def _meanings(one: Remembered) -> str:
    return ", ".join(f"{column} is {meaning}" for column, meaning in one.columns.items())
