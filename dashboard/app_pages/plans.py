"""Plans: save what was worked out, open it again, share it, compare two."""

import streamlit as st

from inferplan.dashboard import cached, formats, inputs, model_inputs
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.plans import actions as plan_actions
from inferplan.dashboard.plans import views as plan_views
from inferplan.dashboard.plans.change_views import show_over_time
from inferplan.dashboard.state import case, now, opened_plan
from inferplan.datasets.errors import InferplanError
from inferplan.planner import plan_store
from inferplan.planner.plan import read_plan
from inferplan.planner.plan_results import compare_plans, evaluate

KEY = plan_actions.KEY
FILE_LIMIT_MB = 5
CURRENT = "current"

st.title("Plans")
try:
    store = warehouse()
    plan_actions.begin()
    entries = plan_store.entries(store)
    current = plan_actions.current_plan()
    newer = plan_actions.overtaken()
except InferplanError as error:
    st.error(formats.sentence(error), icon=":material/error:")
    st.stop()

inputs.show_problem()
if (told := plan_actions.message()) is not None:
    (st.success if told.kind == "success" else st.error)(formats.sentence(told.text))
if (gone := plan_actions.just_deleted()) is not None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"Deleted **{formats.plain(gone.name)}**.")
        st.button(
            "Undo",
            icon=":material/undo:",
            key=f"{KEY}undo",
            on_click=plan_actions.restore,
            args=(gone.plan_id,),
        )

opened = opened_plan()
own = cached.own_evidence(store)
results = evaluate(current, own)
st.subheader("Current plan")
st.markdown(model_inputs.summary(case()))
plan_views.show_price_choice()
plan_views.show_results(current, results)
if newer is not None and opened is not None:
    st.warning(formats.sentence(plan_store.PlanConflictError(newer)), icon=":material/group:")
    st.button(
        "Save as the next revision all the same",
        key=f"{KEY}overtake",
        on_click=plan_actions.take_newest,
        args=(opened,),
    )
with st.form(f"{KEY}form"):
    name, author = st.columns(2)
    name.text_input("Name", key=plan_actions.NAME, max_chars=plan_actions.MAX_NAME, persist_state="session")
    author.text_input(
        "Author", key=plan_actions.AUTHOR, max_chars=plan_actions.MAX_AUTHOR, persist_state="session"
    )
    st.text_area(
        "Notes", key=plan_actions.NOTES, max_chars=plan_actions.MAX_NOTES, height=90, persist_state="session"
    )
    with st.container(horizontal=True):
        st.form_submit_button(
            "Save" if opened is None else "Save the next revision",
            type="primary",
            icon=":material/save:",
            key=f"{KEY}save",
            on_click=plan_actions.save,
        )
        if opened is not None:
            st.form_submit_button(
                "Save as a copy", key=f"{KEY}save_copy", on_click=plan_actions.save, kwargs={"as_copy": True}
            )
plan_views.show_share(current, results, is_saved_as_shown=plan_actions.is_saved(current))

saved, compare, over_time, upload, deleted = st.tabs(
    ["Saved plans", "Compare two", "Over time", "Open a file", "Deleted"],
    key=f"{KEY}tab",
    on_change="rerun",
)
if saved.open:
    with saved:
        plan_views.show_list(entries, opened)
if compare.open:
    with compare:
        choices = {CURRENT: "Current plan", **{entry.plan_id: entry.name for entry in entries}}
        first_column, second_column = st.columns(2)
        first_id = first_column.selectbox(
            "A", list(choices), format_func=choices.__getitem__, key=f"{KEY}a", index=min(1, len(choices) - 1)
        )
        second_id = second_column.selectbox(
            "B", list(choices), format_func=choices.__getitem__, key=f"{KEY}b"
        )
        if first_id == second_id:
            st.info("Choose two different plans. Saved ones appear here by name.", icon=":material/info:")
        else:
            try:
                first, second = (
                    current if chosen == CURRENT else plan_store.load(store, chosen)
                    for chosen in (first_id, second_id)
                )
            except InferplanError as error:
                st.error(formats.sentence(error), icon=":material/error:")
            else:
                plan_views.show_comparison(first, second, compare_plans(first, second, own))
if over_time.open:
    with over_time:
        show_over_time(store, entries, now().date(), own)
if upload.open:
    with upload:
        uploaded = st.file_uploader(
            "Plan file", type="json", key=f"{KEY}upload", max_upload_size=FILE_LIMIT_MB
        )
        if uploaded is not None:
            try:
                found = read_plan(uploaded.getvalue())
            except InferplanError as error:
                st.error(formats.sentence(error), icon=":material/error:")
            else:
                st.markdown(f"**{formats.plain(found.name)}** · {model_inputs.summary(found.case)}")
                with st.container(horizontal=True):
                    st.button("Open", key=f"{KEY}open_file", on_click=plan_actions.open_file, args=(found,))
                    st.button("Save", key=f"{KEY}save_file", on_click=plan_actions.save_file, args=(found,))
if deleted.open:
    with deleted:
        plan_views.show_deleted(plan_store.entries(store, deleted=True))
