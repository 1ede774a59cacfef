"""Inferplan's own app: the frame around the pages that a host application would bring itself."""

from pathlib import Path

import streamlit as st

from inferplan.dashboard import pages

FOLDER = Path(__file__).parent

# An icon by name would be fetched from a font service; files of our own are served from here.
st.set_page_config(page_title="Inferplan", page_icon=FOLDER / "favicon.svg", layout="wide")
st.logo(FOLDER / "logo.svg", size="large")
st.navigation(pages(), position="top").run()
