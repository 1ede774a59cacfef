"""Hostile files are refused with a reason, in little memory, and nothing lands."""

import bz2
import gzip
import json
import tarfile
import tracemalloc
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_uploads import CHARGE, FOCUS, HEADER, ROW, rows, write

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import ReadOptions, UnreadableError, import_file, inspect
from inferplan.datasets.uploads import sweeping
from inferplan.datasets.uploads.unpacking import archived
from inferplan.datasets.warehouse import Warehouse

QUOTE = '2024-05-01T12:02:00Z,"n1,0,0.5\n'
PROMETHEUS = '{{"status":"success","data":{{"resultType":"matrix","result":[{{"values":{}}}]}}}}'


def zipped(folder: Path, name: str, members: dict[str, str | bytes]) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return path


def tarred(folder: Path, content: Path) -> Path:
    path = folder / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(content, content.name)
    return path


def database(folder: Path) -> Path:
    path = folder / "other.duckdb"
    Warehouse.open(path).close()
    return path


def hostile(folder: Path) -> dict[str, tuple[Path, str]]:
    good = (HEADER + ROW * 20_000).encode()
    bomb = folder / "bomb.gz"
    with gzip.open(bomb, "wb", compresslevel=9) as stream:
        for _ in range(270):
            stream.write((b"0" * 1023 + b"\n") * 1024)
    two_files = zipped(folder, "two.zip", {"a.csv": HEADER + ROW, "b.csv": HEADER + ROW})
    crowded = zipped(folder, "crowd.zip", {f"{n}.csv": HEADER for n in range(1001)})
    one = zipped(folder, "one.zip", {"a.csv": good}).read_bytes()
    long_line = folder / "line.csv"
    with long_line.open("wb") as stream:
        stream.write(b"timestamp,")
        for _ in range(20):
            stream.write(b"a" * (1 << 20))
    return {
        "truncated gzip": (write(folder, "a.gz", gzip.compress(good)[:-200]), "damaged or was cut off"),
        "zip bomb": (bomb, "decompressed: refused"),
        "two files in a zip": (two_files, "holds 2 files"),
        "too many files in a zip": (crowded, r"holds 1001 files .* up to 1,000"),
        "a workbook": (zipped(folder, "book.csv", {"xl/workbook.xml": "<workbook/>"}), "Excel workbook"),
        "one endless line": (long_line, "line above 16 MiB"),
        "binary called csv": (write(folder, "b.csv", bytes(range(256)) * 40), "not a text file"),
        "a picture called csv": (write(folder, "c.csv", b"\x89PNG\r\n\x1a\n" + b"0" * 100), "a picture"),
        "nothing": (write(folder, "d.csv", b" \n\n"), "is empty"),
        "50,000 columns": (
            write(folder, "e.csv", ",".join(["time", *(f"c{n}" for n in range(50_000))]) + "\n1,2\n"),
            "columns",
        ),
        "prose": (write(folder, "f.txt", "Dear all\nplease find attached\n"), "plain text without a table"),
        "a model": (write(folder, "g.json", '{"model_type": "llama", "hidden_size": 4096}'), "page Fit"),
        "prices": (write(folder, "h.csv", "gpu,usd_per_hour\nH100,4\n"), "page Prices"),
        "a login page": (write(folder, "i.csv", "<!DOCTYPE html><html>"), "a web page"),
        "an archive in an archive": (write(folder, "j.gz", gzip.compress(gzip.compress(good))), "twice"),
        "no file": (folder / "none.csv", "There is no file"),
        "a zip in a zip": (zipped(folder, "k.zip", {"a.zip": two_files.read_bytes()}), "archive inside"),
        "strange names in a zip": (
            zipped(folder, "l.zip", {"../../etc/a\x1b[31m.csv": HEADER, "=1+1.csv": HEADER}),
            r"holds 2 files \(../../etc/a\?\[31m.csv, =1\+1.csv\)",
        ),
        "an unknown compression": (
            write(folder, "m.zip", one.replace(b"\x08\x00", b"\x63\x00")),
            "compressed in a way that we do not read",
        ),
        "a damaged zip": (write(folder, "n.zip", one.replace(one[60:64], b"\0\0\0\0", 1)), "damaged"),
        "a quote that never closes": (
            write(folder, "o.csv", HEADER + ROW + QUOTE + ROW * 99), "opens a quote in line 3 that nothing"),
        "the same far from its end": (
            write(folder, "y.csv", HEADER + ROW * 9000 + QUOTE + ROW * 9000),
            "opens a quote before 'n1,0,0.5.*' that nothing closes"),
        "the same in a bill": (
            write(folder, "p.csv", FOCUS + CHARGE + CHARGE.replace("i-1", '"i-1') + "1.5,\n" * 20),
            "opens a quote in line 3 that nothing"),
        "NUL bytes in the header": (write(folder, "q.csv", "\0" + HEADER + ROW), "its first line"),
        "a header of a megabyte": (
            write(folder, "r.csv", HEADER.replace("host", "h" * (1 << 20)) + ROW), "cannot be a header"),
        "a host of many letters": (
            write(folder, "s.csv", HEADER + ROW.replace("n1", "h" * 100_000)),
            "a host of more than 2,000 characters"),
        "brackets 10,000 deep": (
            write(folder, "t.json", PROMETHEUS.format("[" * 10_000 + "]" * 10_000)), "nested too deeply"),
        "lines 10,000 deep": (write(folder, "u.json", '{"a":' * 10_000 + "}" * 10_000), "no objects with"),
        "a number of 5,000 digits": (write(folder, "v.json", PROMETHEUS.format("9" * 5000)), "cannot be"),
        "Parquet cut off": (write(folder, "w.parquet", b"PAR1" + b"0" * 100), "cut off: export it again"),
        "encrypted Parquet": (write(folder, "x.parquet", b"PARE" + bytes(100)), "encrypted Parquet: write"),
        "bzip2": (write(folder, "z.bz2", bz2.compress(good)), "with bzip2: decompress it, or use gzip"),
        "a tar archive": (tarred(folder, write(folder, "aa.csv", good)), "a tar archive: take the export"),
        "a database": (database(folder), "a DuckDB database: export the table"),
    }  # fmt: skip


