"""Inferplan's own app: the frame around the pages that a host application would bring itself."""

from pathlib import Path

import streamlit as st

from inferplan.dashboard import pages

st.set_page_config(page_title="Inferplan", page_icon=":material/speed:", layout="wide")
st.logo(Path(__file__).with_name("logo.svg"), size="large")
st.navigation(pages(), position="top").run()
