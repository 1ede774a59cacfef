"""The current plan: one ``Case`` per session that belongs to us and not to the widgets.

Widgets show the case and write to it through callbacks, so page switches, share links, undo and tests
all see one object. Every session key begins with ``inferplan.``, every address parameter with ``inferplan-``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from inferplan.dashboard.connection import warehouse
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.planner import plan_link, plan_store
from inferplan.planner.case import Case
from inferplan.planner.plan import AnyPlan, FleetPlan

PREFIX = "inferplan."
CASE = PREFIX + "case"
PROBLEM = PREFIX + "problem"
OPENED = PREFIX + "opened_plan"
FLEET = PREFIX + "fleet"
PINNED = PREFIX + "pinned"
DRAFT = PREFIX + "draft"
ADDRESS = PREFIX + "address"

LINK_PARAMETER = "inferplan-link"
PLAN_PARAMETER = "inferplan-plan"
DRAFT_PARAMETER = "inferplan-draft"
PARAMETERS = (LINK_PARAMETER, PLAN_PARAMETER, DRAFT_PARAMETER)

UNSAVED = "unsaved"
"""Id of a plan that was not saved yet."""

FIRST_CASE = Case(
    model="meta-llama/Llama-3.3-70B-Instruct",
    gpu="H200 SXM",
    weights_dtype="fp8",
    max_model_len=32768,
    input_tokens=2000,
    output_tokens=400,
    concurrency=16,
)


def case() -> Case:
    """Return the case that all pages are about: this session's, else the address's, else an example."""
    if CASE not in st.session_state:
        st.session_state[CASE] = _case_of_address() or FIRST_CASE
    _keep_address(st.session_state.get(ADDRESS, {}))
    found = st.session_state[CASE]
    return found if isinstance(found, Case) else FIRST_CASE


def use(new: Case, *, opened: str | None = None, prices: tuple[Offer, ...] | None = None) -> None:
    """Make ``new`` the current case; ``opened`` is the id of the saved plan that it is, if it is one.

    ``prices`` are those that come with a plan; without them the ones that are pinned stay pinned.
    It is kept as a draft of this session's own, so that two people on one link never write over each other.
    """
    st.session_state[CASE] = new
    st.session_state[OPENED] = opened
    if prices is not None:
        st.session_state[PINNED] = prices
    st.session_state.pop(PROBLEM, None)
    draft = st.session_state.setdefault(DRAFT, plan_store.new_id())
    st.session_state[ADDRESS] = {DRAFT_PARAMETER: draft} | ({PLAN_PARAMETER: opened} if opened else {})
    try:
        plan_store.save_draft(
            warehouse(), draft, plan_store.Draft(case=new, prices=pinned_prices()), at=now()
        )
    except InferplanError as error:
        refuse(error)


def fleet() -> FleetPlan | None:
    """Return the plan of several models that the page Plans is about; ``None``: it is about the case."""
    case()  # reads the address, which may name one
    found = st.session_state.get(FLEET)
    return found if isinstance(found, FleetPlan) else None


def use_fleet(plan: FleetPlan | None, *, as_saved: bool = False) -> None:
    """Make the page Plans about a plan of several models, or about the case again.

    One that is not ``as_saved`` is carried by the address itself, so that it survives a refresh.
    """
    st.session_state[FLEET] = plan
    saved = opened_plan() if plan is None else plan.id if plan.id != UNSAVED else None
    link = None if plan is None or as_saved else plan_link.share_value(plan)
    wanted = {
        DRAFT_PARAMETER: st.session_state[ADDRESS].get(DRAFT_PARAMETER),
        PLAN_PARAMETER: saved,
        LINK_PARAMETER: link,
    }
    st.session_state[ADDRESS] = {name: value for name, value in wanted.items() if value}


def change(**fields: object) -> None:
    """Change fields of the current case; a refused value leaves it as it was and `problem` says why.

    Another GPU leaves behind the price and the memory size of the one before, unless they are given too.
    """
    if fields.get("gpu", case().gpu) != case().gpu:
        fields = {"offer": None, "gpu_memory_gib": None} | fields
    data = case().model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    try:
        changed = Case.read({**data, **fields})
    except InferplanError as error:
        refuse(error)
        return
    use(changed, opened=opened_plan())


def opened_plan() -> str | None:
    """Return the id of the saved plan that the case came from, changed or not."""
    found = st.session_state.get(OPENED)
    return found if isinstance(found, str) else None


def pinned_prices() -> tuple[Offer, ...]:
    """Return the prices of the plan or link that the case came from, as they were when it was made."""
    found = st.session_state.get(PINNED)
    return found if isinstance(found, tuple) else ()


def refuse(error: InferplanError) -> None:
    """Remember why something was refused, for `problem`."""
    st.session_state[PROBLEM] = str(error)


def problem() -> str | None:
    """Return why the last change was refused, once."""
    found = st.session_state.pop(PROBLEM, None)
    return found if isinstance(found, str) else None


def now() -> datetime:
    """Return the time as everything stores it: naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def widget_key(field: str) -> str:
    """Return the key of the widget for ``field``."""
    return f"{PREFIX}input.{field}"


def bound(
    field: str,
    shown: object,
    read: Callable[[Any], object] | None = None,
    *,
    write: Callable[[Any], None] | None = None,
) -> dict[str, Any]:
    """Return the arguments that tie a widget to ``field`` of the case.

    Parameters
    ----------
    field
        Field of the case, which also names the widget.
    shown
        What the widget shows for the case as it is now.
    read
        Turns the widget's value into the field's, where they differ.
    write
        Stores the widget's value in place of the plain change of ``field``.
    """
    key = widget_key(field)
    st.session_state[key] = shown

    def store() -> None:
        value = st.session_state[key]
        if write is not None:
            write(value)
        else:
            change(**{field: value if read is None else read(value)})

    return {"key": key, "on_change": store}


def _case_of_address() -> Case | None:
    """Return the case that the address names: a draft, else a saved plan, else the link's own.

    A plan of several models is set aside for `fleet`.
    """
    given = {name: st.query_params[name] for name in PARAMETERS if name in st.query_params}
    st.session_state[ADDRESS] = given
    st.session_state[OPENED] = given.get(PLAN_PARAMETER)
    drafted = None
    try:
        if draft := given.get(DRAFT_PARAMETER):
            found = plan_store.load_draft(warehouse(), draft)
            if found is not None:
                st.session_state[PINNED] = found.prices
                drafted = found.case
        named = _plan_of_address(given)
        if isinstance(named, FleetPlan):
            st.session_state[FLEET], st.session_state[OPENED] = named, None
        elif named is not None and drafted is None:
            st.session_state[PINNED] = named.prices
            return named.case
    except InferplanError as error:
        if drafted is None:
            st.session_state[OPENED] = None
            st.session_state[ADDRESS] = {}
            refuse(error)
    return drafted


def _plan_of_address(given: Mapping[str, str]) -> AnyPlan | None:
    plan_id = given.get(PLAN_PARAMETER)
    if link := given.get(LINK_PARAMETER):
        return plan_link.plan_of_link(link).model_copy(update={"id": plan_id or UNSAVED})
    return plan_store.load(warehouse(), plan_id) if plan_id else None


def _keep_address(wanted: dict[str, str]) -> None:
    """Write our parameters into the address again after a page switch has dropped them."""
    for name in PARAMETERS:
        if name in wanted and st.query_params.get(name) != wanted[name]:
            st.query_params[name] = wanted[name]
        elif name not in wanted and name in st.query_params:
            del st.query_params[name]
