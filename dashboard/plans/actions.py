"""What the buttons of the page Plans do; each leaves a message for the page and draws nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from inferplan.dashboard import state
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.once import once
from inferplan.dashboard.plans import price_choice
from inferplan.datasets.errors import InferplanError
from inferplan.planner import plan_store
from inferplan.planner.plan import AnyPlan, FleetPlan, Plan, canonical_json
from inferplan.planner.plan_store import PlanEntry

KEY = f"{state.PREFIX}plans."
NAME, AUTHOR, NOTES = f"{KEY}name", f"{KEY}author", f"{KEY}notes"
MESSAGE = f"{KEY}message"
DELETED = f"{KEY}just_deleted"
SEEN = f"{KEY}seen_revisions"
STARTED = f"{KEY}started"
UNNAMED = "Plan without a name"
EVERYWHERE = " on all pages"
MAX_NAME, MAX_NOTES, MAX_AUTHOR = 120, 10_000, 120


@dataclass(frozen=True, slots=True)
class Message:
    """What came of the last button, for the page to show once."""

    kind: Literal["success", "error"]
    text: str


def begin() -> None:
    """Fill the fields of a session that begins, from the plan that its address names if it names one."""
    if st.session_state.get(STARTED):
        return
    state.case()
    st.session_state[STARTED] = True
    plan_id = opened()
    try:
        latest = plan_store.entry(warehouse(), plan_id) if plan_id else None
        _fill(plan_store.load(warehouse(), latest.plan_id) if latest else state.fleet())
        if latest:
            _seen()[latest.plan_id] = latest.revision
    except InferplanError as error:
        _fill(None)
        _say("error", str(error))


def opened() -> str | None:
    """Return the id of the saved plan that the page is about, changed or not."""
    fleet = state.fleet()
    if fleet is None:
        return state.opened_plan()
    return None if fleet.id == state.UNSAVED else fleet.id


def current_plan() -> AnyPlan:
    """Return what the page is about as a plan under the name in the fields: several models, or the case.

    Its prices are those that it is computed with.
    """
    at = state.now().replace(microsecond=0)
    said: dict[str, Any] = {
        "created_at": at,
        "updated_at": at,
        "id": opened() or state.UNSAVED,
        "name": _field(NAME)[:MAX_NAME] or UNNAMED,
        "notes": _field(NOTES)[:MAX_NOTES],
        "author": _field(AUTHOR)[:MAX_AUTHOR],
    }
    fleet = state.fleet()
    if fleet is not None:
        return FleetPlan.model_validate(fleet.model_dump() | said)
    case = state.case()
    return Plan(**said, case=case, prices=price_choice.pinned(case))


def save(*, as_copy: bool = False) -> None:
    """Save the current plan: as a new one, or as the next revision of the one that is open."""
    if not _field(NAME):
        _say("error", "Give the plan a name first.")
        return
    plan_id = None if as_copy else opened()
    try:
        saved = _save_as(plan_id, as_copy=as_copy)
    except InferplanError as error:
        _say("error", str(error))
        return
    if saved is not None:
        _seen()[saved.plan_id] = saved.revision
        _keep(plan_store.load(warehouse(), saved.plan_id), as_saved=True)
        _say("success", f'Saved "{saved.name}" as revision {saved.revision}.')


def take_newest(plan_id: str) -> None:
    """Accept the newest revision as seen, so that the next save comes after it."""
    _seen()[plan_id] = plan_store.entry(warehouse(), plan_id).revision
    save()


def open_plan(plan_id: str) -> None:
    """Make a saved plan the current one."""
    try:
        latest = plan_store.entry(warehouse(), plan_id)
        plan = plan_store.load(warehouse(), plan_id)
    except InferplanError as error:
        _say("error", str(error))
        return
    _seen()[plan_id] = latest.revision
    _open(plan, as_saved=True)
    _say("success", f'"{plan.name}" is the current plan{EVERYWHERE if isinstance(plan, Plan) else ""}.')


def open_file(plan: AnyPlan) -> None:
    """Make the plan of a file the current one, without saving it."""
    _open(plan.model_copy(update={"id": state.UNSAVED}), as_saved=False)
    _say("success", f'"{plan.name}" is the current plan. It is not saved yet.')


def leave_fleet() -> None:
    """Go back from a plan of several models to the one of the other pages."""
    state.use_fleet(None)
    plan_id = state.opened_plan()
    _fill(plan_store.load(warehouse(), plan_id) if plan_id else None)


def use_machines(plan: FleetPlan) -> None:
    """Go on with the machines and prices of ``plan`` from now on, under the name in the fields."""
    state.use_fleet(plan)


def save_file(plan: AnyPlan) -> None:
    """Save the plan of a file; one that is here already becomes its next revision."""
    try:
        known = plan_store.history(warehouse(), plan.id)
        if known and known[0].digest == plan.digest and not known[0].deleted:
            _say("success", f'"{plan.name}" is saved already, as revision {known[0].revision}.')
            return
        store, revision = warehouse(), known[0].revision if known else 0
        saved = once(("save", plan.digest), lambda: plan_store.save(store, plan, based_on=revision))
    except InferplanError as error:
        _say("error", str(error))
        return
    _say("success", f'Saved "{saved.name}" as revision {saved.revision}.')


def duplicate(plan_id: str) -> None:
    """Copy a saved plan under a name of its own."""
    try:
        store, author, at = warehouse(), _field(AUTHOR), state.now()
        copy = once(
            ("duplicate", plan_id), lambda: plan_store.duplicate(store, plan_id, author=author, at=at)
        )
    except InferplanError as error:
        _say("error", str(error))
        return
    _say("success", f'Saved "{copy.name}".')


def delete(plan_id: str) -> None:
    """Take a plan off the list, and offer to undo that."""
    try:
        gone = plan_store.delete(warehouse(), plan_id, author=_field(AUTHOR), at=state.now())
    except InferplanError as error:
        _say("error", str(error))
        return
    st.session_state[DELETED] = gone


def restore(plan_id: str) -> None:
    """Bring a deleted plan back."""
    st.session_state.pop(DELETED, None)
    try:
        back = plan_store.restore(warehouse(), plan_id, author=_field(AUTHOR), at=state.now())
    except InferplanError as error:
        _say("error", str(error))
        return
    if plan_id in _seen():
        _seen()[plan_id] = back.revision
    _say("success", f'"{back.name}" is back.')


def message() -> Message | None:
    """Return what came of the last button, once."""
    found = st.session_state.pop(MESSAGE, None)
    return found if isinstance(found, Message) else None


def just_deleted() -> PlanEntry | None:
    """Return the plan deleted last in this session, while that can be undone in place."""
    found = st.session_state.get(DELETED)
    return found if isinstance(found, PlanEntry) else None


def overtaken() -> PlanEntry | None:
    """Return the revision that somebody saved after this session opened its plan, if there is one."""
    plan_id = opened()
    if plan_id is None:
        return None
    known = plan_store.history(warehouse(), plan_id)
    return known[0] if known and known[0].revision > _seen().get(plan_id, known[0].revision) else None


def is_saved(plan: AnyPlan) -> bool:
    """Whether ``plan`` is what the newest revision of its id says."""
    known = plan_store.history(warehouse(), plan.id)
    return bool(known) and not known[0].deleted and _same(plan, _stored(known[0]))


def _stored(entry: PlanEntry) -> AnyPlan:
    return plan_store.load(warehouse(), entry.plan_id, entry.revision)


def _same(plan: AnyPlan, before: AnyPlan) -> bool:
    """Whether the two differ in nothing but who saved them when."""
    apart = {"created_at": before.created_at, "updated_at": before.updated_at, "author": before.author}
    return canonical_json(plan.model_copy(update=apart)) == canonical_json(before)


def _save_as(plan_id: str | None, *, as_copy: bool) -> PlanEntry | None:
    current, store = current_plan(), warehouse()
    content = current.model_dump_json(exclude={"created_at", "updated_at"})
    if plan_id is None:
        fresh = current.model_copy(update={"id": plan_store.new_id()})
        return once(("save", as_copy, content), lambda: plan_store.save(store, fresh))
    known = plan_store.entry(store, plan_id)
    seen = _seen().get(plan_id, known.revision)
    before = _stored(known)
    plan = current.model_copy(update={"created_at": before.created_at})
    is_signed_first = bool(plan.author) and not before.author
    if seen == known.revision and not known.deleted and _same(plan, before) and not is_signed_first:
        _say("success", f'"{before.name}" is saved already, as revision {known.revision}.')
        return None
    return once(("save", plan_id, content), lambda: plan_store.save(store, plan, based_on=seen))


def _open(plan: AnyPlan, *, as_saved: bool) -> None:
    _keep(plan, as_saved=as_saved)
    _fill(plan)


def _keep(plan: AnyPlan, *, as_saved: bool) -> None:
    """Make ``plan`` what the page is about; a case is what all pages are about."""
    if isinstance(plan, FleetPlan):
        state.use_fleet(plan, as_saved=as_saved)
        return
    state.use_fleet(None)
    state.use(plan.case, opened=None if plan.id == state.UNSAVED else plan.id, prices=plan.prices)


def _fill(plan: AnyPlan | None) -> None:
    st.session_state[NAME] = plan.name if plan else ""
    st.session_state[NOTES] = plan.notes if plan else ""
    st.session_state.setdefault(AUTHOR, _signed_in())


def _signed_in() -> str:
    found = st.user.get("email") or st.user.get("name")
    return found if isinstance(found, str) else ""


def _field(key: str) -> str:
    return str(st.session_state.get(key, "")).strip()


def _seen() -> dict[str, int]:
    """Return the revision of each plan that this session saw last."""
    found: dict[str, int] = st.session_state.setdefault(SEEN, {})
    return found


def _say(kind: Literal["success", "error"], text: str) -> None:
    st.session_state[MESSAGE] = Message(kind, text)
