"""Planner calls remembered by the canonical JSON of their input; the results are frozen and shared."""

import streamlit as st

from inferplan.planner.case import Case
from inferplan.planner.memory import Fit, fit

KEEP = 512
KEEP_S = 3600


def canonical(case: Case) -> str:
    """Return the case as JSON without what is default, the same for equal cases."""
    return case.model_dump_json(exclude_none=True, exclude_defaults=True)


def memory_fit(case: Case) -> Fit:
    """Return the fit of ``case``; raises ``InferplanError`` as the planner does."""
    return _memory_fit(canonical(case))


@st.cache_resource(max_entries=KEEP, ttl=KEEP_S, show_spinner=False)
def _memory_fit(case_json: str) -> Fit:
    return fit(Case.model_validate_json(case_json).deployment())
