"""Planner calls remembered by the canonical JSON of their input; the results are frozen and shared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from inferplan.dashboard.state import now
from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.measurements import own_measurements
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.answers import GpuFit, fewest_gpus, fit_all_gpus, largest_context
from inferplan.planner.any_plan_results import results_of, results_today
from inferplan.planner.case import LOAD_FIELDS, Case
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory import Fit, fit
from inferplan.planner.performance import Estimate, OwnEvidence, estimate
from inferplan.planner.performance.own_evidence import Usable, usable
from inferplan.planner.performance.own_evidence import own_evidence as planner_evidence
from inferplan.planner.plan import AnyPlan, canonical_json, read_plan
from inferplan.planner.plan_results import Results
from inferplan.pricing.offers import current_offers, load_snapshot

if TYPE_CHECKING:
    from inferplan.planner.compare import Comparison, Search

KEEP = 512
KEEP_COMPARISONS = 16
KEEP_S = 3600
NOT_OF_EVERY_GPU = LOAD_FIELDS | {"id", "gpu", "gpu_memory_gib", "dp"}
"""Fields of a case that do not matter when its GPU and its load do not."""


def speed(case: Case, warehouse: Warehouse | None = None) -> Estimate:
    """Return the speed of ``case`` under its load; raises ``InferplanError`` as the planner does.

    With a ``warehouse`` it is drawn to the own measurements in there.
    """
    stamp = None if warehouse is None else _measurements_stamp(warehouse)
    return _speed(canonical(case), stamp, _warehouse=warehouse)


class Room(NamedTuple):
    """How far a deployment reaches."""

    largest_context_tokens: int | None
    why_unknown: str
    fewest: Deployment | None


def canonical(case: Case) -> str:
    """Return the case as JSON without what is default, the same for equal cases."""
    return case.model_dump_json(exclude_none=True, exclude_defaults=True)


def deployment(case: Case) -> Deployment:
    """Return the deployment of ``case`` with model and GPU looked up; raises as the catalog does."""
    return _deployment(canonical(case))


def memory_fit(case: Case) -> Fit:
    """Return the fit of ``case``; raises ``InferplanError`` as the planner does."""
    return _memory_fit(canonical(case))


def room(case: Case, sequences: int) -> Room:
    """Return how far ``case`` reaches with ``sequences`` at once on a replica."""
    return _room(canonical(case), sequences)


def every_gpu(case: Case) -> list[GpuFit]:
    """Return the fit of ``case`` on every GPU of the catalog, those that need fewest first."""
    fields = {
        name: value for name, value in case.model_dump(mode="json").items() if name not in NOT_OF_EVERY_GPU
    }
    return _every_gpu(canonical(Case.model_validate(fields | {"gpu": catalog.gpus()[0].name})))


@st.cache_resource(max_entries=KEEP, ttl=KEEP_S, show_spinner=False)
def _deployment(case_json: str) -> Deployment:
    return Case.model_validate_json(case_json).deployment()


@st.cache_resource(max_entries=KEEP, ttl=KEEP_S, show_spinner=False)
def _memory_fit(case_json: str) -> Fit:
    return fit(_deployment(case_json))


@st.cache_resource(max_entries=KEEP, ttl=KEEP_S, show_spinner=False)
def _speed(case_json: str, stamp: str | None, *, _warehouse: Warehouse | None) -> Estimate:
    own = None if _warehouse is None else own_evidence(_warehouse)
    return estimate(_deployment(case_json), Case.model_validate_json(case_json).workload(), own)


@st.cache_resource(max_entries=KEEP, ttl=KEEP_S, show_spinner=False)
def _room(case_json: str, sequences: int) -> Room:
    asked = _deployment(case_json)
    try:
        longest, unknown = largest_context(asked, sequences), ""
    except InferplanError as error:
        longest, unknown = None, str(error)
    return Room(longest, unknown, fewest_gpus(asked, sequences))


@st.cache_resource(max_entries=KEEP_COMPARISONS, ttl=KEEP_S, show_spinner="Trying every GPU")
def _every_gpu(case_json: str) -> list[GpuFit]:
    return fit_all_gpus(_deployment(case_json))


def own_evidence(warehouse: Warehouse) -> OwnEvidence | None:
    """Return what estimates are drawn to; read again only after an import or a removal."""
    return _own_evidence(_measurements_stamp(warehouse), _warehouse=warehouse)


def plan_results(warehouse: Warehouse, plan: AnyPlan) -> Results:
    """Return what follows from ``plan``, drawn to own measurements."""
    return _plan_results(canonical_json(plan), _measurements_stamp(warehouse), _warehouse=warehouse)


def plan_today(warehouse: Warehouse, plan: AnyPlan) -> Results:
    """Return what follows from ``plan`` at the newest prices; raises as the planner does."""
    today = now().date()
    stamp = f"{_newest_refresh(warehouse)} {today} {_measurements_stamp(warehouse)}"
    return _plan_today(canonical_json(plan), today, stamp, _warehouse=warehouse)


@st.cache_resource(max_entries=KEEP_COMPARISONS, ttl=KEEP_S, show_spinner=False)
def _plan_results(document: str, stamp: str, *, _warehouse: Warehouse) -> Results:
    return results_of(_warehouse, read_plan(document), own_evidence(_warehouse))


@st.cache_resource(max_entries=KEEP_COMPARISONS, ttl=KEEP_S, show_spinner="Trying today's offers")
def _plan_today(document: str, today: date, stamp: str, *, _warehouse: Warehouse) -> Results:
    return results_today(_warehouse, read_plan(document), today, own_evidence(_warehouse))


def own_runs(warehouse: Warehouse) -> Usable:
    """Return own measurements beside their estimates, the newest file first."""
    return _own_runs(_measurements_stamp(warehouse), _warehouse=warehouse)


def _measurements_stamp(warehouse: Warehouse) -> str:
    [(newest, count)] = warehouse.rows("SELECT max(file_id), count(*) FROM measurement_files")
    return f"{warehouse.path} {newest} {count}"


@st.cache_resource(max_entries=4, ttl=KEEP_S, show_spinner=False)
def _own_runs(stamp: str, *, _warehouse: Warehouse) -> Usable:
    return usable(own_measurements(_warehouse))


@st.cache_resource(max_entries=4, ttl=KEEP_S, show_spinner=False)
def _own_evidence(stamp: str, *, _warehouse: Warehouse) -> OwnEvidence | None:
    return planner_evidence(own_runs(_warehouse).runs)


def offers(warehouse: Warehouse) -> tuple[Offer, ...]:
    """Return the newest price of every offer; read again only after a refresh or an import."""
    load_snapshot(warehouse)
    return _offers(str(warehouse.path), _newest_refresh(warehouse), _warehouse=warehouse)


def comparison(
    warehouse: Warehouse, cases: Sequence[Case], search: Search, pinned: tuple[Offer, ...] = ()
) -> Comparison:
    """Return the ranking of all offers for ``cases``; a plan's ``pinned`` prices replace newer ones.

    Ends the script where the visitor stopped it. The result is shared: copy a frame before changing it.
    """
    from inferplan.dashboard.comparing import running  # brings pandas along, which other pages do without
    from inferplan.planner.compare import Sweep

    today = now().date()
    pins = [offer.model_dump_json() for offer in pinned]
    asked = [canonical(case) for case in cases]
    question = [*asked, search.model_dump_json(), *pins, str(warehouse.path)]

    def begin() -> Sweep:
        by_id = {offer.offer_id: offer for offer in (*offers(warehouse), *pinned)}
        return Sweep(cases, tuple(by_id.values()), search, today, own_evidence(warehouse))

    stamp = f"{_newest_refresh(warehouse)} {today} {_measurements_stamp(warehouse)}"
    return running.result(warehouse, "\n".join([*question, stamp]), begin)


def _newest_refresh(warehouse: Warehouse) -> int:
    [(newest,)] = warehouse.rows("SELECT coalesce(max(refresh_id), 0) FROM price_refreshes")
    return int(newest)


@st.cache_resource(max_entries=4, ttl=KEEP_S, show_spinner=False)
def _offers(path: str, newest_refresh: int, *, _warehouse: Warehouse) -> tuple[Offer, ...]:
    return current_offers(_warehouse)
