"""What people said of a file is shown in its report, and can be taken back."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from inferplan.dashboard.__main__ import cli
from inferplan.dashboard.navigation import page_path
from inferplan.datasets.exports import (
    ReadOptions,
    forget,
    import_file,
    inspect,
    list_imports,
    remembered,
    undo_import,
)
from inferplan.datasets.warehouse import MEMORY, Warehouse

HEADER = "when,machine,busy\n"
SAID = {"when": "time", "machine": "host", "busy": "sm_active_ratio"}


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.csv", "time,host,sm_active_ratio\n2024-05-01 12:00:00,n1,0.5\n"),
        ("grafana.csv", '"Time","n1"\n2024-05-01 12:00:00,0.5\n'),
    ],
)
def test_the_report_tells_the_zone_of_times_without_one(tmp_path: Path, name: str, content: str) -> None:
    options = ReadOptions(time_zone="Europe/Berlin", metric="sm_active_ratio")
    note = "Times without a zone were read as Europe/Berlin."
    report = inspect(write(tmp_path, name, content), options)
    assert report.notes.count(note) == 1
    assert report.first_at is not None
    assert report.first_at.hour == 10
    with_zone = write(tmp_path, f"z{name}", content.replace("12:00:00", "12:00:00Z"))
    assert note not in inspect(with_zone, options).notes


def test_remembered_columns_outlive_an_undo_until_they_are_forgotten(tmp_path: Path) -> None:
    first = write(tmp_path, "a.csv", HEADER + "2024-05-01T12:00:00Z,n1,0.5\n")
    with Warehouse.open(MEMORY) as warehouse:
        assert remembered(warehouse) == ()
        done = import_file(warehouse, first, ReadOptions(columns=SAID))
        undo_import(warehouse, done.import_id)
        [kept] = remembered(warehouse)
        assert (kept.columns, kept.file_name) == (SAID, "a.csv")
        assert dict(inspect(first, warehouse=warehouse).recalled) == SAID
        forget(warehouse, kept.signature)
        assert remembered(warehouse) == ()
        asked = [one.option for one in inspect(first, warehouse=warehouse).questions]
        assert asked == ["columns", "start", "interval_s"]


def test_page_and_command_forget_columns(tmp_path: Path, own_warehouse: Path) -> None:
    first = write(tmp_path, "a.csv", HEADER + "2024-05-01T12:00:00Z,n1,0.5\n")

    def undone() -> None:
        with Warehouse.open(own_warehouse) as warehouse:
            import_file(warehouse, first, ReadOptions(columns=SAID))
            undo_import(warehouse, list_imports(warehouse)[0].import_id)

    undone()
    app = AppTest.from_file(str(page_path("rightsizing")), default_timeout=60).run()
    [button] = [one for one in app.button if one.label == "Forget columns"]
    button.click().run()
    assert not app.exception
    assert not [one for one in app.button if one.label == "Forget columns"]
    undone()
    said = CliRunner().invoke(cli, ["import", "--forget-map"])
    assert said.exit_code == 0
    assert "Forgot what was said for a.csv: when = time" in said.output
    with Warehouse.open(own_warehouse) as warehouse:
        assert remembered(warehouse) == ()
