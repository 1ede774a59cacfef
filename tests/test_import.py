"""A file lands whole or not at all, once, and can be taken out; hostile ones are refused with a reason."""

import gzip
import json
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from threading import Timer

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import (
    ReadOptions,
    UnreadableError,
    formats,
    import_file,
    inspect,
    list_imports,
    undo_import,
)
from inferplan.datasets.uploads import opening
from inferplan.datasets.uploads.progress import CancelledError, Progress
from inferplan.datasets.warehouse import MEMORY, Warehouse

HEADER = "timestamp,host,gpu,sm_active_ratio\n"
ROW = "2024-05-01T12:00:00Z,n1,0,0.5\n"
TABLES = ("imports", "usage_series", "usage_samples", "bill_lines", "cost_allocations", "tool_advice")


@pytest.fixture
def warehouse():
    with Warehouse.open(MEMORY) as opened:
        yield opened


def rows(warehouse: Warehouse) -> dict[str, int]:
    return {table: warehouse.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_two_people_import_and_undo_at_the_same_time(tmp_path: Path, warehouse: Warehouse) -> None:
    times = "".join(
        f"2024-05-01T{hour:02}:{minute:02}:00Z,HOST,0,0.5\n" for hour in range(24) for minute in range(60)
    )
    files = [write(tmp_path, f"{name}.csv", HEADER + times.replace("HOST", name)) for name in "abcdef"]
    with ThreadPoolExecutor(len(files)) as people:
        landed = list(people.map(lambda path: import_file(warehouse, path), files * 2))
    assert len({one.import_id for one in landed}) == len(files)
    assert (rows(warehouse)["usage_series"], rows(warehouse)["usage_samples"]) == (6, 6 * 1440)
    with ThreadPoolExecutor(len(files)) as people:
        list(people.map(lambda number: undo_import(warehouse, number), {one.import_id for one in landed}))
    assert set(rows(warehouse).values()) == {0}


def test_the_same_content_twice_changes_nothing_whatever_its_name(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    first = import_file(warehouse, write(tmp_path, "a.csv", HEADER + ROW))
    before = rows(warehouse)
    packed = write(tmp_path, "b.csv.gz", gzip.compress((HEADER + ROW).encode()))
    again = import_file(warehouse, packed)
    assert again.already_imported
    assert again.import_id == first.import_id
    assert rows(warehouse) == before == {
        "imports": 1, "usage_series": 1, "usage_samples": 1, "bill_lines": 0, "cost_allocations": 0,
        "tool_advice": 0,
    }  # fmt: skip


def test_undo_takes_out_one_import_whole(tmp_path: Path, warehouse: Warehouse) -> None:
    kept = import_file(warehouse, write(tmp_path, "a.csv", HEADER + ROW))
    before = rows(warehouse)
    other = import_file(warehouse, write(tmp_path, "b.csv", HEADER + ROW.replace("0.5", "0.7")))
    undo_import(warehouse, other.import_id)
    assert rows(warehouse) == before
    assert [one.import_id for one in list_imports(warehouse)] == [kept.import_id]
    with pytest.raises(InferplanError, match="no import number"):
        undo_import(warehouse, other.import_id)


def test_a_file_that_breaks_in_the_middle_leaves_nothing(tmp_path: Path, warehouse: Warehouse) -> None:
    series = {"metric": {"__name__": "DCGM_FI_PROF_SM_ACTIVE", "UUID": "G"}, "values": [[1714564800, "0.5"]]}
    whole = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [series] * 3}})
    with pytest.raises(UnreadableError, match="cut off"):
        import_file(warehouse, write(tmp_path, "a.json", whole[:-60]))
    assert set(rows(warehouse).values()) == {0}


def test_nothing_usable_is_refused_with_the_reasons(tmp_path: Path, warehouse: Warehouse) -> None:
    path = write(tmp_path, "a.csv", HEADER + "2024-05-01T12:00:00Z,n1,0,busy\n")
    with pytest.raises(InferplanError, match=r"line 2: 'busy' is not a number"):
        import_file(warehouse, path)
    assert set(rows(warehouse).values()) == {0}


def test_repeated_and_backward_times_are_put_in_order(tmp_path: Path, warehouse: Warehouse) -> None:
    content = HEADER + "".join(
        f"2024-05-01T12:0{minute}:00Z,n1,0,{value}\n"
        for minute, value in ((2, 0.2), (0, 0.1), (2, 0.9), (1, 0.3))
    )
    report = import_file(warehouse, write(tmp_path, "a.csv", content)).parsed
    assert any("not in order" in note for note in report.notes)
    found = warehouse.rows("SELECT measured_at, value FROM usage_samples ORDER BY 1")
    assert found == [
        (datetime(2024, 5, 1, 12, minute), value) for minute, value in ((0, 0.1), (1, 0.3), (2, 0.9))
    ]
    assert warehouse.rows("SELECT samples FROM usage_series") == [(3,)]


