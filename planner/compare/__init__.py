"""Which offer serves it best within the latency target: fit x performance x prices, ranked in DuckDB."""

from inferplan.planner.compare.contest import Contest, contest
from inferplan.planner.compare.ranking import Comparison
from inferplan.planner.compare.sweep import Sweep, compare
from inferplan.planner.offer_search import RankBy, Search

__all__ = ["Comparison", "Contest", "RankBy", "Search", "Sweep", "compare", "contest"]
