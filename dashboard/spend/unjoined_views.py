"""Part of the page Spend: what could not be joined, why, and how to put it right."""

from __future__ import annotations

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.once import once
from inferplan.dashboard.spend import tables
from inferplan.dashboard.spend.inputs import KEY
from inferplan.dashboard.spend.views import show_table
from inferplan.dashboard.spend.words import money
from inferplan.dashboard.state import refuse
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.spend import Spend, Statement
from inferplan.planner.spend_store import link, link_all, links, machines, read_links, unlink

NO_GPU = "It holds no GPU"
MOST_MACHINES = 2000
"""Machines to choose from; those of a larger fleet are linked by a list."""
MANY = f"{KEY}link.many"


def show_unjoined(warehouse: Warehouse, found: Spend, statement: Statement) -> None:
    """Show what the waterfall could not divide by use, and take what people know about it."""
    if statement.unjoined:
        show_table(tables.unjoined_table(statement), statement.currency, key=f"{KEY}unjoined")
    else:
        st.success("Everything on this bill was seen in use.", icon=":material/check:")
    _show_linking(warehouse, statement)
    _show_not_counted(found, statement)


def _show_linking(warehouse: Warehouse, statement: Statement) -> None:
    lost = {
        one.resource_id or one.resource: one
        for one in statement.unjoined
        if one.reason == "no_usage" and one.resource
    }
    known = links(warehouse)
    if not lost and not known:
        return
    st.subheader("Say what a resource is")
    st.caption("What you say is kept in the database and holds for every bill.")
    if lost:
        resource = st.selectbox(
            "Resource on the bill",
            list(lost),
            format_func=lambda key: f"{lost[key].resource} · {money(lost[key].amount, statement.currency)}",
            key=f"{KEY}link.resource",
        )
        targets = st.multiselect(
            "It is",
            [NO_GPU, *machines(warehouse)[:MOST_MACHINES]],
            key=f"{KEY}link.targets",
            placeholder="machines or GPUs of the telemetry",
        )
        st.button(
            "Remember",
            icon=":material/link:",
            key=f"{KEY}link",
            disabled=not targets,
            on_click=_remember,
            args=(warehouse, resource, tuple(targets)),
        )
        with st.popover("Many at once"):
            st.text_area(
                "A resource and a machine on each line",
                key=MANY,
                placeholder="i-0a11111111111111a, node-7\nmodel-store, -",
                help="A dash says that the resource holds no GPU.",
            )
            st.button("Remember all", key=f"{KEY}link.all", on_click=_remember_many, args=(warehouse,))
    for resource in dict.fromkeys(one.resource for one in known):
        means = [one.target or NO_GPU.lower() for one in known if one.resource == resource]
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(formats.plain(f"{resource} is {formats.listing(means)}"))
            st.button("Forget", key=f"{KEY}unlink.{resource}", on_click=_forget, args=(warehouse, resource))


def _remember(warehouse: Warehouse, resource: str, targets: tuple[str, ...]) -> None:
    wanted = tuple(target for target in targets if target != NO_GPU)
    try:
        once(("link", resource, wanted), lambda: link(warehouse, resource, wanted))
    except InferplanError as error:
        refuse(error)
    st.session_state.pop(f"{KEY}link.targets", None)


def _remember_many(warehouse: Warehouse) -> None:
    text = st.session_state[MANY]
    try:
        once(("link", text), lambda: link_all(warehouse, read_links(text)))
    except InferplanError as error:
        refuse(error)
        return
    st.session_state.pop(MANY, None)


def _forget(warehouse: Warehouse, resource: str) -> None:
    try:
        once(("unlink", resource), lambda: unlink(warehouse, resource))
    except InferplanError as error:
        refuse(error)


def _show_not_counted(found: Spend, statement: Statement) -> None:
    """Show what is beside this statement: replaced lines, other money, usage without a bill."""
    for one in found.restated:
        st.caption(
            formats.plain(
                f"Import {one.import_id}: {one.lines:,} lines of {money(one.effective_cost, one.currency)} "
                f"are replaced by import {one.replaced_by}, which has the same days of the account again."
            )
        )
    for other in found.statements:
        if other.basis == "allocation" and statement.basis == "bill":
            st.caption(
                formats.plain(
                    f"Allocated to pods by OpenCost or Kubecost, not added up: "
                    f"{money(other.effective_cost, other.currency)}. Choose it under Money to see it."
                )
            )
        if other.basis == "bill" and other.currency != statement.currency:
            st.caption(
                formats.plain(
                    f"In another currency, not added up: {money(other.effective_cost, other.currency)}."
                )
            )
    if found.list_prices:
        st.subheader("Used, and on no bill")
        show_table(tables.list_price_table(found), "USD", key=f"{KEY}listed")
        st.caption("Priced from offers, not from a bill: not part of the cost above.")
