"""Fleets past one machine: the engine that holds the samples reduces them to histograms."""

from inferplan.datasets.fleets.reduction import reduction_sql
from inferplan.datasets.fleets.sample_table import SampleTable, read_sample_table

__all__ = ["SampleTable", "read_sample_table", "reduction_sql"]
