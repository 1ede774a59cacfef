"""What can be wrong with a warehouse file, and what to do about it."""

import re
from pathlib import Path

from inferplan.datasets.errors import InferplanError

_PID = re.compile(r"\(PID (\d+)\)")
_DAMAGED = re.compile(
    r"not a valid DuckDB|corrupt|checksum|could not read enough bytes|deserializ|"
    r"replaying WAL|INTERNAL Error",
    re.IGNORECASE,
)
_NO_ROOM = re.compile(r"no space left|file too large|quota exceeded|max_temp_directory_size", re.IGNORECASE)
_REFUSED = re.compile(r"permission denied|read-only", re.IGNORECASE)

ELSEWHERE = "set INFERPLAN_DB to another path"


class WarehouseError(InferplanError):
    """The warehouse cannot be opened or used; the message says what to do."""


class WarehouseHeldError(WarehouseError):
    """Another process has the file open; ``pid`` is its process id where it is known."""

    def __init__(self, path: Path, pid: int | None) -> None:
        """Compose the message from the file's ``path`` and the holder's ``pid``."""
        self.pid = pid
        self.holder = f"process {pid}" if pid else "another process"
        super().__init__(
            f"The warehouse {path} is open in {self.holder}, and one process at a time may have it. "
            f"Stop that process (a running dashboard, most often), or {ELSEWHERE}."
        )


class LackError(WarehouseError):
    """Disk or memory ran out; what had begun was taken back whole, and what was committed is safe."""


class UnwritableWarehouseError(WarehouseError):
    """The file or its folder may not be written."""

    def __init__(self, path: Path, detail: str) -> None:
        """Compose the message from the file's ``path`` and what the system said of it."""
        super().__init__(
            f"The warehouse {path} cannot be written ({detail}). Give yourself write permission on the file "
            f"and on its folder {path.parent}, or {ELSEWHERE}."
        )


class NewerWarehouseError(WarehouseError):
    """The file was written by a newer Inferplan or a newer DuckDB than this one."""


class DamagedWarehouseError(WarehouseError):
    """The file is no database or a broken one. It is left as it is, never deleted."""

    def __init__(self, path: Path, detail: str) -> None:
        """Compose the message from the file's ``path`` and what the database said of it."""
        super().__init__(
            f"The warehouse {path} is not a readable DuckDB database ({_first_line(detail)}). "
            f"It was left untouched. Restore a backup, or start afresh by moving it aside: "
            f"mv '{path}' '{path}.damaged' (and '{path}.wal', if there is one), or {ELSEWHERE}."
        )


def diagnose(path: Path, error: Exception) -> WarehouseError:
    """Return the error to show for what the database said when opening or reading ``path``."""
    said = str(error)
    if lack := lack_of(error):
        return lack
    if "has been invalidated" in said:
        return LackError(
            f"The warehouse {path} stopped at an error before this one, a full disk most often. What was "
            "committed is safe. Free some space on the disk and try again."
        )
    if "Conflicting lock" in said or "being used by another process" in said:
        found = _PID.search(said)
        return WarehouseHeldError(path, int(found[1]) if found else None)
    if "newer version of DuckDB" in said:
        return NewerWarehouseError(
            f"The warehouse {path} was written by a newer DuckDB than the one installed. "
            f"Upgrade it with 'pip install --upgrade duckdb', or {ELSEWHERE}."
        )
    if "different configuration" in said:
        return WarehouseError(
            f"The warehouse {path} is already open in this process through a connection of its own. "
            "Close that connection, or use Warehouse.open for both."
        )
    if _REFUSED.search(said):
        return UnwritableWarehouseError(path, _first_line(said))
    if _DAMAGED.search(said):
        return DamagedWarehouseError(path, said)
    return WarehouseError(
        f"The warehouse {path} cannot be used: {_first_line(said)}. You can also {ELSEWHERE}."
    )


def lack_of(error: Exception) -> LackError | None:
    """Return the error to show where disk or memory ran out, ``None`` for any other ``error``."""
    said = _first_line(str(error) or type(error).__name__)
    if _NO_ROOM.search(said):
        return LackError(
            f"There is no room left on the disk ({said}). Nothing was half done. Free some space, or let "
            "INFERPLAN_DB (the warehouse) or TMPDIR (temporary files) name a folder on a larger disk."
        )
    if said.startswith("Out of Memory Error"):
        return LackError(f"The memory of this machine does not suffice ({said}). Nothing was half done.")
    return None


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(".")
