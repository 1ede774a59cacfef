"""Buttons pressed twice in a hurry: the work is done once, and the page says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from inferplan.dashboard.prices.sources import EXAMPLE_SHEET
from inferplan.datasets import samples

if TYPE_CHECKING:
    from conftest import Visit


def press_twice(visit: Visit, label: str) -> None:
    main_area = visit.page.get_by_test_id("stMain")
    main_area.locator(
        "button:not([data-testid='stBaseButton-elementToolbar'])", has_text=label
    ).first.dblclick()
    visit.page.wait_for_timeout(600)
    visit.settle()


def drop(visit: Visit, name: str, content: bytes) -> None:
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    visit.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(file)
    visit.page.wait_for_timeout(300)
    visit.settle()


def test_saving_duplicating_and_deleting_twice_is_once(visit: Visit) -> None:
    visit.open("inferplan-plans")
    visit.field("Name").fill("Hurried")
    press_twice(visit, "Save")
    listed = visit.page.get_by_text("revision 1, saved")
    expect(listed).to_have_count(1)
    press_twice(visit, "Duplicate")
    expect(listed).to_have_count(2)
    expect(visit.page.get_by_text("Hurried (copy)", exact=True)).to_be_visible()
    press_twice(visit, "Save as a copy")
    expect(listed).to_have_count(3)


def test_importing_twice_tells_of_the_import(visit: Visit) -> None:
    visit.open("inferplan-rightsizing")
    drop(visit, "sample-vllm.json", samples.files()["sample-vllm.json"])
    press_twice(visit, "Import 1 file")
    expect(visit.page.get_by_text("Imported sample-vllm.json: ")).to_be_visible()


def test_importing_a_price_sheet_twice_tells_what_was_new(visit: Visit) -> None:
    visit.open("inferplan-prices")
    visit.page.get_by_role("tab", name="Sources").click()
    visit.settle()
    drop(visit, "hurried.csv", EXAMPLE_SHEET.encode())
    press_twice(visit, "Import hurried.csv")
    expect(visit.page.get_by_text("2 new, 0 changed").first).to_be_visible()
