"""Refuses delimited files of which far too many lines are no rows, as a sample of them tells."""

from pathlib import Path

from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import UnreadableError
from inferplan.datasets.uploads.tables import dialect

MAX_RAGGED = 200_000
"""Lines with another number of cells: DuckDB keeps the words on each in memory until it has read the file."""
_PLACES = 256
_BLOCK_BYTES = 8 << 10
_FEW_PLACES = 3  # of 256: what is found in so few says nothing of all the rest


def refuse_ragged(upload: Upload, path: Path, columns: int) -> None:
    """Raise ``UnreadableError`` if over ``MAX_RAGGED`` lines of ``path`` have not ``columns`` cells.

    ``path`` is the ``upload`` itself or a plain copy of it.
    """
    found = _ragged_lines(path, dialect(upload.head).delimiter, columns)
    if found > MAX_RAGGED:
        msg = (
            f"{upload.file_name} has too many lines that are no rows of its table: about {found:,} have not "
            f"the {columns:,} cells of the first. Export it again, or mend it."
        )
        raise UnreadableError(msg)


def _ragged_lines(path: Path, delimiter: str, columns: int) -> int:
    """Return about how many lines of the file have another number of cells than there are ``columns``.

    Blocks with quotes are left out: a cell in quotes may hold delimiters and line ends.
    """
    size_bytes = path.stat().st_size
    edge = delimiter.encode()
    lines_bytes = lines_found = places_found = 0
    with path.open("rb") as stream:
        for place in range(0, size_bytes, max(size_bytes // _PLACES, _BLOCK_BYTES)):
            stream.seek(place)
            block = stream.read(_BLOCK_BYTES)
            if b'"' in block:
                continue
            lines = [line for line in block.splitlines()[1:-1] if line.strip()]
            found = sum(line.count(edge) != columns - 1 for line in lines)
            lines_bytes += sum(len(line) + 1 for line in lines)
            lines_found += found
            places_found += found > 0
    if places_found <= _FEW_PLACES:
        return 0
    return lines_found * size_bytes // lines_bytes
