"""Tabs that stay as they were left: the open one is in the address, and comes back with its page."""

from collections.abc import Sequence

import streamlit as st
from streamlit.elements.lib.mutable_tab_container import TabContainer


def page_tabs(names: Sequence[str], key: str) -> Sequence[TabContainer]:
    """Draw tabs of which the page runs only the open one; ``key`` names them in the address too."""
    kept = f"{key}.kept"
    if key not in st.session_state and key not in st.query_params and kept in st.session_state:
        st.session_state[key] = st.session_state[kept]
    found = st.tabs(names, key=key, on_change="rerun", bind="query-params")
    st.session_state[kept] = next(name for name, tab in zip(names, found, strict=True) if tab.open)
    return found
