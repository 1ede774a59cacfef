"""Rightsizing: drop an export, see what was used against what there is, and what that advises."""

import streamlit as st

from inferplan.dashboard import formats, inputs
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.rightsizing import (
    finding_tables,
    finding_views,
    latency_views,
    upload_views,
    usage_tables,
    usage_views,
)
from inferplan.dashboard.rightsizing.column_views import show_remembered_columns
from inferplan.dashboard.rightsizing.profile_inputs import profile_picker
from inferplan.dashboard.state import PREFIX, case, now
from inferplan.dashboard.tabs import page_tabs
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import list_imports
from inferplan.planner.usage import GROUPINGS

KEY = f"{PREFIX}rightsizing."

st.title("Rightsizing")
case()  # keeps the current plan's address, for a refresh here
inputs.show_problem()
upload_views.show_messages()
try:
    store = warehouse()
    imports = list_imports(store)
except InferplanError as error:
    st.error(formats.sentence(error), icon=":material/error:")
    st.stop()

if not imports:
    st.markdown(
        "Drop an export of your monitoring to see how full your GPUs really are, and what to change. "
        "The data stays in the database of this dashboard."
    )
    upload_views.show_upload(store)
    upload_views.show_sample_offer(store)
    show_remembered_columns(store)
    st.stop()

names = {one.import_id: one.file_name for one in imports}
with st.sidebar:
    profile = profile_picker()
    chosen = st.multiselect(
        "Data",
        list(names),
        format_func=names.__getitem__,
        key=f"{KEY}imports",
        placeholder="everything imported",
        persist_state="session",
    )
used = [one for one in imports if not chosen or one.import_id in chosen]
ids = [one.import_id for one in used]
sources = formats.listing([one.file_name for one in used])
if any(one.is_sample for one in used):
    st.caption(
        ":gray-badge[sample] The sample fleet is invented. Undo its import to work with your own data only."
    )

findings_tab, usage_tab, data_tab = page_tabs(["Findings", "Usage", "Data"], key=f"{KEY}tab")
if findings_tab.open:
    with findings_tab:
        try:
            found = finding_tables.overview(store, profile, ids)
        except InferplanError as error:
            st.error(formats.sentence(error), icon=":material/error:")
            st.stop()
        if not found.findings:
            st.info(
                "No GPU or serving metrics in this data, so there is nothing to advise on yet. Import an "
                "export of DCGM, nvidia-smi or the engine's metrics.",
                icon=":material/info:",
            )
            st.stop()
        finding_views.show_summary(found)
        finding_views.show_left_out(store, profile, ids)
        finding_views.show_findings(store, found)
        download_menu(
            "findings",
            f"rightsizing-{now():%Y-%m-%d}",
            lambda: finding_tables.findings_report(store, profile, ids, sources),
            label="Download findings",
        )
        st.caption(
            "Savings are per month of 730 hours at the price named in each finding, before tax. They assume "
            f"the profile {profile.name}; each finding is on its own machines, so their savings add up."
        )
if usage_tab.open:
    with usage_tab:
        by = st.segmented_control(
            "Group by",
            GROUPINGS,
            format_func=lambda by: "GPU" if by == "gpu" else by.capitalize(),
            default="gpu",
            key=f"{KEY}by",
            required=True,
        )
        frame = usage_tables.percentiles(store, by or "gpu", ids)
        timed = latency_views.latencies(store, by or "gpu", ids)
        if frame.empty and timed.empty:
            st.info(f"Nothing was measured that names a {by}.", icon=":material/info:")
        else:
            usage_views.show_usage(frame, timed, by or "gpu", sources)
if data_tab.open:
    with data_tab:
        upload_views.show_upload(store)
        upload_views.show_imports(store, imports)
        show_remembered_columns(store)
        if not any(one.is_sample for one in imports):
            upload_views.show_sample_offer(store)
