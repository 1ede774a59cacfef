"""Read an engine's start-up log and lay it beside our prediction."""

from inferplan.planner.engine_log.difference import Difference, differences
from inferplan.planner.engine_log.log import EngineLog, EngineLogError, read_log

__all__ = ["Difference", "EngineLog", "EngineLogError", "differences", "read_log"]
