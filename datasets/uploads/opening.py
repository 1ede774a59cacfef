"""Opening a file that somebody uploaded: compressed or not, honest or hostile, in bounded memory."""

import codecs
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from inferplan.datasets.uploads.progress import Progress
from inferplan.datasets.uploads.reading import Tally, UnreadableError
from inferplan.datasets.uploads.sweeping import LONG_LINE_BYTES, Sweep
from inferplan.datasets.uploads.unpacking import compression, decompressed

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK_BYTES = 1 << 20
HEAD_BYTES = 64 << 10
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before that of UTF-16, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LINE_ENDS = re.compile(r"\r\n|\n|\r")
_LETTERS = re.compile(rb"[ -~]+")
_DECOMPRESS = "decompress it, or use gzip or zip"
_FOREIGN_MAGIC = (
    (0, b"\xd0\xcf\x11\xe0", "an old Excel workbook: save it as CSV"),
    (0, b"%PDF", "a PDF document: export the figures themselves as CSV or JSON"),
    (0, b"\x89PNG", "a picture: export the figures themselves as CSV or JSON"),
    (0, b"\xff\xd8\xff", "a picture: export the figures themselves as CSV or JSON"),
    (0, b"\x7fELF", "a program: export the figures as CSV or JSON"),
    (0, b"\x1f\x8b", "compressed twice: decompress it once"),
    (0, b"PK\x03\x04", "an archive inside an archive: take the export out"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (257, b"ustar", "a tar archive: take the export out"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive: take the export out"),
    (0, b"Rar!", "a RAR archive: take the export out"),
    (0, b"\x28\xb5\x2f\xfd", f"compressed with zstd: {_DECOMPRESS}"),
    (0, b"BZh", f"compressed with bzip2: {_DECOMPRESS}"),
    (0, b"\xfd7zXZ", f"compressed with xz: {_DECOMPRESS}"),
    (0, b"\x04\x22\x4d\x18", f"compressed with lz4: {_DECOMPRESS}"),
    (0, b"PARE", "encrypted Parquet: write it without encryption"),
    (0, b"ARROW1", "an Arrow file: write it as Parquet"),
    (0, b"ORC", "an ORC file: write it as Parquet"),
    (0, b"Obj\x01", "an Avro file: write it as Parquet"),
    (0, b"SQLite format 3\0", "an SQLite database: export the table as CSV"),
    (8, b"DUCK", "a DuckDB database: export the table as CSV or Parquet"),
)
"""Where other kinds of files have which bytes, and what they are; letters alone count in binary data only."""


@dataclass(frozen=True)
class Upload:
    """A file that was looked through once: it decompresses, is text or Parquet, and has bounded lines."""

    path: Path
    file_name: str
    hashed: Callable[[], str]
    """Waits for the digest."""
    size_bytes: int
    """Decompressed."""
    encoding: str
    head: str
    """First characters, empty for a binary format."""
    is_parquet: bool
    is_plain: bool
    """Parquet, or UTF-8 with one kind of line end, without NUL bytes and very long lines."""
    is_packed: bool
    member: str | None = None
    """File of an archive that holds several."""
    progress: Progress = field(default_factory=Progress)
    """Told how far whoever reads the bytes is."""

    @property
    def digest(self) -> str:
        """SHA-256 of the decompressed content; a file that is not packed is hashed while it is read."""
        with _refusing(self.file_name):
            return self.hashed()

    @contextmanager
    def binary(self) -> Iterator[IO[bytes]]:
        """Open the decompressed bytes; a read tells how far it is, or that the import was cancelled."""
        with (
            decompressed(self.path, self.file_name, self.member) as stream,
            io.BufferedReader(_Followed(stream, self.size_bytes, self.progress), CHUNK_BYTES) as followed,
        ):
            yield followed

    @contextmanager
    def text(self) -> Iterator[IO[str]]:
        """Open the characters; bytes that are not of the encoding come as U+FFFD."""
        with self.binary() as stream, io.TextIOWrapper(stream, self.encoding, "replace", newline="") as text:
            yield text

    def lines(self, tally: Tally) -> Iterator[tuple[int, str]]:
        """Yield numbered lines; one with NUL bytes is refused, the first not in the encoding is told."""
        is_told = False
        with self.text() as text:
            for line_number, line in enumerate(text, start=1):
                refused = "the line contains NUL bytes" if "\0" in line else self._too_wide(line)
                if refused:
                    tally.rows_read += 1
                    tally.refuse(line_number, refused)
                    continue
                if "\ufffd" in line and not is_told:
                    is_told = True
                    tally.note(
                        f"Characters that are not {self.encoding} are lost, first in line {line_number}."
                    )
                yield line_number, line.rstrip("\r\n")

    def _too_wide(self, line: str) -> str | None:
        """Return the reason to refuse a line with far more cells than the header: readers choke on them."""
        if len(line) < LONG_LINE_BYTES:
            return None
        header = self.head[: self.head.find("\n")]
        for delimiter in ",;\t|":
            cells, named = line.count(delimiter), header.count(delimiter)
            if cells > 4 * named + 2000:
                return f"about {cells + 1:,} cells where the header has {named + 1:,}"
        return None


class _Followed(io.RawIOBase):
    """Bytes that tell how far they are read."""

    def __init__(self, stream: IO[bytes], size_bytes: int, progress: Progress) -> None:
        self._stream, self._size_bytes, self._progress = stream, size_bytes, progress

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: "WriteableBuffer") -> int:
        place = memoryview(buffer).cast("B")
        found = self._stream.read(len(place))
        place[: len(found)] = found
        self._progress.reached(min(1.0, self._stream.tell() / self._size_bytes))
        return len(found)


def look(
    path: Path, file_name: str | None = None, progress: Progress | None = None, member: str | None = None
) -> Upload:
    """Look through the file, or a ``member`` of the archive, once and return it.

    Raises ``UnreadableError`` with the reason where it cannot be read.

    Reads all of it: a broken end must be found before anything is imported.
    """
    name = file_name or path.name
    if not path.is_file():
        msg = f"There is no file {name}."
        raise UnreadableError(msg)
    progress = progress or Progress()
    progress.at("Checking")
    with _refusing(name):
        return _looked_through(path, name, progress, member)


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Say of a file that the system cannot read what the system says."""
    try:
        yield
    except OSError as error:
        msg = f"{name} cannot be read: {error.strerror or error}."
        raise UnreadableError(msg) from error


def _looked_through(path: Path, name: str, progress: Progress, member: str | None) -> Upload:
    stored_bytes, packed = max(1, path.stat().st_size), compression(path) is not None
    with decompressed(path, name, member) as stream:
        head = _first(stream, name)
        is_parquet = head[:4] == b"PAR1"
        encoding = _encoding(head)
        text = "" if is_parquet else codecs.getincrementaldecoder(encoding)("replace").decode(head)
        one_line = text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")
        if not is_parquet:
            _refuse_binary(head, text, name)
        sweep = Sweep(name, stored_bytes, lines_matter=not (is_parquet or one_line))
        digest = hashlib.sha256()
        chunk = head
        while chunk:
            sweep.take(chunk)
            if packed:
                digest.update(chunk)
            chunk = stream.read(CHUNK_BYTES)
            progress.at("Checking", None if packed else sweep.size_bytes / stored_bytes)
    return Upload(
        path=path,
        file_name=name,
        hashed=digest.hexdigest if packed else _hashing(path, progress),
        size_bytes=sweep.size_bytes,
        encoding=encoding,
        head=text,
        is_parquet=is_parquet,
        is_plain=is_parquet or (sweep.is_plain and encoding.startswith("utf-8")),
        is_packed=packed,
        member=member,
        progress=progress,
    )


def _hashing(path: Path, progress: Progress) -> Callable[[], str]:
    """Begin to hash a file in a thread of its own; return what waits for the digest."""

    def digest() -> str:
        found = hashlib.sha256()
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                found.update(chunk)
                progress.check()
        return found.hexdigest()

    pool = ThreadPoolExecutor(1, "inferplan-digest")
    try:
        return pool.submit(digest).result
    finally:
        pool.shutdown(wait=False)


def _encoding(head: bytes) -> str:
    """Return the encoding by its mark, else by where zeros stand, else UTF-8, or what Windows writes."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    zeros = head[::2].count(0), head[1::2].count(0)
    if max(zeros) > len(head) // 4 > 8 * min(zeros):  # Western letters in two bytes have every other one zero
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _first(stream: IO[bytes], name: str) -> bytes:
    head = b""
    while len(head) < HEAD_BYTES and (more := stream.read(HEAD_BYTES - len(head))):
        head += more
    if not head.strip():
        msg = f"{name} is empty."
        raise UnreadableError(msg)
    return head


def _refuse_binary(head: bytes, text: str, name: str) -> None:
    control = sum(sign < " " and sign not in "\t\n\r\f" for sign in text)
    is_binary = control > len(text) // 50 + 2
    for at, magic, what in _FOREIGN_MAGIC:
        if head.startswith(magic, at) and (is_binary or not _LETTERS.fullmatch(magic)):
            msg = f"{name} is {what}."
            raise UnreadableError(msg)
    if is_binary:
        msg = f"{name} is not a text file: it holds binary data, whatever its name says."
        raise UnreadableError(msg)
    if "\0" in _LINE_ENDS.split(text.lstrip("\ufeff\r\n"), maxsplit=1)[0]:
        msg = f"{name} has NUL bytes in its first line: it is damaged. Export or download it again."
        raise UnreadableError(msg)
