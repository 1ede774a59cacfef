"""A team's own dashboard, whose names happen to be ours too: this script, `planner`, `datasets`."""

from pathlib import Path

import streamlit as st

import datasets  # Hugging Face's
import planner  # the module beside this script
from inferplan.dashboard import pages

st.set_page_config(page_title="Acme platform", page_icon="🏭", layout="centered")
st.logo(Path(__file__).with_name("acme.svg"))
st.session_state.setdefault("host_modules", (planner.NAME, datasets.Dataset.__name__))
st.navigation(
    {"Acme": [st.Page("home.py", title="Home", default=True)], "Capacity": pages()}, position="top"
).run()
