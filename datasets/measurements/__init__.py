"""Results that load generators wrote of the user's own deployments.

``read_file`` tells what is in a file, ``complete`` adds what it does not say, ``land`` stores it,
``remove`` takes it out again.
"""

from inferplan.datasets.measurements.landing import (
    NEEDED,
    MeasurementFile,
    UnansweredError,
    complete,
    files,
    land,
    own_measurements,
    remove,
)
from inferplan.datasets.measurements.reading import ResultFile, agreed, read_file, tools, varied
from inferplan.datasets.measurements.recognising import answered
from inferplan.datasets.measurements.run import CHECKPOINT, Deployed, Load, OwnMeasurement, Run
from inferplan.datasets.measurements.tools.plain_table import template

__all__ = [
    "CHECKPOINT",
    "NEEDED",
    "Deployed",
    "Load",
    "MeasurementFile",
    "OwnMeasurement",
    "ResultFile",
    "Run",
    "UnansweredError",
    "agreed",
    "answered",
    "complete",
    "files",
    "land",
    "own_measurements",
    "read_file",
    "remove",
    "template",
    "tools",
    "varied",
]
