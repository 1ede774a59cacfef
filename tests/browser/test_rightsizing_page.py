"""Rightsizing in a real browser: a real export goes in, is reported, advises, and goes out again."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from inferplan.datasets import samples

if TYPE_CHECKING:
    from conftest import Visit

PAGE = "inferplan-rightsizing"


def drop(visit: Visit, files: dict[str, bytes]) -> None:
    payload = [
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        for name, content in files.items()
    ]
    visit.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(payload)
    visit.page.wait_for_timeout(300)
    visit.settle()


def press(visit: Visit, label: str) -> None:
    visit.page.get_by_test_id("stMain").locator("button", has_text=label).first.click()
    visit.page.wait_for_timeout(300)
    visit.settle()


def open_tab(visit: Visit, name: str) -> None:
    visit.page.get_by_role("tab", name=name).click()
    visit.page.wait_for_timeout(200)
    visit.settle()


def test_uploads_are_reported_imported_and_undone(visit: Visit) -> None:
    visit.open(PAGE)
    drop(visit, samples.files())
    expect(visit.page.get_by_text("6,145 rows read, 0 refused")).to_be_visible()
    expect(visit.page.get_by_text("3,111 rows read, 0 refused")).to_be_visible()
    press(visit, "Import 2 files")
    expect(visit.page.get_by_text("Imported sample-dcgm.json: 6,145 values.")).to_be_visible()
    expect(visit.page.get_by_test_id("stMetric").filter(has_text="GPUs measured")).to_contain_text("13")
    expect(visit.page.get_by_test_id("stExpander").filter(has_text="Add capacity")).to_be_visible()

    open_tab(visit, "Data")
    drop(visit, samples.files())
    press(visit, "Import 2 files")
    expect(visit.page.get_by_text("sample-dcgm.json was imported before: nothing changed.")).to_be_visible()
    for _ in range(2):
        press(visit, "Undo import")
    expect(visit.page.get_by_role("button", name="Load the sample fleet")).to_be_visible()


def test_a_file_that_is_no_export_is_refused_in_words(visit: Visit) -> None:
    visit.open(PAGE)
    drop(visit, {"holiday.csv": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20})
    expect(visit.page.get_by_test_id("stAlert")).to_contain_text("holiday.csv")
    assert visit.page.get_by_role("button", name="Import 1 file").count() == 0
    assert visit.page.get_by_test_id("stException").count() == 0


def test_a_file_without_a_time_zone_is_asked_about(visit: Visit) -> None:
    lines = ["timestamp, index, name, utilization.gpu [%], memory.used [MiB], memory.total [MiB]"]
    lines += [
        f"2026/11/0{1 + n // 24} {n % 24:02}:00:00.000, 0, NVIDIA L4, {n} %, 9000 MiB, 23034 MiB"
        for n in range(48)
    ]
    visit.open(PAGE)
    drop(visit, {"smi.csv": "\n".join(lines).encode()})
    visit.choose(
        "The times in this file carry no time zone: in which one were they written?", "Europe/Berlin"
    )
    expect(visit.page.get_by_text("48 rows read")).to_be_visible()
    expect(visit.page.get_by_text("from 2026-10-31 23:00")).to_be_visible()
    expect(visit.page.get_by_role("button", name="Import 1 file")).to_be_visible()


def test_a_finding_shows_its_evidence_and_all_can_be_downloaded(visit: Visit) -> None:
    visit.open(PAGE)
    press(visit, "Load the sample fleet")
    finding = visit.page.get_by_test_id("stExpander").filter(has_text="Idle although its memory is full")
    finding.locator("summary").click()
    expect(finding.get_by_test_id("stTable")).to_contain_text("Memory bandwidth active")
    expect(finding.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first).to_be_visible()
    expect(finding).to_contain_text("Looked at and rejected")
    expect(finding).to_contain_text("USD per hour, observed 2026-")
    visit.settle()
    press(visit, "Download findings")
    with visit.page.expect_download() as download:
        visit.page.get_by_test_id("stDownloadButton").get_by_role("button", name="CSV").last.click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [row["Advice"] for row in rows][:2] == ["Add capacity", "Smaller GPU"]
    assert all(row["Sample data"] == "yes" for row in rows)
    assert float(rows[1]["Savings, expected (USD per month)"]) > 0

    open_tab(visit, "Usage")
    expect(visit.page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first).to_be_visible()
    open_tab(visit, "Data")
    press(visit, "Undo import")
    expect(visit.page.get_by_role("button", name="Load the sample fleet")).to_be_visible()
