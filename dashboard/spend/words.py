"""How the page Spend and `inferplan spend` call the parts of a bill, their reasons and their money."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from inferplan.dashboard import formats
from inferplan.planner.forecast import MonthForecast, forecast_month
from inferplan.planner.spend import REASONS, Spend, Statement

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
NOT_USED = ("loaded_headroom", "allocated_idle", "unallocated", "unused_commitment")
"""Parts that are paid and not used."""
MEANINGS: Mapping[str, str] = {
    "useful": "GPUs at work, up to the activity that counts as full (80% of the multiprocessors)",
    "loaded_headroom": "GPUs that serve, below that activity",
    "allocated_idle": "a process holds the GPU, does nothing and has no request running",
    "unallocated": "nobody is on the GPU",
    "unused_commitment": "bought in advance and not used",
    "unknown": "billed, and no telemetry says what became of it",
    "shared": "tax, support, storage, traffic, credits: for everybody",
}
FIXES: Mapping[str, str] = {
    "no_process": "import the telemetry of its GPUs with the labels of their pods",
    "no_usage": "say below which machine it is, or import its telemetry",
    "not_seen": "import the telemetry of all its GPUs and hours",
    "gpu_util_only": "export SM_ACTIVE (DCGM field 1002) of these GPUs",
    "no_resource": "ask the provider for resource ids in the export",
    "unused": "lower the commitment at its renewal, or move more work onto it",
}


def statement_title(statement: Statement) -> str:
    """Return what a statement is about."""
    if statement.basis == "list":
        return "Usage without a bill, at list price"
    if statement.basis == "allocation":
        return f"Allocated to pods, {statement.currency}"
    return f"Bills in {statement.currency}"


def month_forecast(found: Spend, statement: Statement) -> MonthForecast | str:
    """Return the forecast of the statement's last month from its whole days, or why there is none."""
    if statement.basis != "bill":
        return "a forecast needs a bill"
    last = found.last_whole_day
    return forecast_month({one.day: float(one.cost) for one in statement.days if last and one.day <= last})


def money(amount: Decimal | float, currency: str, decimals: int | None = None) -> str:
    """Return an amount as one writes it in its currency.

    >>> money(Decimal("1234.5"), "USD"), money(Decimal("-3"), "EUR", 0)
    ('$1,234.50', '\N{MINUS SIGN}3 EUR')
    """
    dollars = formats.usd(amount, decimals)
    return dollars if currency == "USD" else f"{dollars.replace('$', '')} {currency}"


def reason_words(reason: str) -> str:
    """Return why a cost could not be divided."""
    return REASONS.get(reason, reason)
