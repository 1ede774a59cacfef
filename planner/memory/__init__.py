"""Where a GPU's memory goes, and whether a deployment fits."""

from inferplan.planner.memory.fitting import breakdown, fit, held_by
from inferplan.planner.memory.result import Fit, MemoryBreakdown
from inferplan.planner.memory_options import Lora, MemoryOptions

__all__ = ["Fit", "Lora", "MemoryBreakdown", "MemoryOptions", "breakdown", "fit", "held_by"]
