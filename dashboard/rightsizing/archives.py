"""Part of the page Rightsizing: archives of several exports, each taken as a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import streamlit as st

from inferplan.dashboard.rightsizing.import_jobs import KEY
from inferplan.datasets.exports import archived

MOST_SHOWN = 20
"""Files of an archive that the page shows a report of each; of more it names the command."""
_MEMBERS = f"{KEY}members"


@dataclass(frozen=True)
class Member:
    """A file of an archive that was dropped, where it stands for an upload."""

    archive: Any
    member: str

    @property
    def file_id(self) -> str:
        """Name that no other upload has."""
        return f"{self.archive.file_id}/{self.member}"

    @property
    def name(self) -> str:
        """Name of the archive and of the file in it."""
        return f"{self.archive.name}/{self.member}"

    def getbuffer(self) -> Any:
        """Return the bytes of the archive."""
        return self.archive.getbuffer()


def each_file(uploads: Iterable[Any]) -> Iterator[Any]:
    """Yield uploads, and instead of an archive of several files each of them."""
    known: dict[str, tuple[str, ...]] = st.session_state.setdefault(_MEMBERS, {})
    for upload in uploads:
        if upload.file_id not in known:
            known[upload.file_id] = archived(upload)
        members = known[upload.file_id]
        if 0 < len(members) <= MOST_SHOWN:
            yield from (Member(upload, member) for member in members)
        else:
            yield upload
