"""A lock on a folder that the system takes back when its holder ends, however it ends."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_PAUSE_S = 0.01


@contextmanager
def locked(folder: Path, patience_s: float) -> Iterator[bool]:
    """Hold the lock of ``folder``; yield whether it was to be had within ``patience_s``.

    It never is for a link, for a folder that may not be read, and where there are no such locks: on Windows
    and some network drives.
    """
    opened = _opened(folder)
    try:
        yield opened is not None and _is_taken(opened, patience_s)
    finally:
        if opened is not None:
            os.close(opened)


def _opened(folder: Path) -> int | None:
    if sys.platform == "win32":
        return None
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None


def _is_taken(opened: int, patience_s: float) -> bool:
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE_S)
        except OSError:
            return False
        else:
            return True
