"""How fast a deployment serves a workload: TTFT, TPOT and tokens per second."""

from inferplan.planner.performance.estimating import Estimates, Served, estimate, estimate_many, serve
from inferplan.planner.performance.nearest import NearMeasurement, nearest_measurements
from inferplan.planner.performance.own_measurements import OwnEvidence
from inferplan.planner.performance.result import BoundBy, Estimate

__all__ = [
    "BoundBy",
    "Estimate",
    "Estimates",
    "NearMeasurement",
    "OwnEvidence",
    "Served",
    "estimate",
    "estimate_many",
    "nearest_measurements",
    "serve",
]