def test_hostile_files_are_refused_with_a_reason_and_little_memory(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    files = hostile(tmp_path)
    with files["too many files in a zip"][0].open("rb") as stream:
        assert archived(stream) == ()
    tracemalloc.start()
    for name, (path, reason) in files.items():
        with pytest.raises(UnreadableError, match=reason):
            import_file(warehouse, path)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20, name
    tracemalloc.stop()
    assert set(rows(warehouse).values()) == {0}


def test_a_header_that_begins_like_a_binary_format_is_text(tmp_path: Path) -> None:
    table = HEADER.replace("timestamp", "PARENT_TIMESTAMP") + ROW
    options = ReadOptions(columns={"PARENT_TIMESTAMP": "time"})
    assert inspect(write(tmp_path, "a.csv", table), options).rows_read == 1


def test_the_bound_on_decompression_is_not_reached_by_real_telemetry(tmp_path: Path) -> None:
    points = [[1714564800 + 60 * n, "98"] for n in range(2000)]
    series = [
        {"metric": {"__name__": "DCGM_FI_DEV_GPU_UTIL", "UUID": f"G{n}"}, "values": points} for n in range(20)
    ]
    content = json.dumps({"data": {"resultType": "matrix", "result": series}}).encode()
    packed = gzip.compress(content)
    assert len(content) / len(packed) < sweeping.MAX_COMPRESSION
    assert inspect(write(tmp_path, "a.json.gz", packed)).values_kept == 40_000


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    head=st.sampled_from(
        [b"", HEADER.encode(), b'{"status":"success","data":{"resultType":"matrix","result":[',
        b"#Entity GPUTL\n",
         b"timestamp, utilization.gpu [%]\n", b'"Time","a"\n', b"# HELP a b\n# TYPE a gauge\n",
         b"\x1f\x8b", b"PK\x03\x04",
         b"PAR1", b'{"MetricDataResults":[', b'{"scans":[{"recommended":'],
    ),
    body=st.binary(max_size=400) | st.text(alphabet='0123456789,;:-TZ\n"{}[]aeN.',
    max_size=400).map(str.encode),
)  # fmt: skip
def test_any_bytes_end_in_a_report_or_a_refusal(head: bytes, body: bytes, tmp_path: Path) -> None:
    path = write(tmp_path, "fuzz", head + body)
    options = ReadOptions(
        time_zone="UTC", start=datetime(2024, 5, 1), interval_s=60, metric="gpu_util_ratio", host="h"
    )
    try:
        report = inspect(path, options)
    except InferplanError:
        return
    assert report.values_kept >= 0
