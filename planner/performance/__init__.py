"""How fast a deployment serves a workload: TTFT, TPOT and tokens per second."""

from inferplan.planner.performance.answering import estimate
from inferplan.planner.performance.delivery import Delivered, Task, delivered
from inferplan.planner.performance.estimating import Estimates, Served, estimate_many, serve
from inferplan.planner.performance.nearest import NearMeasurement, nearest_measurements
from inferplan.planner.performance.own_measurements import OwnEvidence
from inferplan.planner.performance.result import BoundBy, Disaggregated, Drafting, Estimate

__all__ = [
    "BoundBy",
    "Delivered",
    "Disaggregated",
    "Drafting",
    "Estimate",
    "Estimates",
    "NearMeasurement",
    "OwnEvidence",
    "Served",
    "Task",
    "delivered",
    "estimate",
    "estimate_many",
    "nearest_measurements",
    "serve",
]
