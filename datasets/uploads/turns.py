"""One import at a time: one process owns the file, so that its threads are all who can number series."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.uploads.progress import Progress

PATIENCE_S = 5.0
"""How long an undo waits for an import of somebody else's."""
_WAIT_S = 0.1
_one_at_a_time = Lock()


@contextmanager
def turn(progress: Progress) -> Iterator[None]:
    """Wait until no other thread imports; raises ``CancelledError`` once ``progress`` was cancelled."""
    if not _one_at_a_time.acquire(blocking=False):
        progress.at("Waiting for another import")
        while not _one_at_a_time.acquire(timeout=_WAIT_S):
            progress.check()
    try:
        yield
    finally:
        _one_at_a_time.release()


@contextmanager
def turn_soon() -> Iterator[None]:
    """Wait a little until no other thread imports; raises ``InferplanError`` if one still does."""
    if not _one_at_a_time.acquire(timeout=PATIENCE_S):
        msg = "Another file is being imported: try again when that has ended."
        raise InferplanError(msg)
    try:
        yield
    finally:
        _one_at_a_time.release()
