"""The page Rightsizing takes files in: progress and cancelling."""

import io
import zipfile
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import pytest
from streamlit.runtime.uploaded_file_manager import UploadedFile
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from inferplan.dashboard.rightsizing import import_jobs, inspections
from inferplan.datasets.exports import CancelledError, Progress, ReadOptions, list_imports
from inferplan.datasets.warehouse import MEMORY, Warehouse

TABLE = b"when,machine,busy\n2024-05-01T12:00:00Z,n1,0.5\n2024-05-01T12:01:00Z,n1,0.6\n"
SAID = {"when": "time", "machine": "host", "busy": "sm_active_ratio"}


@pytest.fixture
def warehouse():
    with Warehouse.open(MEMORY) as opened:
        yield opened


def upload(name: str, content: bytes) -> SimpleNamespace:
    return SimpleNamespace(name=name, file_id=name, getbuffer=lambda: content)


def upload_page() -> None:
    from inferplan.dashboard.rightsizing.upload_views import show_upload
    from inferplan.datasets.warehouse import Warehouse

    with Warehouse.open() as warehouse:
        show_upload(warehouse)


def test_a_quick_import_has_ended_when_the_press_has(warehouse: Warehouse) -> None:
    job = import_jobs.start(warehouse, [(upload("a.csv", TABLE), ReadOptions(columns=SAID))])
    assert not job.is_running
    assert job.outcomes == [("success", "Imported a.csv: 2 values.")]
    again = import_jobs.start(warehouse, [(upload("b.csv", TABLE), ReadOptions(columns=SAID))])
    assert again.outcomes == [("success", "b.csv was imported before: nothing changed.")]


def test_a_long_import_shows_progress_and_is_cancelled(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_jobs, "PATIENCE_S", 0.01)
    arrived = Event()

    def late() -> bytes:
        arrived.wait(20)
        return TABLE

    slow = SimpleNamespace(name="slow.csv", file_id="slow", getbuffer=late)
    job = import_jobs.start(warehouse, [(slow, ReadOptions(columns=SAID))])
    assert job.is_running
    job.progress.cancel()
    arrived.set()
    assert job.thread is not None
    job.thread.join(20)
    assert job.outcomes == [("error", "slow.csv: the import was cancelled, nothing of it landed.")]
    assert list_imports(warehouse) == ()


def test_a_job_in_progress_is_drawn_with_its_cancel_button() -> None:
    def page() -> None:
        import threading

        from inferplan.dashboard.rightsizing.import_jobs import ImportJob, show_running

        hold = threading.Event()
        job = ImportJob(("long.csv",), thread=threading.Thread(target=hold.wait, args=(20,), daemon=True))
        job.thread.start()
        job.progress.at("Checking", 0.25)
        show_running(job)
        hold.set()

    drawn = AppTest.from_function(page).run()
    assert not drawn.exception
    assert [button.label for button in drawn.button] == ["Cancel the import"]


def test_progress_follows_the_query_that_runs(warehouse: Warehouse) -> None:
    progress = Progress()
    seen: list[float] = []

    def look() -> None:
        while not seen:
            seen.extend(share for share in [progress.share] if share is not None)
        progress.cancel()

    looking = Thread(target=look)
    looking.start()
    with warehouse.transaction() as cursor, pytest.raises(CancelledError), progress.watching(cursor):
        cursor.execute(
            "SELECT count(*) FROM range(1000000) AS a, range(1000000) AS b WHERE a.range + b.range < 9"
        )
    looking.join()
    assert 0 <= seen[0] <= 1


