"""One look through all bytes of an upload before anything reads it."""

from inferplan.datasets.uploads.reading import UnreadableError

MAX_LINE_BYTES = 16 << 20
LONG_LINE_BYTES = 32 << 10
_BLOCK_BYTES = LONG_LINE_BYTES // 2  # a long line leaves at least one such block without a line end
_QUOTED_BYTES = 64 << 10  # no cell in quotes is so long
_CELL_EDGES = (b"", b",", b";", b"\t", b"|", b"\n", b"\r")
MAX_BYTES = 32 << 30
"""Of the decompressed file."""
MAX_COMPRESSION = 400
"""Refused above this ratio once larger than ``FREE_BYTES``: telemetry compresses 5 to 60 times."""
FREE_BYTES = 256 << 20


class Sweep:
    """Looks at every byte of a file, a piece at a time, and refuses what readers would choke on."""

    def __init__(self, name: str, stored_bytes: int, *, lines_matter: bool) -> None:
        """Take pieces of the file ``name``, ``stored_bytes`` on disk; of a table lines and quotes matter."""
        self.size_bytes = 0
        self._has_nul = False
        self._has_long_line = False
        self._line_ends: set[bytes] = set()
        self._held_cr = b""
        self._name = name
        self._stored_bytes = stored_bytes
        self._lines_matter = lines_matter
        self._open_line_bytes = 0
        self._open_quote = b""

    def take(self, chunk: bytes) -> None:
        """Look at the next piece.

        Raises
        ------
        UnreadableError
            If the file grows too large or too much in being decompressed, or a line or a quote has no end.
        """
        self.size_bytes += len(chunk)
        if self.size_bytes > MAX_BYTES or (
            self.size_bytes > FREE_BYTES and self.size_bytes > MAX_COMPRESSION * self._stored_bytes
        ):
            msg = (
                f"{self._name} grows beyond {self.size_bytes >> 20:,} MiB from "
                f"{self._stored_bytes >> 10:,} KiB decompressed: refused. Export less time or fewer series."
            )
            raise UnreadableError(msg)
        self._has_nul = self._has_nul or b"\0" in chunk
        self._see_line_ends(chunk)
        if self._lines_matter:
            self._measure_lines(chunk)
            self._follow_quotes(chunk)

    @property
    def is_plain(self) -> bool:
        """Whether readers can take the bytes as they are: no NUL, no very long line, one kind of line end."""
        return not (self._has_nul or self._has_long_line or len(self._line_ends) > 1)

    def _see_line_ends(self, chunk: bytes) -> None:
        if b"\r" not in chunk and not self._held_cr:
            if b"\n" in chunk:
                self._line_ends.add(b"\n")
            return
        chunk = self._held_cr + chunk
        self._held_cr = chunk[-1:] if chunk.endswith(b"\r") else b""  # its other half may be in the next one
        pairs = chunk.count(b"\r\n")
        if pairs:
            self._line_ends.add(b"\r\n")
        if chunk.count(b"\n") > pairs:
            self._line_ends.add(b"\n")
        if chunk.count(b"\r") - len(self._held_cr) > pairs:
            self._line_ends.add(b"\r")

    def _measure_lines(self, chunk: bytes) -> None:
        self._has_long_line = self._has_long_line or any(
            chunk.find(b"\n", start, start + _BLOCK_BYTES) < 0
            for start in range(0, len(chunk) - _BLOCK_BYTES + 1, _BLOCK_BYTES)
        )
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        if last < 0:
            self._open_line_bytes += len(chunk)
        else:
            self._open_line_bytes = len(chunk) - last - 1
        if self._open_line_bytes > MAX_LINE_BYTES:
            msg = f"{self._name} has a line above {MAX_LINE_BYTES >> 20} MiB: no table of samples."
            raise UnreadableError(msg)

    def _follow_quotes(self, chunk: bytes) -> None:
        """Refuse a quote that opens a cell and has no other after it: readers would take in all the rest."""
        if not self._open_quote and b'"' not in chunk:
            return
        for start in range(0, len(chunk) - _QUOTED_BYTES + 1, _QUOTED_BYTES):
            if chunk.find(b'"', start, start + _QUOTED_BYTES) >= 0:
                continue
            if begin := self._opened_before(chunk, start):
                msg = (
                    f"{self._name} opens a quote before {begin.decode('utf-8', 'replace')!r} that nothing "
                    "closes, so that all after it would be one cell. Mend that line, or export it again."
                )
                raise UnreadableError(msg)
        self._open_quote = self._opened_before(chunk, len(chunk))

    def _opened_before(self, chunk: bytes, end: int) -> bytes:
        """Return how the text begins after the last quote before ``end``, if that quote opens a cell."""
        at = chunk.rfind(b'"', 0, end)
        if at < 0:
            return self._open_quote
        before, after = chunk[at - 1 : at] if at else b"", chunk[at + 1 : at + 2]
        opens = before in _CELL_EDGES and (not after or after not in _CELL_EDGES) and after != b'"'
        return chunk[at + 1 : at + 31] or b" " if opens else b""
