"""From a monitoring server to one file, which is then read, reported, imported and undone as any upload."""

import gzip
import io
from pathlib import Path
from typing import IO, Protocol

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.live.window import MOST_SAMPLES, Budget, Window


class LiveSource(Protocol):
    """A server that can be asked for what was measured."""

    @property
    def title(self) -> str:
        """What the import is called: the same for every pull from this place."""
        ...

    def write(self, window: Window, document: IO[str], budget: Budget) -> None:
        """Write what was measured in ``window`` as one document of a format that is read."""
        ...


def pull(source: LiveSource, window: Window, path: Path, most_samples: int = MOST_SAMPLES) -> int:
    """Write what ``source`` measured in ``window`` to ``path``, compressed; return the number of samples.

    Raises
    ------
    InferplanError
        If the source cannot be asked, breaks off, has nothing or has more than ``most_samples``.
    """
    budget = Budget(most_samples)
    with gzip.open(path, "wb", compresslevel=3) as packed, io.TextIOWrapper(packed, "utf-8") as document:
        source.write(window, document, budget)
    if not budget.taken:
        msg = (
            f"{source.title} has nothing of this between {window.start:%Y-%m-%d %H:%M} and "
            f"{window.end:%Y-%m-%d %H:%M} UTC. Check the presets, the filter and the time."
        )
        raise InferplanError(msg)
    return budget.taken
