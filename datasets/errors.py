"""Errors that a user can put right: each says what was given, what is allowed and what to do."""

import difflib
from collections.abc import Iterable
from functools import lru_cache

SHOWN_LETTERS = 80


class InferplanError(Exception):
    """Base of every error shown to a user as it is, without a traceback."""


class UnknownNameError(InferplanError):
    """A name that is in no catalog; the message offers the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Compose the message from the ``kind`` of thing, the unknown ``name`` and all ``known`` names."""
        self.name = name
        self.nearest = _nearest(name, tuple(known))
        hint = f" Did you mean {', '.join(self.nearest)}?" if self.nearest else ""
        super().__init__(f"There is no {kind} named {shown(name)} in the catalog.{hint}")


@lru_cache(maxsize=256)
def _nearest(name: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return up to four names like ``name``; a fleet asks for the same unknown one ten thousand times."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=4, cutoff=0.4)
    return tuple(by_folded[match] for match in close)


def shown(text: str) -> str:
    """Return ``text`` in quotes as an error shows it: its beginning, should it be long.

    >>> shown("H100"), len(shown("x" * 10_000))
    ("'H100'", 85)
    """
    return repr(text) if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]!r}..."


class SourceSkippedError(InferplanError):
    """A source cannot be asked here and now, for a reason such as missing credentials."""


class SourceAnswerError(InferplanError):
    """A source answered with something unreadable; nothing was changed."""
