"""Planner calls remembered by the canonical JSON of their input; the results are frozen and shared."""

import streamlit as st

from inferplan.planner.case import Case
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory import Fit, fit

KEEP = 512
KEEP_S = 3600


def canonical(case: Case) -> str:
    """Return the case as JSON without what is default, the same for equal cases."""
    return case.model_dump_json(exclude_none=True, exclude_defaults=True)


def deployment(case: Case) -> Deployment:
    """Return the deployment of ``case`` with model and GPU looked up; raises as the catalog does."""
    return _deployment(canonical(case))


def memory_fit(case: Case) -> Fit:
    """Return the fit of ``case``; raises ``InferplanError`` as the planner does."""
    return _memory_fit(canonical(case))


@st.cache_resource(max_entries=KEEP, ttl=KEEP_S, show_spinner=False)
def _deployment(case_json: str) -> Deployment:
    return Case.model_validate_json(case_json).deployment()


@st.cache_resource(max_entries=KEEP, ttl=KEEP_S, show_spinner=False)
def _memory_fit(case_json: str) -> Fit:
    return fit(_deployment(case_json))
