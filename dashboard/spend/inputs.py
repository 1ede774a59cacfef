"""Inputs of the page Spend: which days and money, by which rule to share out, and the budget."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import streamlit as st

from inferplan.dashboard.spend.figures import ALL_DAYS, Period
from inferplan.dashboard.spend.words import statement_title
from inferplan.dashboard.state import PREFIX
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.spend import Statement
from inferplan.planner.spend_showback import RULES, Rule
from inferplan.planner.spend_store import budgets, set_budget

KEY = f"{PREFIX}spend."


def period_input(months: Sequence[Period]) -> Period:
    """Ask for the days to look at."""
    titles = {period.title: period for period in (ALL_DAYS, *months)}
    chosen = st.selectbox(
        "Days",
        list(titles),
        key=f"{KEY}period",
        help="Days are those of the bill, in UTC.",
        persist_state="session",
    )
    return titles.get(chosen, ALL_DAYS)


def statement_input(statements: Sequence[Statement]) -> Statement:
    """Ask for the statement where there are several; money of two currencies is never added up."""
    if len(statements) == 1:
        return statements[0]
    titles = {statement_title(one): one for one in statements}
    chosen = st.selectbox(
        "Money",
        list(titles),
        key=f"{KEY}statement",
        help="Currencies are never added up, nor are bills, allocations and list prices.",
        persist_state="session",
    )
    return titles.get(chosen, statements[0])


def rule_input() -> Rule:
    """Ask by which rule the common cost is shared out."""
    rule: Rule = st.selectbox(
        "Share out common cost",
        list(RULES),
        format_func=lambda rule: RULES[rule].capitalize(),
        key=f"{KEY}rule",
        help="Unused commitments and shared cost that nobody is named for.",
        persist_state="session",
    )
    return rule


def budget_input(warehouse: Warehouse, currency: str) -> Decimal | None:
    """Ask for the budget per month, which the database remembers."""
    known = budgets(warehouse).get(currency)
    key = f"{KEY}budget.{currency}"
    st.session_state[key] = None if known is None else float(known)

    def keep() -> None:
        given = st.session_state[key]
        set_budget(warehouse, currency, Decimal(str(given)) if given else None)

    st.number_input(
        f"Budget per month, {currency}",
        min_value=0.0,
        step=1000.0,
        format="%.0f",
        key=key,
        on_change=keep,
        placeholder="none",
        help="Kept in the database, for everybody. Empty it to have none.",
    )
    return known
