"""Compressed uploads: gzip, and zip archives that hold one export."""

import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from inferplan.datasets.uploads.reading import UnreadableError

_WORKBOOK = "xl/workbook.xml"
_ZIP = b"PK\x03\x04"
MOST_MEMBERS = 1000
_HIDDEN = re.compile(r"^__MACOSX/|(^|/)\.[^/]+$")


def compression(path: Path) -> str | None:
    """Return ``gzip`` or ``zip`` by the first bytes of a file, ``None`` where it is neither."""
    with path.open("rb") as stream:
        magic = stream.read(4)
    if magic[:2] == b"\x1f\x8b":
        return "gzip"
    return "zip" if magic == _ZIP else None


def archived(stream: IO[bytes]) -> tuple[str, ...]:
    """Return the names of the files in a zip archive of several, but not of far too many; else nothing."""
    is_zip = stream.read(len(_ZIP)) == _ZIP
    stream.seek(0)
    if not is_zip:
        return ()
    try:
        with zipfile.ZipFile(stream) as archive:
            names = tuple(member.filename for member in _members(archive))
    except (NotImplementedError, OSError, zipfile.BadZipFile):
        return ()  # opening it says why
    return names if 1 < len(names) <= MOST_MEMBERS and _WORKBOOK not in names else ()


@contextmanager
def decompressed(path: Path, name: str, member: str | None = None) -> Iterator[IO[bytes]]:
    """Open the bytes of a file, decompressed, or those of the ``member`` or only file of an archive.

    Raises
    ------
    UnreadableError
        If the archive is damaged, encrypted, or holds not exactly one export. Errors of the disk pass.
    """
    kind = compression(path)
    try:
        if kind == "gzip":
            with gzip.open(path, "rb") as unpacked:
                yield cast("IO[bytes]", unpacked)
        elif kind == "zip":
            with zipfile.ZipFile(path) as archive, archive.open(_found(archive, name, member)) as opened:
                yield opened
        else:
            with path.open("rb") as stream:
                yield stream
    except NotImplementedError as error:  # so zipfile calls a method of compression that it does not have
        msg = f"{name} is compressed in a way that we do not read: {error}. Use gzip or an ordinary zip file."
        raise UnreadableError(msg) from error
    except (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk, not of the archive
            raise
        msg = f"{name} is damaged or was cut off: {error}. Export or download it again."
        raise UnreadableError(msg) from error


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [
        member
        for member in archive.infolist()
        if not member.is_dir() and not _HIDDEN.search(member.filename) and member.file_size
    ]


def _found(archive: zipfile.ZipFile, name: str, wanted: str | None) -> zipfile.ZipInfo:
    members = [member for member in _members(archive) if wanted in (None, member.filename)]
    if any(member.filename == _WORKBOOK for member in members):
        msg = f"{name} is an Excel workbook: save the sheet as CSV and upload that."
        raise UnreadableError(msg)
    if len(members) != 1:
        listed = ", ".join(_printable(member.filename) for member in members[:5]) or "none"
        msg = (
            f"{name} holds {len(members)} files ({listed}); put one export into one zip file. "
            f"'inferplan import' takes one of several, up to {MOST_MEMBERS:,}."
        )
        raise UnreadableError(msg)
    if members[0].flag_bits & 1:
        msg = f"{name} is encrypted: decrypt it first."
        raise UnreadableError(msg)
    return members[0]


def _printable(name: str) -> str:
    """Return a name of the archive's author's choice as it can be shown on a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in name[:80])
