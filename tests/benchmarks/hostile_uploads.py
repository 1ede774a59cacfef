"""Time and peak memory of refusing, or reading, files made to hurt, each in a process of its own.

Run: python tests/benchmarks/hostile_uploads.py [gigabytes, 5] [words of the title]
"""

import gzip
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

MIB = 1 << 20
MOST_BYTES = 8 << 30
LETTERS = b"a" * MIB
HEADER = b"timestamp,host,gpu,sm_active_ratio\n"
ROW = b"2024-05-01T12:00:00Z,n1,0,0.5\n"
ROWS = ROW * (MIB // len(ROW))
PROMETHEUS = b'{"status":"success","data":{"resultType":"matrix","result":['
JSON_LINES = b'{"time":1,"util":2}\n{"a":"'
IMPORT = """
import sys
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import ReadOptions, import_file
from inferplan.datasets.warehouse import Warehouse
try:
    with Warehouse.open(sys.argv[2]) as warehouse:
        report = import_file(warehouse, sys.argv[1]).parsed
    print(f"{report.values_kept:,} values kept, {report.rows_refused:,} rows refused")
except InferplanError as error:
    print(str(error).replace(sys.argv[1], "")[:100])
"""


def plain(path: Path, pieces: Iterable[bytes]) -> None:
    with path.open("wb") as stream:
        stream.writelines(pieces)


def sparse(path: Path, size_bytes: int) -> None:
    with path.open("wb") as stream:
        stream.write(HEADER)
        stream.truncate(size_bytes)


def gzipped(path: Path, pieces: Iterable[bytes]) -> None:
    with gzip.open(path, "wb", compresslevel=9) as stream:
        stream.writelines(pieces)


def zipped(path: Path, pieces: Iterable[bytes]) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("a.csv", "w", force_zip64=True) as member,
    ):
        for piece in pieces:
            member.write(piece)


def times(count: int, piece: bytes, first: bytes = b"", last: bytes = b"") -> Iterator[bytes]:
    yield first
    for _ in range(count):
        yield piece
    yield last


def cases(gigabytes: int) -> dict[str, Callable[[Path], None]]:
    """Return how to write each file."""
    many = gigabytes * 1024
    wide = b",".join(b"c%d" % n for n in range(50_000))
    hosts = (b"2024-05-01T12:00:00Z,host-%d,0,0.5\n" % n for n in range(3_000_000))
    return {
        f"{gigabytes} GB of one line": lambda path: plain(path, times(many, LETTERS)),
        f"{gigabytes} GB of one line after a header": lambda path: plain(path, times(many, LETTERS, HEADER)),
        f"{gigabytes} GB of zeros": lambda path: sparse(path, many * MIB),
        f"{gigabytes} GB of one JSON text": lambda path: plain(path, times(many, LETTERS, PROMETHEUS + b'"')),
        f"{gigabytes} GB of open brackets": lambda path: plain(path, times(many, b"[" * MIB, PROMETHEUS)),
        f"{gigabytes} GB in a JSON line": lambda path: plain(path, times(many, LETTERS, JSON_LINES)),
        f"{gigabytes} GB gzip bomb of lines": lambda path: gzipped(path, times(many, ROWS, HEADER)),
        f"{gigabytes} GB zip bomb of lines": lambda path: zipped(path, times(many, ROWS, HEADER)),
        "1 GB behind an open quote": lambda path: plain(path, times(1024, ROWS, HEADER + b'"')),
        "1 GB with a quote open in each MB": lambda path: plain(path, times(1024, ROWS + b'"', HEADER)),
        "1 GB of lines too short": lambda path: plain(path, times(1024, ROWS.replace(b",0", b""), HEADER)),
        "100 MB of lines of 1 MB": lambda path: plain(path, times(100, LETTERS[:-1] + b"\n", HEADER)),
        "200 lines of 50,000 columns": lambda path: plain(path, times(200, wide + b"\n")),
        "3,000,000 hosts": lambda path: plain(path, [HEADER, *hosts]),
        "100 MB of noise": lambda path: plain(path, (os.urandom(MIB) for _ in range(100))),
    }  # fmt: skip


def bounded() -> None:
    """Let a process that would take all memory end instead."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))


def measured(path: Path, warehouse: Path) -> tuple[str, float, float]:
    """Return what an import of ``path`` says, its seconds and the most MiB that it held."""
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", IMPORT, str(path), str(warehouse)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=bounded,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read().strip()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{path.name} ended with {process.returncode}")
    return said, time.perf_counter() - begin, usage.ru_maxrss / 1024


def main() -> None:
    """Write each file, import it, print the line, delete it."""
    gigabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, write in cases(gigabytes).items():
            if only not in title:
                continue
            path = folder / "hostile.csv"
            write(path)
            said, seconds, peak_mib = measured(path, folder / "warehouse.duckdb")
            print(f"{title:40} {seconds:7.1f} s {peak_mib:6,.0f} MiB  {said}", flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
