"""A file lands whole or not at all, once, and can be taken out or cancelled."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import pytest
from sample_uploads import HEADER, ROW, rows, write

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
from inferplan.datasets.uploads.progress import CancelledError, Progress
from inferplan.datasets.warehouse import Warehouse


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


def test_what_columns_mean_is_remembered_by_the_header(tmp_path: Path, warehouse: Warehouse) -> None:
    header = "when,machine,busy\n"
    first = write(tmp_path, "a.csv", header + "2024-05-01T12:00:00Z,n1,0.5\n")
    second = write(tmp_path, "b.csv", header + "2024-05-01T12:01:00Z,n1,0.6\n")
    assert [question.option for question in inspect(first, warehouse=warehouse).questions] == [
        "columns",
        "start",
        "interval_s",
    ]
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
    assert [question.option for question in inspect(second, ReadOptions(columns={})).questions] == [
        "columns",
        "start",
        "interval_s",
    ]


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
