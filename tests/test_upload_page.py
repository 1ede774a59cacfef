"""The page Rightsizing takes files in: progress and cancelling."""

from threading import Event
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from inferplan.dashboard.rightsizing import import_jobs
from inferplan.datasets.exports import ReadOptions, list_imports
from inferplan.datasets.warehouse import MEMORY, Warehouse

TABLE = b"when,machine,busy\n2024-05-01T12:00:00Z,n1,0.5\n2024-05-01T12:01:00Z,n1,0.6\n"
SAID = {"when": "time", "machine": "host", "busy": "sm_active_ratio"}


@pytest.fixture
def warehouse():
    with Warehouse.open(MEMORY) as opened:
        yield opened


def upload(name: str, content: bytes) -> SimpleNamespace:
    return SimpleNamespace(name=name, file_id=name, getbuffer=lambda: content)


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
