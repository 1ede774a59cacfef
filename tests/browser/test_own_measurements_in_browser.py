"""Own measurements in a real browser: a result goes in, changes the estimate, and goes out again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Locator, expect

if TYPE_CHECKING:
    from conftest import Visit

PAGE = "inferplan-tokens-per-dollar"
SAMPLE = Path(__file__).parents[1] / "data" / "measurements" / "vllm_bench_serve_append.json"


def table(visit: Visit) -> Locator:
    return visit.page.get_by_role("table").filter(has_text="Published runs alone")


def test_a_result_changes_the_estimate_until_it_is_removed(visit: Visit) -> None:
    visit.open(PAGE)
    main = visit.page.get_by_test_id("stMain")
    expect(main.get_by_text("Measured your own deployment?")).to_be_visible()
    main.get_by_text("Bring a result", exact=True).click()
    main.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(SAMPLE)
    expect(main.get_by_text("vLLM or SGLang serving benchmark · 2 runs")).to_be_visible()
    main.get_by_role("button", name="Import 2 runs", exact=True).click()
    expect(main.get_by_text("Imported 2 runs of vllm_bench_serve_append.json")).to_be_visible()
    expect(table(visit)).to_contain_text("With yours")
    expect(main.get_by_text("drawn to 2 own measurements of 2026-11-20").last).to_be_visible()
    main.get_by_text("2 runs in 1 file", exact=True).click()
    remove = main.get_by_role("button", name="Remove", exact=True)
    remove.press("Enter")  # by key: the table above it is drawn late and moves it from under the mouse
    expect(main.get_by_text("Measured your own deployment?")).to_be_visible()
    expect(table(visit)).to_have_count(0)
