"""What the buttons of the page Plans do; each leaves a message for the page and draws nothing."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

import streamlit as st

from inferplan.dashboard import state
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.once import once
from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.planner import plan_store
from inferplan.planner.case import Case
from inferplan.planner.plan import Plan, canonical_json
from inferplan.planner.plan_store import PlanEntry
from inferplan.pricing.offers import current_offers

KEY = f"{state.PREFIX}plans."
NAME, AUTHOR, NOTES = f"{KEY}name", f"{KEY}author", f"{KEY}notes"
MESSAGE = f"{KEY}message"
DELETED = f"{KEY}just_deleted"
SEEN = f"{KEY}seen_revisions"
STARTED = f"{KEY}started"
UNNAMED = "Plan without a name"
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
    plan_id = state.opened_plan()
    try:
        latest = plan_store.entry(warehouse(), plan_id) if plan_id else None
        _fill(plan_store.load(warehouse(), latest.plan_id) if latest else None)
        if latest:
            _seen()[latest.plan_id] = latest.revision
    except InferplanError as error:
        _fill(None)
        _say("error", str(error))


def current_plan() -> Plan:
    """Return the current case as a plan under the name in the fields, with the prices it is computed with."""
    case = state.case()
    prices = _pinned(case)
    at = state.now()
    return Plan(
        id=state.opened_plan() or "unsaved",
        name=_field(NAME)[:MAX_NAME] or UNNAMED,
        notes=_field(NOTES)[:MAX_NOTES],
        author=_field(AUTHOR)[:MAX_AUTHOR],
        created_at=at,
        updated_at=at,
        case=case,
        prices=prices,
    )


def current_price() -> Offer | None:
    """Return the newest price of the current case's offer, ``None`` without one."""
    wanted = state.case().offer
    if wanted is None:
        return None
    return next((offer for offer in current_offers(warehouse()) if offer.offer_id == wanted), None)


def offers_to_choose() -> dict[str, Offer]:
    """Return the offers with a price for the current case's GPU by id, the cheapest GPU-hour first."""
    gpu = catalog.gpu(state.case().gpu).name
    priced = [
        (offer.usd_per_gpu_hour, offer)
        for offer in current_offers(warehouse())
        if offer.gpu == gpu and offer.gpu_count >= 1 and offer.usd_per_gpu_hour is not None
    ]
    by_price = {offer.offer_id: offer for _, offer in sorted(priced, key=itemgetter(0))}
    return by_price | {offer.offer_id: offer for offer in _pinned(state.case())}


def choose_offer(offer_id: str | None) -> None:
    """Compute with the price of another offer from now on."""
    state.change(offer=offer_id, usd_per_gpu_hour=None)


def save(*, as_copy: bool = False) -> None:
    """Save the current plan: as a new one, or as the next revision of the one that is open."""
    if not _field(NAME):
        _say("error", "Give the plan a name first.")
        return
    plan_id = None if as_copy else state.opened_plan()
    try:
        saved = _save_as(plan_id, as_copy=as_copy)
    except InferplanError as error:
        _say("error", str(error))
        return
    if saved is not None:
        _seen()[saved.plan_id] = saved.revision
        state.use(state.case(), opened=saved.plan_id, prices=current_plan().prices)
        _say("success", f'Saved "{saved.name}" as revision {saved.revision}.')


def take_newest(plan_id: str) -> None:
    """Accept the newest revision as seen, so that the next save comes after it."""
    _seen()[plan_id] = plan_store.entry(warehouse(), plan_id).revision
    save()


def use_current_price() -> None:
    """Compute with the newest price of the offer from now on."""
    newest = current_price()
    if newest is not None:
        state.use(state.case(), opened=state.opened_plan(), prices=(newest,))


def open_plan(plan_id: str) -> None:
    """Make a saved plan the current one."""
    try:
        latest = plan_store.entry(warehouse(), plan_id)
        plan = plan_store.load(warehouse(), plan_id)
    except InferplanError as error:
        _say("error", str(error))
        return
    _seen()[plan_id] = latest.revision
    _open(plan, plan_id)
    _say("success", f'"{plan.name}" is the current plan on all pages.')


def open_file(plan: Plan) -> None:
    """Make the plan of a file the current one, without saving it."""
    _open(plan, None)
    _say("success", f'"{plan.name}" is the current plan on all pages. It is not saved yet.')


def save_file(plan: Plan) -> None:
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
    plan_id = state.opened_plan()
    if plan_id is None:
        return None
    known = plan_store.history(warehouse(), plan_id)
    return known[0] if known and known[0].revision > _seen().get(plan_id, known[0].revision) else None


def is_saved(plan: Plan) -> bool:
    """Whether ``plan`` is what the newest revision of its id says."""
    known = plan_store.history(warehouse(), plan.id)
    return bool(known) and not known[0].deleted and _same(plan, _stored(known[0]))


def _stored(entry: PlanEntry) -> Plan:
    return plan_store.load(warehouse(), entry.plan_id, entry.revision)


def _same(plan: Plan, before: Plan) -> bool:
    """Whether the two differ in nothing but who saved them when."""
    apart = {"created_at": before.created_at, "updated_at": before.updated_at, "author": before.author}
    return canonical_json(Plan.model_validate(plan.model_dump() | apart)) == canonical_json(before)


def _save_as(plan_id: str | None, *, as_copy: bool) -> PlanEntry | None:
    current, store = current_plan(), warehouse()
    content = (current.name, current.notes, current.case.model_dump_json())
    if plan_id is None:
        fresh = Plan.model_validate(current.model_dump() | {"id": plan_store.new_id()})
        return once(("save", as_copy, content), lambda: plan_store.save(store, fresh))
    known = plan_store.entry(store, plan_id)
    seen = _seen().get(plan_id, known.revision)
    before = _stored(known)
    plan = Plan.model_validate(current.model_dump() | {"id": plan_id, "created_at": before.created_at})
    if seen == known.revision and not known.deleted and _same(plan, before):
        _say("success", f'"{before.name}" is saved already, as revision {known.revision}.')
        return None
    return once(("save", plan_id, content), lambda: plan_store.save(store, plan, based_on=seen))


def _pinned(case: Case) -> tuple[Offer, ...]:
    """Return the price of the case's offer: the pinned one, else the newest."""
    if case.offer is None:
        return ()
    pinned = tuple(offer for offer in state.pinned_prices() if offer.offer_id == case.offer)
    newest = None if pinned else current_price()
    return pinned or (() if newest is None else (newest,))


def _open(plan: Plan, plan_id: str | None) -> None:
    state.use(plan.case, opened=plan_id, prices=plan.prices)
    _fill(plan)


def _fill(plan: Plan | None) -> None:
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
