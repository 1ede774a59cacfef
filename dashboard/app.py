"""Inferplan's own app: the frame around the pages that a host application would bring itself."""

from pathlib import Path

import streamlit as st

from inferplan.dashboard import pages
from inferplan.dashboard.navigation import PAGES

FOLDER = Path(__file__).parent

# An icon by name would be fetched from a font service; files of our own are served from here.
st.set_page_config(page_title="Inferplan", page_icon=FOLDER / "favicon.svg", layout="wide")
st.logo(FOLDER / "logo.svg", size="large")
first = PAGES[0]
# The first page is at the root; its own address, as links from a host application have it, leads there too.
home = st.Page(first.path, title=first.title, icon=first.icon, url_path="", default=True)
also_home = st.Page(first.path, title=first.title, url_path=first.url_path, visibility="hidden")
st.navigation([home, *pages()[1:], also_home], position="top").run()
