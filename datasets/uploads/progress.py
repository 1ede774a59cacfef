"""How far a long import is, and the way to stop it so that nothing of it lands."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import TYPE_CHECKING

import duckdb

from inferplan.datasets.errors import InferplanError

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor


class CancelledError(InferplanError):
    """The import was stopped by its user."""


class Progress:
    """Written by the thread that imports, read and cancelled by any other."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.stage = "Opening"
        """What is being done, in a word or two."""
        self._share: float | None = None
        self._stopped = Event()
        self._cursor: Cursor | None = None

    @property
    def share(self) -> float | None:
        """How much of the stage is done, 0-1: of the longest of its queries; ``None`` if not known."""
        if (cursor := self._cursor) is not None:
            with suppress(duckdb.ConnectionException):  # closed by now: its work is done
                if (percent := cursor.query_progress()) >= 0:
                    self._share = max(self._share or 0.0, percent / 100)
        return self._share

    def at(self, stage: str, share: float | None = None) -> None:
        """Note how far the import is; raises ``CancelledError`` once it was cancelled."""
        self.check()
        self.stage, self._share = stage, share

    def reached(self, share: float) -> None:
        """Note how much of the stage is done; raises ``CancelledError`` once the import was cancelled."""
        self.check()
        self._share = share

    def check(self) -> None:
        """Raise ``CancelledError`` once the import was cancelled."""
        if self._stopped.is_set():
            msg = "The import was cancelled: nothing of it landed."
            raise CancelledError(msg)

    def cancel(self) -> None:
        """Stop the import at once, within a query too."""
        self._stopped.set()
        if self._cursor is not None:
            self._cursor.interrupt()

    @contextmanager
    def watching(self, cursor: "Cursor") -> Iterator[None]:
        """Let ``cancel`` interrupt what runs on ``cursor``; raises ``CancelledError`` when it did."""
        cursor.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
        self._cursor = cursor
        try:
            yield
        except duckdb.InterruptException:
            self.check()
            raise
        finally:
            self._cursor = None
