"""A comparison in steps, so that whoever runs it can show how far it is, and stop."""

import itertools
from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.case import Case
from inferplan.planner.compare.candidates import Candidates, Refused, load_on, ready
from inferplan.planner.compare.ranking import Comparison, ranked
from inferplan.planner.compare.tables import Tried, deployments_table, offers_table, rates_table
from inferplan.planner.offer_search import Search
from inferplan.planner.performance import Estimates, OwnEvidence, Served
from inferplan.planner.performance.batching import Load
from inferplan.planner.performance.estimating import estimates
from inferplan.planner.performance.work import Column
from inferplan.planner.workload import Workload

STEP = 64
"""Deployments of a step: some hundredths of a second."""


class _Row(NamedTuple):
    """A case on a deployment that can serve it."""

    place: int
    """In what was tried."""
    case: int
    served: Served
    load: Load


def compare(
    warehouse: Warehouse,
    cases: Sequence[Case],
    offers: Sequence[Offer],
    search: Search | None = None,
    today: date | None = None,
    own: OwnEvidence | None = None,
) -> Comparison:
    """Rank ``offers`` by what it costs to serve each of ``cases`` within its SLO.

    For each case, every combination of the search on each GPU on offer is checked for fit, estimated at each
    load, and joined with the offers. On each offer the configuration with the best figure is kept. A case's
    concurrency or request rate is the demand that ``replicas`` share; "max" is one replica at its best.
    Targets are compared with the expected latency; ``keeps_slo_surely`` is about the interval's far end.
    Prices that are stale on ``today`` rank behind the others; without it no price is called stale.
    Estimates near ``own`` measurements are drawn to them.

    Raises
    ------
    InferplanError
        If no offer is left to compare, or a case describes no load.
    """
    sweep = Sweep(cases, offers, search, today, own)
    while sweep.step():
        pass
    return sweep.comparison(warehouse)


class Sweep:
    """The same as ``compare``, a step at a time; between steps it can be left alone or dropped."""

    def __init__(
        self,
        cases: Sequence[Case],
        offers: Sequence[Offer],
        search: Search | None = None,
        today: date | None = None,
        own: OwnEvidence | None = None,
    ) -> None:
        """Gather what has to be tried; arguments and errors are those of ``compare``."""
        self._search = search or Search()
        self._cases = tuple(cases)
        self._offers = self._search.wanted(offers)
        self._today = today
        self._own = own
        self._workloads = [case.workload() for case in self._cases]
        self._loads = [_loads(workload, self._search) for workload in self._workloads]
        candidates = Candidates(self._cases, self._offers, self._search)
        self.deployments = len(candidates)
        """Combinations of model, GPU, engine, parallel sizes and formats to try."""
        self.configurations = sum(
            count * len(self._loads[case]) for cases, count in candidates.counts() for case in cases
        )
        """Deployments times the cases and loads tried on each."""
        if not self.deployments:
            sizes = self._search.tensor_parallel
            msg = f"No machine among these offers holds tensor parallel {' or '.join(map(str, sizes))}."
            raise InferplanError(msg)
        self._left = iter(candidates)
        self._tried: list[Tried] = []
        self._parts: list[dict[str, Column]] = []
        self.deployments_done = 0

    @property
    def share_done(self) -> float:
        """Share of the work that is done (0-1)."""
        return self.deployments_done / self.deployments

    def step(self) -> bool:
        """Try the next deployments; return whether any are left."""
        batch = list(itertools.islice(self._left, STEP))
        rows: list[_Row] = []
        for candidate in batch:
            served = ready(candidate.deployment)
            for case in candidate.case_indexes:
                load = served if isinstance(served, Refused) else load_on(served, self._workloads[case])
                why = load if isinstance(load, Refused) else None
                if isinstance(served, Served) and isinstance(load, Load):
                    rows.append(_Row(len(self._tried), case, served, load))
                self._tried.append(Tried(case, candidate.deployment, len(self._loads[case]), why))
        if rows:
            self._parts.append(self._evaluated(rows))
        self.deployments_done += len(batch)
        return self.deployments_done < self.deployments

    def comparison(self, warehouse: Warehouse) -> Comparison:
        """Rank what the steps so far have found."""
        deployments = deployments_table(self._cases, self._workloads, self._tried)
        return ranked(
            warehouse,
            loads=_under_each_other(self._parts),
            deployments=deployments,
            offers=offers_table(self._offers, self._search, self._today),
            rates=rates_table(deployments, self._offers, self._search),
            search=self._search,
        )

    def _evaluated(self, rows: Sequence[_Row]) -> dict[str, Column]:
        """Return the estimates of each of ``rows`` at each load tried for its case."""
        counts = [len(self._loads[row.case]) for row in rows]
        concurrency = np.concatenate([self._loads[row.case] for row in rows])
        asked = {
            one.name: np.repeat(np.concatenate([getattr(row.load, one.name) for row in rows]), counts)
            for one in fields(Load)
        }
        in_flight = {"concurrency": concurrency, "request_rate_per_s": np.full_like(concurrency, np.nan)}
        index = np.repeat(np.arange(len(rows)), counts)
        found = estimates([row.served for row in rows], index, Load(**asked | in_flight), self._own)
        columns = {field.name: getattr(found, field.name) for field in fields(found)}
        places = np.repeat([row.place for row in rows], counts)
        return {"deployment": places, "concurrency": concurrency, **columns}


def _loads(workload: Workload, search: Search) -> Column:
    """Return the requests in flight to try on a replica: no more than are asked for in all."""
    demand = workload.concurrency if isinstance(workload.concurrency, int) else max(search.concurrencies)
    return np.array(sorted({min(load, demand) for load in search.concurrencies}), dtype=np.float64)


def _under_each_other(parts: Sequence[dict[str, Column]]) -> pd.DataFrame:
    names = ("deployment", "concurrency", *(field.name for field in fields(Estimates)))
    empty: Column = np.array([], dtype=np.float64)
    columns = {name: np.concatenate([part[name] for part in parts] or [empty]) for name in names}
    return pd.DataFrame({"load_id": np.arange(len(columns["deployment"])), **columns}, copy=False)
