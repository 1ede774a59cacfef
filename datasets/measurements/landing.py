"""Own measurements in the warehouse: a file lands whole or not at all, once, and goes out whole."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.measurements.reading import ResultFile
from inferplan.datasets.measurements.run import Deployed, OwnMeasurement

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor, Warehouse

_one_at_a_time = Lock()  # one process owns the file: its threads are all who can bring the same one at once

NEEDED = ("model", "gpu", "engine", "tp", "weights_dtype")
"""What an estimate cannot be compared without, and no tool states reliably."""
_COLUMNS = (
    "run_number", "model", "gpu", "engine", "engine_version", "tp", "pp", "dp", "ep", "weights_dtype",
    "kv_dtype", "input_tokens", "output_tokens", "concurrency", "request_rate_per_s", "at_once", "requests",
    "ttft_s", "tpot_s", "output_tokens_per_s", "measured_at", "tool_version", "published_model",
)  # fmt: skip
"""Of the table ``measurements``, in its order, after the file's number."""
_INSERT = (
    "INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_FILES = (
    "SELECT file_id, file_name, tool, imported_at, "
    "(SELECT count(*) FROM measurements AS m WHERE m.file_id = f.file_id) "
    "FROM measurement_files AS f WHERE digest = ? OR ? IS NULL ORDER BY file_id DESC"
)


class UnansweredError(InferplanError):
    """Something of the deployment that neither the file nor the user said."""

    def __init__(self, file_name: str, fields: Sequence[str], published_model: str | None) -> None:
        """Compose the message from the open ``fields`` and what the file calls the model."""
        self.fields = tuple(fields)
        words = f"{file_name} does not say what was measured: {', '.join(fields)}."
        if "model" in fields and published_model:
            words += f" {UnknownNameError('model', published_model, catalog.models())}"
        super().__init__(words)


class MeasurementFile(NamedTuple):
    """A file that was imported."""

    file_id: int
    file_name: str
    tool: str
    imported_at: datetime
    """Naive UTC."""
    measurements: int


def complete(found: ResultFile, answers: Deployed, imported_at: datetime) -> tuple[OwnMeasurement, ...]:
    """Return the runs of ``found`` as measurements; an answer replaces what the file says.

    Raises
    ------
    UnansweredError
        If a field of ``NEEDED`` is neither in the file nor answered.
    """
    given = answers.model_dump(exclude_none=True)
    rows = [
        {
            **run.load.model_dump(),
            **run.deployed.model_dump(exclude_none=True),
            **given,
            "run_number": run.run_number,
            "published_model": run.published_model,
            "file_name": found.file_name,
            "tool": found.tool,
            "imported_at": imported_at,
        }
        for run in found.runs
    ]
    if unanswered := [name for name in NEEDED if any(name not in row for row in rows)]:
        names = (run.published_model for run in found.runs if run.deployed.model is None)
        raise UnansweredError(found.file_name, unanswered, next(names, None))
    return tuple(OwnMeasurement.model_validate(row) for row in rows)


def land(warehouse: "Warehouse", found: ResultFile, measurements: Iterable[OwnMeasurement]) -> int:
    """Store a file's measurements and return its number; content that is there already changes nothing."""
    rows = tuple(measurements)

    def write(cursor: "Cursor") -> int:
        known = cursor.execute(
            "SELECT file_id FROM measurement_files WHERE digest = ?", [found.digest]
        ).fetchall()
        if known:
            return int(known[0][0])
        [(file_id,)] = cursor.execute(
            "INSERT INTO measurement_files (digest, file_name, tool, imported_at) VALUES (?, ?, ?, ?) "
            "RETURNING file_id",
            [found.digest, found.file_name, found.tool, rows[0].imported_at],
        ).fetchall()
        values = [[file_id, *(getattr(row, name) for name in _COLUMNS)] for row in rows]
        cursor.executemany(_INSERT, values)
        return int(file_id)

    with _one_at_a_time:
        return warehouse.write(write)


def files(warehouse: "Warehouse", digest: str | None = None) -> tuple[MeasurementFile, ...]:
    """Return the imported files, the newest first; with a ``digest`` only that of the same content."""
    return tuple(MeasurementFile(*row) for row in warehouse.rows(_FILES, [digest, digest]))


def own_measurements(warehouse: "Warehouse") -> tuple[OwnMeasurement, ...]:
    """Return every own measurement, the newest file first."""
    found = warehouse.rows(
        "SELECT m.* EXCLUDE (file_id), f.file_name, f.tool, f.imported_at "
        "FROM measurements AS m JOIN measurement_files AS f USING (file_id) ORDER BY file_id DESC, run_number"
    )
    names = (*_COLUMNS, "file_name", "tool", "imported_at")
    return tuple(OwnMeasurement.model_validate(dict(zip(names, row, strict=True))) for row in found)


def remove(warehouse: "Warehouse", file_id: int) -> None:
    """Take a file out again, whole; raises ``InferplanError`` if there is none of that number."""

    def delete(cursor: "Cursor") -> bool:
        cursor.execute("DELETE FROM measurements WHERE file_id = ?", [file_id]).fetchall()
        gone = cursor.execute("DELETE FROM measurement_files WHERE file_id = ? RETURNING 1", [file_id])
        return bool(gone.fetchall())

    if not warehouse.write(delete):
        msg = f"There is no file of measurements number {file_id}; it may have been removed already."
        raise InferplanError(msg)
