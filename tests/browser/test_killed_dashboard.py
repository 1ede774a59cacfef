"""A dashboard that is killed in the middle of an import: it starts again, and nothing is half there."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from inferplan.datasets.exports import list_imports
from inferplan.datasets.warehouse import Warehouse
from inferplan.datasets.warehouse_errors import WarehouseHeldError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from conftest import Visit

    Start = Callable[[Path], AbstractContextManager[str]]

GPUS = 16
MINUTES = 50_000
PATIENCE_S = 60


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the dashboard's temporary files lie in a folder of their own."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture
def export(tmp_path: Path) -> Path:
    times = [f"{datetime(2024, 5, 1) + timedelta(minutes=at)}Z" for at in range(MINUTES)]
    path = tmp_path / "fleet.csv"
    with path.open("w") as file:
        file.write("timestamp,host,gpu,gpu_util\n")
        for gpu in range(GPUS):
            file.writelines(f"{time},n1,{gpu},{at * 7919 % 101}\n" for at, time in enumerate(times))
    return path


def begin_import(visit: Visit, export: Path) -> None:
    visit.open("inferplan-rightsizing")
    visit.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(export)
    button = visit.page.get_by_role("button", name="Import 1 file", exact=True)
    expect(button).to_be_visible(timeout=PATIENCE_S * 1000)
    button.click()


def kill(database: Path) -> None:
    with pytest.raises(WarehouseHeldError) as held:
        Warehouse.open(database)
    assert held.value.pid
    os.kill(held.value.pid, signal.SIGKILL)


def test_an_import_that_is_killed_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, scratch: Path, export: Path, visit: Visit, first_start: Start
) -> None:
    database = tmp_path / "warehouse.duckdb"
    Warehouse.open(database).close()
    with first_start(database) as visit.address:
        begin_import(visit, export)
        end = time.monotonic() + PATIENCE_S
        while not any(scratch.rglob("upload")):  # it is written where the import begins
            assert time.monotonic() < end
            time.sleep(0.01)
        visit.page.goto("about:blank")  # a page would complain of the connection that it loses
        kill(database)
    assert list(scratch.iterdir())
    with Warehouse.open(database) as warehouse:
        assert list_imports(warehouse) == ()
        assert warehouse.rows("SELECT count(*) FROM usage_samples") == [(0,)]
    with first_start(database) as visit.address:
        assert not list(scratch.iterdir())
        begin_import(visit, export)
        told = visit.page.get_by_text(f"Imported fleet.csv: {GPUS * MINUTES:,} values.")
        expect(told).to_be_visible(timeout=PATIENCE_S * 1000)
        visit.page.goto("about:blank")
