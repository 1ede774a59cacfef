"""Taking a result file in: the same steps for the page and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from inferplan.datasets.measurements import (
    Deployed,
    MeasurementFile,
    ResultFile,
    complete,
    files,
    land,
)
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.performance.own_evidence import Compared, compared


@dataclass(frozen=True)
class Brought:
    """What came of an import."""

    file_id: int
    already_there: MeasurementFile | None
    """The file with the same content, if it was imported before: nothing changed."""
    runs: tuple[Compared, ...]


def preview(found: ResultFile, answers: Deployed, at: datetime) -> tuple[Compared, ...]:
    """Return the runs of a file beside their estimates, which know nothing of own measurements.

    Raises
    ------
    UnansweredError
        If neither the file nor ``answers`` say what was measured.
    InferplanError
        If the deployment cannot have run as described.
    """
    return compared(complete(found, answers, at))


def bring(warehouse: Warehouse, found: ResultFile, answers: Deployed, at: datetime) -> Brought:
    """Import a file whole, or not at all; raises as ``preview`` does."""
    runs = preview(found, answers, at)
    known = files(warehouse, found.digest)
    file_id = land(warehouse, found, [run.measurement for run in runs])
    return Brought(file_id, known[0] if known else None, runs)


def doubts(runs: Sequence[Compared]) -> tuple[str, ...]:
    """Return a sentence for each run that hardly can be of the deployment described."""
    return tuple(
        f"Run {run.measurement.run_number}: {run.far_off}. Check the GPU, the parallel sizes, the format of "
        "the weights and, in a table, the units."
        for run in runs
        if run.far_off
    )
