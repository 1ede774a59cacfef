"""The spend of a period, remembered until the data changes, and how its money and parts are called."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import streamlit as st

from inferplan.dashboard import cached, formats
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.forecast import MonthForecast, forecast_month
from inferplan.planner.spend import REASONS, Spend, Statement, spend
from inferplan.planner.spend_store import links

KEEP_S = 3600
TITLES: Mapping[str, str] = {
    "useful": "Useful",
    "loaded_headroom": "Loaded headroom",
    "allocated_idle": "Allocated, idle",
    "unallocated": "Unallocated",
    "unused_commitment": "Unused commitment",
    "unknown": "Unknown",
    "shared": "Shared",
}
"""Parts of the bill as they are shown, in that order."""
MEANINGS: Mapping[str, str] = {
    "useful": "GPUs at work, up to the activity that counts as full (80 % of the multiprocessors)",
    "loaded_headroom": "GPUs that serve, below that activity",
    "allocated_idle": "a process holds the GPU, does nothing and has no request running",
    "unallocated": "nobody is on the GPU",
    "unused_commitment": "bought in advance and not used",
    "unknown": "billed, and no telemetry says what became of it",
    "shared": "tax, support, storage, traffic, credits: for everybody",
}
FIXES: Mapping[str, str] = {
    "no_usage": "say below which machine it is, or import its telemetry",
    "not_seen": "import the telemetry of all its GPUs and hours",
    "gpu_util_only": "export SM_ACTIVE (DCGM field 1002) of these GPUs",
    "no_resource": "ask the provider for resource ids in the export",
    "unused": "lower the commitment at its renewal, or move more work onto it",
}


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


def statement_title(statement: Statement) -> str:
    """Return what a statement is about."""
    if statement.basis == "list":
        return "Usage without a bill, at list price"
    return f"Bills in {statement.currency}"


def month_forecast(found: Spend, statement: Statement) -> MonthForecast | str:
    """Return the forecast of the statement's last month from its whole days, or why there is none."""
    if statement.basis == "list":
        return "a forecast needs a bill"
    days = statement.days if found.last_moment_is_whole else statement.days[:-1]
    return forecast_month({one.day: float(one.cost) for one in days})


def money(amount: Decimal | float, currency: str, decimals: int | None = None) -> str:
    """Return an amount as one writes it in its currency.

    >>> money(Decimal("1234.5"), "USD"), money(Decimal("-3"), "EUR", 0)
    ('$1,234.50', '\N{MINUS SIGN}3 EUR')
    """
    dollars = formats.usd(amount, decimals)
    return dollars if currency == "USD" else f"{dollars.replace('$', '')} {currency}"


def money_column(title: str, currency: str, explained: str | None = None) -> object:
    """Return how a table shows a column of money."""
    sign = "dollar" if currency == "USD" else "localized"
    header = title if currency == "USD" else f"{title}, {currency}"
    return st.column_config.NumberColumn(header, format=sign, help=explained)


def reason_words(reason: str) -> str:
    """Return why a cost could not be divided."""
    return REASONS.get(reason, reason)