def test_the_hour_that_comes_twice_and_the_one_that_is_skipped(tmp_path: Path, warehouse: Warehouse) -> None:
    local = ["2024-10-27 01:30", "2024-10-27 02:30", "2024-10-27 02:30", "2024-10-27 03:30"]
    content = HEADER + "".join(f"{at}:{second:02d},n1,0,0.5\n" for second, at in enumerate(local))
    import_file(warehouse, write(tmp_path, "autumn.csv", content), ReadOptions(time_zone="Europe/Berlin"))
    found = [row[0] for row in warehouse.rows("SELECT measured_at FROM usage_samples ORDER BY 1")]
    assert found == [datetime(2024, 10, 26, 23, 30), datetime(2024, 10, 27, 0, 30, 1),
                     datetime(2024, 10, 27, 0, 30, 2), datetime(2024, 10, 27, 2, 30, 3)]  # fmt: skip
    spring = HEADER + "2024-03-31 02:30:00,n1,0,0.5\n2024-03-31 03:30:00,n1,0,0.5\n"
    report = inspect(write(tmp_path, "spring.csv", spring), ReadOptions(time_zone="Europe/Berlin"))
    assert (report.values_kept, report.rows_refused) == (1, 1)
    assert "does not exist" in report.problems[0].reason


def test_a_second_hour_02_is_told_by_going_back(tmp_path: Path, warehouse: Warehouse) -> None:
    clock = [f"2024-10-27 02:{minute:02d}:00" for minute in (0, 20, 40)] * 2
    content = HEADER + "".join(f"{at},n1,0,0.5\n" for at in clock)
    import_file(warehouse, write(tmp_path, "a.csv", content), ReadOptions(time_zone="Europe/Berlin"))
    found = [row[0] for row in warehouse.rows("SELECT measured_at FROM usage_samples ORDER BY 1")]
    assert found == [datetime(2024, 10, 27, hour, minute) for hour in (0, 1) for minute in (0, 20, 40)]


def hostile(folder: Path) -> dict[str, tuple[Path, str]]:
    good = (HEADER + ROW * 20_000).encode()
    bomb = folder / "bomb.gz"
    with gzip.open(bomb, "wb", compresslevel=9) as stream:
        for _ in range(270):
            stream.write((b"0" * 1023 + b"\n") * 1024)
    archive = folder / "two.zip"
    with zipfile.ZipFile(archive, "w") as two:
        two.writestr("a.csv", HEADER + ROW)
        two.writestr("b.csv", HEADER + ROW)
    workbook = folder / "book.xlsx"
    with zipfile.ZipFile(workbook, "w") as book:
        book.writestr("xl/workbook.xml", "<workbook/>")
    long_line = folder / "line.csv"
    with long_line.open("wb") as stream:
        stream.write(b"timestamp,")
        for _ in range(20):
            stream.write(b"a" * (1 << 20))
    return {
        "truncated gzip": (write(folder, "a.gz", gzip.compress(good)[:-200]), "damaged or was cut off"),
        "zip bomb": (bomb, "decompressed: refused"),
        "two files in a zip": (archive, "holds 2 files"),
        "a workbook": (workbook, "Excel workbook"),
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
    }  # fmt: skip


