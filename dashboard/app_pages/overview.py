"""Overview: what this is, what it knows and as of when, and a tour on the sample fleet."""

import streamlit as st

from inferplan.dashboard import formats, inputs, model_inputs
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.navigation import page_title, show_link
from inferplan.dashboard.state import FIRST_CASE, case, refuse, use
from inferplan.datasets import catalog, samples
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.pricing.offers import current_offers

RESET_KEY = "inferplan.overview.reset"
# asked here, so that the first page need not wait for the importers and pandas
IMPORTS = "SELECT file_name, imported_at FROM imports ORDER BY import_id DESC"
SAMPLE_KEY = "inferplan.overview.load_sample"
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
TOUR = (
    (
        "fit",
        "See where the memory of a 70-billion-parameter model goes on one H200; then change its precision.",
    ),
    (
        "tokens_per_dollar",
        "Ask for 50 ms per token: which offers keep it, and what do a million tokens cost?",
    ),
    ("rightsizing", "Read which GPUs of the sample fleet are idle, oversized or too small, and why."),
    ("spend", "See how much of the sample fleet's bill did useful work, and what each team's tokens cost."),
    ("prices", "Look where each price comes from and how old it is; add your own rates as a sheet."),
    ("plans", "Save what you found as a plan, compare it with another, and send the link to finance."),
)


def load_sample() -> None:
    """Put the sample fleet into the warehouse."""
    try:
        samples.load(warehouse())
    except InferplanError as error:
        refuse(error)


def state_of_data(store: Warehouse) -> str:
    """Return a Markdown table, one row per kind of thing that is known."""
    offers = current_offers(store)
    observed = [offer.observed_on for offer in offers]
    checked = [gpu.as_of for gpu in catalog.gpus()]
    api_dates = [price.observed_on for price in catalog.api_prices()]
    imports = store.rows(IMPORTS)
    plans = plan_store.entries(store)
    unpriced = sum(offer.usd_per_hour is None for offer in offers)
    priced = (
        f"{formats.count(unpriced)} without a public price"
        if unpriced
        else "Each with price, date and source"
    )
    rows = [
        ("Models", len(catalog.models()), "", "Hugging Face configs with their sources"),
        ("GPUs", len(catalog.gpus()), formats.day_range(checked), "Datasheets and driver reports"),
        ("Offers", len(offers), formats.day_range(observed), priced),
        ("Hosted API prices", len(api_dates), formats.day_range(api_dates), "Per million tokens, by host"),
        (
            "Imported files",
            len(imports),
            formats.day_range(imported_at for _, imported_at in imports),
            formats.listing([file_name for file_name, _ in imports[:3]])
            or "None yet: drop one on Rightsizing",
        ),
        (
            "Saved plans",
            len(plans),
            formats.day_range([plan.saved_at for plan in plans]),
            formats.listing([plan.name for plan in plans[:3]]) or "None yet: save one on Plans",
        ),
    ]
    lines = [(name, formats.count(number), when, formats.plain(what)) for name, number, when, what in rows]
    return "\n".join(("||Known|As of|What|", "|:--|--:|:--|:--|", *(f"|{'|'.join(line)}|" for line in lines)))


current = case()
st.title("Cost and capacity planning for self-hosted LLM inference")
st.markdown("Every figure says where it comes from, and how sure it is.")
inputs.show_problem()

for column, (stem, question, answer) in zip(st.columns(3), QUESTIONS, strict=True):
    with column.container(border=True, height="stretch"):
        st.subheader(question)
        st.markdown(answer)
        show_link(stem, page_title(stem), ":material/arrow_forward:")

if current != FIRST_CASE:
    st.markdown(f"You are working on {model_inputs.summary(current)}.")
    st.button(
        "Start again with the example", on_click=use, args=(FIRST_CASE,), key="inferplan.overview.reset"
    )

st.subheader("A tour in five minutes")
for number, (stem, text) in enumerate(TOUR, start=1):
    target, step = st.columns([1, 4], vertical_alignment="center")
    with target:
        show_link(stem, f"{number}. {page_title(stem)}", ":material/arrow_forward:")
    step.markdown(text)

st.subheader("What it knows")
try:
    store = warehouse()
    st.markdown(state_of_data(store))
    st.caption(f"Your data stays on this machine, in {formats.plain(str(store.path or 'memory only'))}")
    if not samples.is_loaded(store):
        st.button(
            "Load the sample fleet",
            icon=":material/science:",
            on_click=load_sample,
            key=SAMPLE_KEY,
            help="An invented small fleet, marked as sample data everywhere and removed with one press.",
        )
except InferplanError as error:
    st.warning(formats.sentence(error), icon=":material/database_off:")
