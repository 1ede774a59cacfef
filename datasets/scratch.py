"""Folders for files that live as long as a piece of work, and no longer, even where its process is killed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.folder_lock import locked

PREFIX = "inferplan-scratch-"
_PATIENCE_S = 1.0  # whoever looks for leftovers holds the lock of a folder just begun for a moment only


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder in the temporary directory, gone with its content afterwards.

    Its lock tells other processes that its owner lives; what those left that were killed is removed first.

    Raises
    ------
    InferplanError
        If nothing can be written there.
    """
    remove_leftovers()
    try:
        own = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
    except OSError as error:
        msg = f"Temporary files cannot be written ({error}). Let TMPDIR name a folder that has room for them."
        raise InferplanError(msg) from error
    with own as name, locked(Path(name), _PATIENCE_S):
        folder = Path(name) / "files"  # without a lock, for a warehouse locks the folder that it is made in
        folder.mkdir()
        yield folder


def remove_leftovers() -> None:
    """Remove the scratch folders of this user's processes that were killed.

    An empty one is left alone: its owner may be about to lock it.
    """
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            with suppress(OSError), locked(folder, patience_s=0) as is_left:
                if is_left and folder.stat().st_uid == os.getuid() and any(folder.iterdir()):
                    shutil.rmtree(folder)
