"""Overview: what this is, what it knows and as of when, and a tour."""

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.navigation import page_path
from inferplan.datasets import catalog

QUESTIONS = (
    (
        "fit",
        "Does it fit?",
        "Memory of any Hugging Face model on any GPU, part by part, and what to change when it does not fit.",
    ),
    (
        "tokens_per_dollar",
        "What does a token cost?",
        "Every offer ranked by dollars per million tokens at your latency target, each price with its date.",
    ),
    (
        "rightsizing",
        "What should change?",
        "Drop a utilization export: percentiles against capacity, and savings that carry their evidence.",
    ),
)

st.title("Inferplan")
st.markdown("Cost and capacity planning for self-hosted LLM inference.")

for column, (stem, question, answer) in zip(st.columns(3), QUESTIONS, strict=True):
    with column.container(border=True, height="stretch"):
        st.subheader(question)
        st.markdown(answer)
        if (path := page_path(stem)) is not None:
            st.page_link(path, label="Open", icon=":material/arrow_forward:")

st.subheader("What it knows")
offers = catalog.offers()
dates = sorted(offer.observed_on for offer in offers)
facts = st.columns(4)
facts[0].metric("Models", formats.count(len(catalog.models())))
facts[1].metric("GPUs", formats.count(len(catalog.gpus())))
facts[2].metric("Offers", formats.count(len(offers)))
facts[3].metric("Prices as of", formats.day(dates[-1]), help=f"Oldest: {formats.day(dates[0])}")
