"""Plans: save what was worked out, open it again, share it, compare two."""

import streamlit as st

from inferplan.dashboard import cached, formats, inputs, model_inputs
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.plans import actions as plan_actions
from inferplan.dashboard.plans import fleet_views
from inferplan.dashboard.plans import views as plan_views
from inferplan.dashboard.plans.change_views import show_over_time
from inferplan.dashboard.plans.price_choice import offer_cheapest, show_price_choice
from inferplan.dashboard.state import case, now
from inferplan.dashboard.tabs import page_tabs
from inferplan.datasets.errors import InferplanError
from inferplan.planner import plan_store
from inferplan.planner.fleet_plan_results import FleetResults
from inferplan.planner.plan import AnyPlan, Plan, read_plan
from inferplan.planner.plan_comparison import compare_plans
from inferplan.planner.plan_results import PlanResults, Results

KEY = plan_actions.KEY
FILE_LIMIT_MB = 5
CURRENT, TODAY = "current", "today"

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
conflict = "" if newer is None else str(plan_store.PlanConflictError(newer))
if (told := plan_actions.message()) is not None and told.text != conflict:
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

opened, today = plan_actions.opened(), now().date()
results = cached.plan_results(store, current)
st.subheader("Current plan")
if isinstance(results, PlanResults):
    st.markdown(model_inputs.summary(case()))
    show_price_choice()
    offer_cheapest()
    plan_views.show_results(results)
elif isinstance(results, FleetResults):
    fleet_views.show_fleet_plan(store, results, today)
if conflict and opened is not None:
    st.warning(formats.sentence(conflict), icon=":material/group:")
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
saved_as_shown = plan_actions.is_saved(current)
plan_views.show_share(results, is_saved_as_shown=saved_as_shown)


def _summary(plan: AnyPlan) -> str:
    return model_inputs.summary(plan.case) if isinstance(plan, Plan) else fleet_views.summary(plan)


def _results(plan_id: str) -> Results:
    if plan_id == TODAY:
        return cached.plan_today(store, current)
    return results if plan_id == CURRENT else cached.plan_results(store, plan_store.load(store, plan_id))


saved, compare, over_time, upload, deleted = page_tabs(
    ["Saved plans", "Compare two", "Over time", "Open a file", "Deleted"],
    key=f"{KEY}tab",
)
if saved.open:
    with saved:
        plan_views.show_list(entries, opened)
if compare.open:
    with compare:
        choices = {
            CURRENT: "Current plan",
            TODAY: "Current plan at today's prices",
            **{entry.plan_id: entry.name for entry in entries},
        }
        columns, places = st.columns(2), list(choices)
        first = (CURRENT, TODAY) if saved_as_shown or not entries else (places[2], CURRENT)
        chosen = [
            column.selectbox(
                side, places, index=places.index(name), format_func=choices.__getitem__, key=f"{KEY}{side}"
            )
            for column, side, name in zip(columns, "AB", first, strict=True)
        ]
        try:
            compared = [_results(plan_id) for plan_id in chosen]
        except InferplanError as error:
            st.error(formats.sentence(error), icon=":material/error:")
        else:
            if chosen[0] == chosen[1]:
                st.info("Choose two different plans. Saved ones appear here by name.", icon=":material/info:")
            else:
                plan_views.show_comparison(compare_plans(*compared))
            if TODAY in chosen:
                fleet_views.offer_machines(compared[chosen.index(TODAY)])
if over_time.open:
    with over_time:
        show_over_time(store, entries, today, cached.own_evidence(store))
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
                st.markdown(f"**{formats.plain(found.name)}** · {_summary(found)}")
                with st.container(horizontal=True):
                    st.button("Open", key=f"{KEY}open_file", on_click=plan_actions.open_file, args=(found,))
                    st.button("Save", key=f"{KEY}save_file", on_click=plan_actions.save_file, args=(found,))
if deleted.open:
    with deleted:
        plan_views.show_deleted(plan_store.entries(store, deleted=True))
