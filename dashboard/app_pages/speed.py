"""Speed: how fast this deployment serves this load, how much it carries, and what limits it."""

import streamlit as st

from inferplan.dashboard import cached, formats, inputs, model_inputs
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.measurements import evidence_views
from inferplan.dashboard.serving import inputs as serving_inputs
from inferplan.dashboard.serving import views as serving_views
from inferplan.dashboard.state import PREFIX, case
from inferplan.datasets.errors import InferplanError

with st.sidebar:
    model_inputs.model_picker()
    inputs.gpu_picker()
    inputs.parallelism()
    inputs.precision()
    inputs.workload()
    inputs.latency_target()
    serving_inputs.all_features()
    with st.expander("Engine"):
        inputs.engine()
        inputs.context()
    inputs.engine_settings()

current = case()
st.title("Speed")
inputs.show_problem()
try:
    store = warehouse()
    found = cached.speed(current, store)
except InferplanError as error:
    st.error(formats.sentence(error), icon=":material/error:")
    st.stop()

st.markdown(f"{model_inputs.summary(current)} · {model_inputs.load_summary(current)}")
serving_views.show_verdict(current, found)
serving_views.show_latency(current, found)
for note in found.notes:
    st.markdown(f":material/info: {formats.plain(note)}")
if found.disaggregated is not None:
    serving_views.show_pools(found.disaggregated, found)
serving_views.show_curve(current, store)
limit = found.bound_by.replace("_", " ")
st.caption(f"Limited by {limit}. The speed is estimated from {formats.plain(found.basis)}.")
evidence_views.show_nearest(current, f"{PREFIX}speed.near", "What others measured")