def test_hostile_files_are_refused_with_a_reason_and_little_memory(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    files = hostile(tmp_path)
    tracemalloc.start()
    for name, (path, reason) in files.items():
        with pytest.raises(UnreadableError, match=reason):
            import_file(warehouse, path)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20, name
    tracemalloc.stop()
    assert set(rows(warehouse).values()) == {0}


def test_odd_rows_are_reported_and_the_rest_is_kept(tmp_path: Path, warehouse: Warehouse) -> None:
    content = (
        HEADER.encode()
        + ROW.encode()
        + b"2024-05-01T12:01:00Z,n\x00,0,0.5\n"  # a NUL byte
        + b"2024-05-01T12:02:00Z,n1,0\n"  # a cell short
        + b"yesterday,n1,0,0.5\n"
        + b"2024-05-01T12:03:00Z,n1,0,nan\n"
        + b"2024-05-01T12:04:00Z,n1,0,inf\n"
        + b"2024-05-01T12:05:00Z,=cmd|' /C calc'!A0,0,0.6\n"  # a formula as a name is only text here
        + b"2024-05-01T12:06:00Z,n1,0,-0.5\n"
    )
    report = import_file(warehouse, write(tmp_path, "a.csv", content)).parsed
    assert report.values_kept == 2
    assert report.values_missing == 2
    assert report.rows_refused == 4
    assert {problem.reason.split(":")[0] for problem in report.problems} >= {"the line contains NUL bytes"}
    assert warehouse.rows("SELECT host FROM usage_series ORDER BY host DESC") == [
        ("n1",), ("=cmd|' /C calc'!A0",),
    ]  # fmt: skip


def test_other_encodings(tmp_path: Path, warehouse: Warehouse) -> None:
    wide = (HEADER + ROW.replace("n1", "nürnberg")).encode("utf-16")
    import_file(warehouse, write(tmp_path, "a.csv", wide))
    marked = b"\xef\xbb\xbf" + (HEADER + ROW.replace("0.5", "0.6")).encode()
    import_file(warehouse, write(tmp_path, "b.csv", marked))
    assert warehouse.rows("SELECT host FROM usage_series ORDER BY host") == [("n1",), ("nürnberg",)]
    mixed = (HEADER + ROW.replace("0.5", "0.7")).encode() + ROW.replace("n1", "nürnberg").encode("latin-1")
    report = inspect(write(tmp_path, "c.csv", mixed))
    assert report.values_kept >= 1
    assert report.rows_refused + len(report.notes) >= 1


def test_the_bound_on_decompression_is_not_reached_by_real_telemetry(tmp_path: Path) -> None:
    points = [[1714564800 + 60 * n, "98"] for n in range(2000)]
    series = [
        {"metric": {"__name__": "DCGM_FI_DEV_GPU_UTIL", "UUID": f"G{n}"}, "values": points} for n in range(20)
    ]
    content = json.dumps({"data": {"resultType": "matrix", "result": series}}).encode()
    packed = gzip.compress(content)
    assert len(content) / len(packed) < opening.MAX_COMPRESSION
    assert inspect(write(tmp_path, "a.json.gz", packed)).values_kept == 40_000


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_shares_and_percents_are_told_apart_by_the_whole_table(tmp_path: Path, warehouse: Warehouse) -> None:
    content = "time,host,util\n" + "".join(
        f"2024-05-01T12:0{minute}:00Z,{host},{value}\n"
        for minute in range(3)
        for host, value in (("quiet", 1), ("busy", 97))
    )
    import_file(warehouse, write(tmp_path, "a.csv", content))
    found = warehouse.rows(
        "SELECT host, max(value) FROM usage_samples JOIN usage_series USING (series_id) GROUP BY 1 ORDER BY 1"
    )
    assert found == [("busy", 0.97), ("quiet", 0.01)]


def test_odd_cells_of_a_long_table_are_told_by_line(tmp_path: Path) -> None:
    lines = ["time,gpu_uuid,metric,value"]
    for minute in range(50):
        unit = " MiB" if minute < 3 else ""
        for gpu in ("A", "B"):
            lines.append(f"2024-05-01 12:{minute:02d}:00,{gpu},DCGM_FI_PROF_SM_ACTIVE,0.{minute:02d}")
            lines.append(f"2024/05/01 12:{minute:02d}:00,{gpu},DCGM_FI_DEV_FB_USED,{1000 + minute}{unit}")
            lines.append(f"2024-05-01 12:{minute:02d}:00,{gpu},power.draw,N/A")
    lines += ["2024-05-01 12:50:00,A,DCGM_FI_PROF_SM_ACTIVE,many", "soon,A,DCGM_FI_PROF_SM_ACTIVE,0.5"]
    report = inspect(write(tmp_path, "a.csv", "\n".join(lines)), ReadOptions(time_zone="UTC"))
    assert (report.rows_read, report.rows_refused, report.values_missing) == (302, 8, 100)
    assert report.values_kept == 100 + 94
    assert [problem.line for problem in report.problems] == [3, 6, 9, 12, 15, 18, 302, 303]
    assert report.problems[0].reason == "put the unit mib into the column's name"


def test_a_large_table_keeps_the_order_of_its_file(tmp_path: Path, warehouse: Warehouse) -> None:
    size = 700_000  # above DuckDB's buffer of 32 MB, so that several threads read
    path = tmp_path / "a.csv"
    duckdb.sql(
        "SELECT strftime(TIMESTAMP '2024-05-01' + INTERVAL (i) SECOND, '%Y-%m-%dT%H:%M:%SZ') AS timestamp, "
        "'a-rather-long-name-of-a-host' AS host, i % 1000 / 1000 AS sm_active_ratio, "
        f'i AS "vllm:prompt_tokens_total" FROM range({size}) AS t(i)'
    ).write_csv(str(path))
    report = import_file(warehouse, path).parsed
    assert not any("order" in note for note in report.notes)
    assert dict(report.metrics) == {"sm_active_ratio": size, "prompt_tokens": size - 1}
    increases = "SELECT min(value), max(value) FROM usage_samples JOIN usage_series USING (series_id) "
    assert warehouse.rows(f"{increases} WHERE metric = 'prompt_tokens'") == [(1.0, 1.0)]


def test_broken_lines_of_every_kind_are_counted_and_cost_little(tmp_path: Path) -> None:
    wide = ",".join("x" for _ in range(100_000))
    content = HEADER + "\n" + ROW + wide + "\n" + "2024-05-01T12:01:00Z,n1\n" + "soon,n1,0,0.5\n"
    report = inspect(write(tmp_path, "a.csv", content))
    assert (report.rows_read, report.rows_refused, report.values_kept) == (4, 3, 1)
    assert {problem.reason.split(" that ")[0] for problem in report.problems} == {
        "about 100,000 cells where the header has 4",
        "2 cells where the header has 4",
        "'soon' is not a time",
    }
    western = (HEADER + ROW.replace("n1", "nürnberg")).encode("cp1252")
    report = inspect(write(tmp_path, "b.csv", western))
    assert report.values_kept == 1
    assert "Windows-1252" in report.notes[0]


def test_what_columns_mean_is_remembered_by_the_header(tmp_path: Path, warehouse: Warehouse) -> None:
    header = "when,machine,busy\n"
    first = write(tmp_path, "a.csv", header + "2024-05-01T12:00:00Z,n1,0.5\n")
    second = write(tmp_path, "b.csv", header + "2024-05-01T12:01:00Z,n1,0.6\n")
    assert [question.option for question in inspect(first, warehouse=warehouse).questions] == ["columns"]
    said = {"when": "time", "machine": "host", "busy": "sm_active_ratio"}
    import_file(warehouse, first, ReadOptions(columns=said))
    report = inspect(second, warehouse=warehouse)
    assert dict(report.recalled) == said
    assert report.notes[0].startswith("Columns were read as said for a.csv on ")
    assert import_file(warehouse, second).parsed.metrics == (("sm_active_ratio", 1),)
    changed = {**said, "busy": "gpu_util_ratio"}
    third = write(tmp_path, "c.csv", header + "2024-05-01T12:02:00Z,n1,0.7\n")
    assert import_file(warehouse, third, ReadOptions(columns=changed)).parsed.metrics == (
        ("gpu_util_ratio", 1),
    )
    assert dict(inspect(second, warehouse=warehouse).recalled) == changed
    import_file(warehouse, write(tmp_path, "d.csv", "time,host,util\n2024-05-01T12:00:00Z,n,50\n"))
    assert [question.option for question in inspect(second, ReadOptions(columns={})).questions] == ["columns"]


def test_a_cancelled_import_lands_nothing(tmp_path: Path, warehouse: Warehouse) -> None:
    path = write(tmp_path, "a.csv", HEADER + ROW)
    progress = Progress()
    progress.cancel()
    with pytest.raises(CancelledError, match="nothing of it landed"):
        import_file(warehouse, path, progress=progress)
    assert set(rows(warehouse).values()) == {0}
    stages = []

    class Watched(Progress):
        def at(self, stage: str, share: float | None = None) -> None:
            stages.append(stage)
            if stage == "Putting in order":
                self.cancel()
            super().at(stage, share)

    with pytest.raises(CancelledError):
        import_file(warehouse, path, progress=Watched())
    assert stages[0] == "Checking"
    assert set(rows(warehouse).values()) == {0}
    assert not import_file(warehouse, path).already_imported


def test_a_query_is_interrupted_by_cancelling(warehouse: Warehouse) -> None:
    progress = Progress()
    endless = "SELECT count(*) FROM range(10000000000) AS a(i) WHERE sqrt(i) = -1"
    Timer(0.2, progress.cancel).start()
    with warehouse.transaction() as cursor, pytest.raises(CancelledError), progress.watching(cursor):
        cursor.execute(endless)


def test_every_format_says_what_it_is() -> None:
    assert len({found.name for found in formats()}) == len(formats()) >= 14
    assert {found.kind for found in formats()} == {"usage", "bill", "allocation", "advice", "table"}


@pytest.mark.parametrize("at", ["9223372036854775794", "9" * 400, "12"])
def test_a_time_that_cannot_be_is_refused_with_its_line(tmp_path: Path, at: str) -> None:
    path = tmp_path / "metrics.prom"
    good = 'DCGM_FI_PROF_SM_ACTIVE{gpu="0",UUID="GPU-1"} 0.5'
    path.write_text(f"# TYPE DCGM_FI_PROF_SM_ACTIVE gauge\n{good} 1791158400000\n{good} {at}\n")
    report = inspect(path)
    assert (report.values_kept, report.rows_refused) == (1, 1)
    assert report.problems[0] == (3, "the time is not between the years 2000 and 2100")
