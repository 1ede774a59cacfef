"""A long comparison in a real browser: it shows how far it is, and a press stops it without losing that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import TimeoutError, expect

if TYPE_CHECKING:
    from conftest import Visit

TALL = {"width": 1360, "height": 1800}  # lists open within the window
SEVERAL = ("Pipeline stages", "Engines")
STOPPED = re.compile(r"^Stopped after \d+% of the comparison")


def choose_all(visit: Visit, label: str) -> None:
    box = visit.page.get_by_test_id("stMultiSelect").filter(has=visit.page.get_by_text(label, exact=True))
    everything = visit.page.get_by_role("option", name="Select all", exact=True)
    for _ in range(20):  # a list that opens while the page is drawn anew closes again
        box.locator("input").press("ArrowDown")
        try:
            everything.click(timeout=2_000)
        except TimeoutError:
            continue
        box.locator("input").press("Escape")
        visit.page.wait_for_timeout(200)
        return
    raise AssertionError(f"the list of {label} does not open")


def test_a_press_stops_a_long_comparison_and_another_page_keeps_it(visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size(TALL)
    visit.open("inferplan-tokens-per-dollar")
    page.get_by_test_id("stExpander").get_by_text("Ways to serve", exact=True).click()
    for label in SEVERAL:
        choose_all(visit, label)
        visit.settle()
    choose_all(visit, "Formats of the weights")  # tens of thousands of deployments
    main = page.get_by_test_id("stMain")
    stop = main.get_by_role("button", name="Stop", exact=True)
    expect(main.get_by_test_id("stProgress")).to_contain_text("configurations")
    stop.click()
    expect(main.get_by_text(STOPPED)).to_be_visible()
    visit.go("Fit").go("Tokens per dollar")
    expect(main.get_by_text(STOPPED)).to_be_visible()
    main.get_by_role("button", name="Go on", exact=True).click()
    expect(stop).to_be_visible()
