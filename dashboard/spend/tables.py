"""The tables of the page Spend, for the screen, the downloads and the command line alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from inferplan.dashboard import formats
from inferplan.dashboard.reports import Column, Report, Table
from inferplan.dashboard.spend.words import (
    FIXES,
    MEANINGS,
    NOT_USED,
    TITLES,
    money,
    reason_words,
    statement_title,
)
from inferplan.planner.forecast import METHOD, MonthForecast
from inferplan.planner.spend import Spend, Statement
from inferplan.planner.spend_showback import RULES, Rule, showback, to_cents

NOBODY = "nobody named"
_CENT = Decimal("0.01")
STEPS = ("Day", "Week", "Month")


def waterfall_table(statement: Statement) -> Table:
    """Return the parts to the cent, which sum to the cost to the cent, their share and what they mean."""
    cents = to_cents(statement.parts)
    whole = statement.effective_cost
    rows = tuple(
        (title, cents[part], float(statement.parts[part] / whole) if whole else None, MEANINGS[part])
        for part, title in TITLES.items()
    )
    total = (
        "Effective cost",
        sum(cents.values(), Decimal(0)),
        1.0 if whole else None,
        "what the period costs",
    )
    columns = (
        Column("Part"),
        Column("Amount", statement.currency),
        Column("Share", "share"),
        Column("Meaning"),
    )
    return Table("Where it went", columns, (*rows, total))


def showback_table(statement: Statement, dimension: str, rule: Rule) -> Table:
    """Return the total by name, its direct cost and share of the common cost, and the direct cost by part."""
    amount = statement.currency
    columns = (
        Column(dimension_title(dimension)),
        Column("Total", amount),
        Column("Of all", "share"),
        Column("Direct", amount),
        Column("Common cost", amount),
        *(Column(title, amount) for title in TITLES.values()),
    )
    found = showback(statement.costs[dimension], rule)
    totals = to_cents({row.name or NOBODY: row.total for row in found})
    whole = statement.effective_cost
    rows = tuple(
        (
            row.name or NOBODY,
            totals[row.name or NOBODY],
            float(row.total / whole) if whole else None,
            row.direct.quantize(_CENT),
            row.shared_out.quantize(_CENT),
            *(row.parts.get(part, Decimal(0)).quantize(_CENT) for part in TITLES),
        )
        for row in found
    )
    return Table(f"By {dimension_title(dimension).lower()}", columns, rows)


def dimension_title(dimension: str) -> str:
    """Return a dimension in words.

    >>> dimension_title("team"), dimension_title("tag:env")
    ('Team', 'Tag env')
    """
    return f"Tag {dimension[4:]}" if dimension.startswith("tag:") else dimension.capitalize()


def token_table(statement: Statement) -> Table:
    """Return what the tokens of each model cost each team."""
    amount = statement.currency
    columns = (
        Column("Model"),
        Column("Team"),
        Column("Effective cost", amount),
        Column("Generated", f"{amount} per million tokens"),
        Column("All tokens", f"{amount} per million tokens"),
        Column("Requests", f"{amount} per request"),
        Column("Generated tokens", "millions"),
        Column("Prompt tokens", "millions"),
        Column("GPU-hours seen", "hours"),
        Column("Mean activity", "share"),
        Column("Basis"),
    )
    rows = tuple(
        (
            one.model,
            one.team,
            one.effective_cost.quantize(_CENT),
            one.per_mtok_generated,
            one.per_mtok,
            one.per_request,
            one.generated_tokens / 1e6,
            one.prompt_tokens / 1e6,
            one.gpu_hours,
            one.activity,
            "its share of the model's tokens" if one.split_by_tokens else "its own GPUs",
        )
        for one in statement.tokens
    )
    return Table("Tokens", columns, rows)


def unjoined_table(statement: Statement) -> Table:
    """Return what could not be divided by use, with the reason and what helps."""
    columns = (
        Column("Resource"),
        Column("Amount", statement.currency),
        Column("Why"),
        Column("Counted as"),
        Column("What helps"),
        Column("Id on the bill"),
    )
    rows = tuple(
        (
            one.resource,
            one.amount.quantize(_CENT),
            reason_words(one.reason),
            TITLES[one.part],
            FIXES.get(one.reason),
            one.resource_id,
        )
        for one in statement.unjoined
    )
    return Table("Not joined", columns, rows)


def list_price_table(found: Spend) -> Table:
    """Return what machines without a bill would cost at list price."""
    columns = (
        Column("Machine"),
        Column("GPU-hours", "hours"),
        Column("At list price", "USD"),
        Column("A GPU-hour", "USD"),
        Column("Price"),
    )
    rows = tuple(
        (
            one.machine,
            one.gpu_hours,
            None
            if one.usd_per_gpu_hour is None
            else (one.usd_per_gpu_hour * Decimal(repr(one.gpu_hours))).quantize(_CENT),
            one.usd_per_gpu_hour,
            one.basis,
        )
        for one in found.list_prices
    )
    return Table("Used, and on no bill", columns, rows)


def trend(statement: Statement, step: str) -> dict[date, dict[str, Decimal]]:
    """Return the cost by part for each day, week (from Monday) or month, by its first day (UTC)."""
    sums: dict[date, dict[str, Decimal]] = {}
    for one in statement.days:
        back = {"Day": 0, "Week": one.day.weekday(), "Month": one.day.day - 1}[step]
        of_step = sums.setdefault(one.day - timedelta(days=back), {})
        for part, amount in one.parts.items():
            of_step[part] = of_step.get(part, Decimal(0)) + amount
    return sums


def trend_table(statement: Statement, step: str) -> Table:
    """Return ``trend`` with the sum of the parts."""
    columns = (
        Column("From"),
        *(Column(title, statement.currency) for title in TITLES.values()),
        Column("Effective cost", statement.currency),
    )
    rows = tuple(
        (
            start,
            *(found.get(part, Decimal(0)).quantize(_CENT) for part in TITLES),
            sum(found.values(), Decimal(0)).quantize(_CENT),
        )
        for start, found in trend(statement, step).items()
    )
    return Table(f"By {step.lower()}", columns, rows)


def forecast_facts(
    statement: Statement, forecast: MonthForecast | str, budget: Decimal | None
) -> tuple[tuple[str, str], ...]:
    """Return the forecast, and the budget per month if there is one, as facts of a report."""
    limit = () if budget is None else (("Budget per month", f"{budget:,.2f} {statement.currency}"),)
    if isinstance(forecast, str):
        return (("Forecast", f"none: {forecast}"), *limit)
    low, expected, high = (f"{end:,.2f}" for end in forecast.total)
    chance = (
        () if budget is None else (("Budget is passed", f"in {forecast.chance_above(float(budget)):.0%}"),)
    )
    return (
        ("Forecast of", f"{forecast.month:%B %Y}, {forecast.days_left} days left"),
        ("Forecast, 80% interval", f"{low} to {high}, expected {expected} {statement.currency}"),
        ("Forecast method", METHOD),
        *limit,
        *chance,
    )


def _billed(statement: Statement) -> str:
    if statement.basis != "bill":
        return "none: this is no bill"
    return f"{statement.billed_cost:.2f} {statement.currency}"


def spend_report(
    found: Spend, statement: Statement, rule: Rule, outlook: tuple[tuple[str, str], ...], made_at: datetime
) -> Report:
    """Return all tables of a statement as a report; ``outlook`` comes from ``forecast_facts``."""
    tables = (
        waterfall_table(statement),
        *(showback_table(statement, dimension, rule) for dimension in statement.costs),
        token_table(statement),
        trend_table(statement, "Day"),
        unjoined_table(statement),
        list_price_table(found),
    )
    days: Sequence[str] = [one.day.isoformat() for one in statement.days]
    facts = (
        ("Statement", statement_title(statement)),
        ("Days (UTC)", f"{days[0]} to {days[-1]}"),
        ("Billed cost", _billed(statement)),
        ("Common cost is shared out", RULES[rule]),
        ("Sample data", "yes" if found.is_sample else "no"),
        *outlook,
    )
    return Report("Spend", tables, facts, made_at, _answer(statement))


def _answer(statement: Statement) -> str:
    parts, whole = statement.parts, statement.effective_cost
    not_used = sum((parts[part] for part in NOT_USED), Decimal(0))
    shares = (
        f", {formats.percent(float(parts['useful'] / whole), 1)} of it useful and "
        f"{formats.percent(float(not_used / whole), 1)} paid and not used"
        if whole > 0
        else ""
    )
    return f"Effective cost {money(whole, statement.currency)}{shares}."
