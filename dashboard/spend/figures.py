"""The spend of a period, remembered until the data changes."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date

import streamlit as st

from inferplan.dashboard import cached
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.spend import Spend, Statement, spend
from inferplan.planner.spend_store import links

KEEP_S = 3600


@dataclass(frozen=True)
class Period:
    """Days to look at; a whole month or all of them."""

    month: date | None
    """First day of the month; ``None``: all days."""

    @property
    def title(self) -> str:
        """The period in words."""
        return f"{self.month:%B %Y}" if self.month else "All days"

    @property
    def first_day(self) -> date | None:
        """The first day, ``None`` for no limit."""
        return self.month

    @property
    def last_day(self) -> date | None:
        """The last day, ``None`` for no limit."""
        if self.month is None:
            return None
        return self.month.replace(day=calendar.monthrange(self.month.year, self.month.month)[1])


ALL_DAYS = Period(None)


def found_spend(warehouse: Warehouse, period: Period) -> Spend:
    """Return the spend of the period, computed again only after an import, a link or new prices."""
    offers = cached.offers(warehouse)
    [stamp] = warehouse.rows(
        "SELECT (SELECT count(*) FROM imports), (SELECT max(import_id) FROM imports), "
        "(SELECT max(refresh_id) FROM price_refreshes)"
    )
    known = f"{warehouse.path} {stamp} {links(warehouse)}"
    return _found_spend(known, period, _warehouse=warehouse, _offers=offers)


@st.cache_resource(max_entries=16, ttl=KEEP_S, show_spinner="Joining bills with usage")
def _found_spend(stamp: str, period: Period, *, _warehouse: Warehouse, _offers: tuple[Offer, ...]) -> Spend:
    return spend(_warehouse, offers=_offers, first_day=period.first_day, last_day=period.last_day)


def months(statement: Statement) -> list[Period]:
    """Return the months that have a day in the statement, the newest first."""
    return [
        Period(first) for first in sorted({one.day.replace(day=1) for one in statement.days}, reverse=True)
    ]
