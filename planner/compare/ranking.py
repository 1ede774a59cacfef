"""Joins what was tried with the offers in DuckDB, and ranks."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from inferplan.datasets.warehouse import Cursor, Warehouse
from inferplan.planner.compare import queries
from inferplan.planner.economics import HOURS_PER_MONTH
from inferplan.planner.offer_search import Search
from inferplan.pricing.money import trimmed

_CENT = Decimal("0.01")
_MONEY = ("machine_usd_per_hour", "usd_per_replica_hour")


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` found: latency of a replica at ``concurrency``, cost of all ``replicas``."""

    ranked: pd.DataFrame
    """The best way to serve each case on each offer that can, the best first; stale prices behind."""
    sizes: pd.DataFrame
    """The same for each offer and number of GPUs of a replica."""
    points: pd.DataFrame
    """Of each case and GPU the loads that are not beaten in both cost and speed, on their cheapest offer."""
    refused: pd.DataFrame
    """The offers that cannot, each with the kind of reason and the reason."""
    tried: pd.DataFrame
    """Every deployment that was tried: how many of its loads keep the target, or why none does."""
    outcomes: pd.DataFrame
    """What became of the configurations, counted."""


def ranked(
    warehouse: Warehouse,
    *,
    loads: pd.DataFrame,
    deployments: pd.DataFrame,
    offers: pd.DataFrame,
    rates: pd.DataFrame,
    search: Search,
) -> Comparison:
    """Return the comparison of all ``loads`` on all ``offers``; the tables are those of ``tables``."""
    figure = queries.FIGURES[search.rank_by]
    best = queries.PRICED.format(chosen="best", offered="r.shape = q.shape")
    on_frontier = queries.PRICED.format(
        chosen="frontier", offered="r.shape = q.shape AND r.offer_id = c.offer_id"
    )
    with warehouse.transaction() as cursor:
        tables = {"loads": loads, "deployments": deployments, "offers": offers, "rates": rates}
        for name, frame in tables.items():
            cursor.register(name, frame)
        for sql in (queries.DEMANDED, queries.JUDGED, queries.RATED, queries.BEST, queries.FRONTIER):
            cursor.execute(sql.format(part=queries.PARTS[search.rank_by]))
        chosen = cursor.execute(queries.CHOSEN).df()["load_id"].astype("int64")
        cursor.register("loads", loads.iloc[chosen])  # what was not chosen need not be joined again
        winners, sizes = (
            _frame(cursor, queries.RANKED.format(priced=best, figure=figure, each_size=each_size))
            for each_size in ("", ", gpus")
        )
        points = _frame(cursor, queries.POINTS.format(priced=on_frontier))
        refused = cursor.execute(queries.REFUSED.format(partial_prices=search.partial_prices)).df()
        tried, outcomes = (cursor.execute(sql).df() for sql in (queries.TRIED, queries.OUTCOMES))
    return Comparison(winners, sizes, points, refused, tried, outcomes)


def _frame(cursor: Cursor, sql: str) -> pd.DataFrame:
    """Return the rows of ``sql`` with exact money: what machines, a replica and all replicas cost."""
    frame = cursor.execute(queries.EXACT.format(priced=sql)).df()
    for name in _MONEY:
        frame[name] = _column(trimmed(Decimal(amount)) for amount in frame[name])
    replicas = frame["replicas"].astype("int64").astype(object)
    frame["usd_per_hour"] = replicas * frame["usd_per_replica_hour"]
    frame["usd_per_month"] = _column((usd * HOURS_PER_MONTH).quantize(_CENT) for usd in frame["usd_per_hour"])
    return frame


def _column(amounts: Iterable[Decimal]) -> "pd.Series[Any]":
    return pd.Series(list(amounts), dtype=object)
