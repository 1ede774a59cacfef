"""Fit: does this model fit this GPU, where does the memory go, and what must change."""

import streamlit as st

from inferplan.dashboard import cached, charts, formats, inputs, memory_inputs, model_inputs
from inferplan.dashboard.fit import answers as fit_answers
from inferplan.dashboard.fit import views as fit_views
from inferplan.dashboard.state import PREFIX, case
from inferplan.dashboard.tabs import page_tabs
from inferplan.datasets.errors import InferplanError

with st.sidebar:
    model_inputs.model_picker()
    inputs.gpu_picker()
    inputs.parallelism()
    inputs.precision()
    inputs.context_and_concurrency()
    inputs.engine()
    inputs.engine_settings()
    memory_inputs.adapters_and_drafts()
    memory_inputs.cache_settings()

current = case()
st.title("Fit")
inputs.show_problem()
try:
    found = cached.memory_fit(current)
except InferplanError as error:
    st.error(formats.sentence(error), icon=":material/error:")
    st.stop()

memory = found.memory
asked = fit_answers.asked_sequences(current)
holds_all = found.max_concurrency >= asked
st.markdown(model_inputs.summary(current))
if found.fits:
    others = (
        ""
        if holds_all
        else f" {formats.count(asked)} at once are asked for: the others wait, or have to be shorter."
    )
    st.success(f"**It fits:** {formats.plain(found.reason)}.{others}", icon=":material/check_circle:")
else:
    st.error(f"**It does not fit:** {formats.plain(found.reason)}.", icon=":material/cancel:")

with st.container(horizontal=True, gap="medium"):
    st.metric(
        "Weights per GPU",
        formats.gib(memory.weights_bytes),
        help=f"{formats.parameters(found.parameters)} parameters, "
        f"{formats.parameters(found.active_parameters)} active for each token",
    )
    st.metric(
        "KV cache per GPU" if memory.kv_pool_bytes >= 0 else "Missing per GPU",
        formats.gib(abs(memory.kv_pool_bytes)),
        help=f"{formats.size(found.kv_bytes_per_token_per_gpu)} for each token",
    )
    st.metric("Tokens in the cache", formats.count(found.kv_pool_tokens))
    st.metric(
        f"Sequences of {formats.count(found.max_model_len)} tokens",
        formats.significant(found.max_concurrency),
    )

st.subheader("Where the memory goes")
st.altair_chart(
    charts.memory_parts(memory.parts(), memory.total_bytes),
    alt=f"Memory of one {current.gpu}: "
    + formats.listing([f"{name} {formats.gib(size)}" for name, size in memory.parts().items() if size]),
)
st.caption(
    f"{current.gpu}: {formats.gib(memory.total_bytes)} that the engine sees. "
    f"{formats.plain(memory.engine_profile)}."
)
for note in memory.notes:
    st.caption(formats.plain(note))

if found.fits:
    st.subheader("Room to move")
    fit_answers.show_room(current, found)
if not found.fits:
    fit_answers.show_changes(current)

fit_answers.show_illegal_sizes(current)

names = ["Every GPU", "Arithmetic", "Launch", "Compare with a log", "Training"]
gpus, arithmetic, launch, log, training = page_tabs(names, key=f"{PREFIX}fit.tab")
if arithmetic.open:
    with arithmetic:
        fit_views.show_arithmetic(found)
if launch.open:
    with launch:
        fit_views.show_launch(current, found)
if log.open:
    with log:
        fit_views.show_log(found)
if training.open:
    with training:
        fit_views.show_training(current, memory.total_bytes)
if gpus.open:
    with gpus:
        fit_answers.show_gpus(current)