def test_a_long_inspection_is_stopped_and_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = Event()
    content = UploadedFile.getbuffer

    def late(file: UploadedFile) -> memoryview:
        arrived.wait(20)
        return content(file)

    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setattr(inspections, "PATIENCE_S", 0.01)
    monkeypatch.setattr(UploadedFile, "getbuffer", late)
    with Warehouse.open():
        app = AppTest.from_function(upload_page, default_timeout=30).run()
        app.file_uploader[0].upload(
            "slow.csv", b"time,host,sm_active_ratio\n2024-05-01T12:00:00Z,n1,0.5\n"
        ).run()
        next(button for button in app.button if button.label == "Stop reading").click().run()
        arrived.set()
        [stopped] = app.session_state[inspections.INSPECTED].values()
        stopped.wait(20)
        app.run()
        assert [info.value for info in app.info] == ["The reading of slow.csv was stopped."]
        monkeypatch.setattr(inspections, "PATIENCE_S", 20)
        next(button for button in app.button if button.label == "Read it again").click().run()
    assert not app.exception
    assert "1 rows read, 0 refused, 1 values kept" in " ".join(caption.value for caption in app.caption)


def test_columns_are_named_one_by_one_and_can_be_named_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def captions() -> str:
        return " ".join(caption.value for caption in app.caption)

    def columns() -> list[Selectbox]:
        return [box for box in app.selectbox if ".ask." in str(box.key)]

    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path / "warehouse.duckdb"))
    with Warehouse.open() as warehouse:
        app = AppTest.from_function(upload_page, default_timeout=30).run()
        app.file_uploader[0].upload("told.csv", b"when,host,Auslastung\n" + TABLE.split(b"\n", 1)[1]).run()
        assert [box.label for box in columns()] == ["when", "host", "Auslastung"]
        assert [box.value for box in columns()] == [None, "host", None]
        assert {box.label for box in (*app.datetime_input, *app.number_input)} >= {
            r"Where no column is a time\: how many seconds lie between two rows?"
        }
        assert "Import 1 file" not in [button.label for button in app.button]
        columns()[0].select("time").run()
        assert [box.label for box in columns()] == ["when", "host", "Auslastung"]
        columns()[2].select("sm_active_ratio").run()
        assert "2 rows read, 0 refused, 2 values kept" in captions()
        next(button for button in app.button if button.label == "Import 1 file").click().run()
        [done] = list_imports(warehouse)
        assert done.file_name == "told.csv"

        more = b"when,host,Auslastung\n2024-05-02T12:00:00Z,n1,0.5\n"
        app.file_uploader[0].upload("more.csv", more).run()
        assert "Columns were read as said for told.csv" in captions()
        app.checkbox[0].check().run()
        assert [box.value for box in columns()] == [None, "host", None]
        columns()[0].select("time").run()
        columns()[2].select("tensor_active_ratio").run()
        app.run()
        assert "Tensor pipe active" in captions()
    assert not app.exception


def test_each_file_of_an_archive_has_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.csv", "time,host,sm_active_ratio\n2024-05-01T12:00:00Z,a,0.5\n")
        archive.writestr("b.csv", "time,gpu,memory_used\n2024-05-01T12:00:00Z,0,70.5\n")
        archive.writestr("readme.txt", "hello")
    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path / "warehouse.duckdb"))
    with Warehouse.open() as warehouse:
        app = AppTest.from_function(upload_page, default_timeout=30).run()
        app.file_uploader[0].upload("two.zip", held.getvalue()).run()
        assert [error.value.split(" is ")[0] for error in app.error] == [r"**two.zip/readme.txt**"]
        [unit] = [box for box in app.selectbox if ".ask." in str(box.key)]
        unit.select("fb_used_gib").run()
        next(button for button in app.button if button.label == "Import 2 files").click().run()
        landed = warehouse.rows(
            "SELECT file_name, metric, value FROM imports JOIN usage_series USING (import_id) "
            "JOIN usage_samples USING (series_id) ORDER BY ALL"
        )
    assert landed == [
        ("two.zip/a.csv", "sm_active_ratio", 0.5),
        ("two.zip/b.csv", "fb_used_bytes", 70.5 * 1024**3),
    ]
    assert not app.exception
