"""Uploads as files: a browser's upload is bytes in memory, and readers want a path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.scratch import scratch_folder
from inferplan.datasets.warehouse_errors import lack_of


@contextmanager
def spooled(content: bytes | memoryview, name: str = "upload") -> Iterator[Path]:
    """Yield a file with that ``content``, gone afterwards; readers that tell of its ``name`` get it.

    Raises
    ------
    InferplanError
        If it cannot be written, for want of room perhaps.
    """
    with scratch_folder() as folder:
        path = folder / (Path(name).name or "upload")
        try:
            path.write_bytes(content)
        except OSError as error:
            unwritten = InferplanError(f"{name} cannot be kept as a file: {error.strerror or error}.")
            raise lack_of(error) or unwritten from error
        yield path
