"""Plans in a real browser: saved, found again by link, shared, compared, deleted and brought back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, expect

if TYPE_CHECKING:
    from conftest import Visit

PAGE = "inferplan-plans"
OFFER = "p5en.48xlarge · us-east-1 · on demand"


@pytest.fixture
def someone_else(visit: Visit) -> Iterator[Callable[[], Visit]]:
    """Return a function that opens the dashboard as another person."""
    contexts = []

    def arrive() -> Visit:
        contexts.append(visit.page.context.browser.new_context(viewport={"width": 1360, "height": 900}))
        return type(visit)(contexts[-1], visit.address)

    yield arrive
    for context in contexts:
        context.close()


def press(visit: Visit, label: str) -> None:
    visit.page.get_by_test_id("stMain").get_by_role("button", name=label, exact=True).first.click()
    visit.page.wait_for_timeout(200)
    visit.settle()


def open_tab(visit: Visit, name: str) -> None:
    visit.page.get_by_role("tab", name=name).click()
    visit.page.wait_for_timeout(300)
    visit.settle()


def save(visit: Visit, name: str, button: str = "Save") -> None:
    visit.field("Name").fill(name)
    press(visit, button)


def card_of(visit: Visit, name: str) -> Locator:
    row = visit.page.get_by_test_id("stHorizontalBlock")
    return row.filter(has=visit.page.get_by_text(name, exact=True)).filter(has_text="revision").last


def cost_of(visit: Visit) -> Locator:
    return (
        visit.page.get_by_test_id("stMetric")
        .filter(has_text="Cost per month")
        .get_by_test_id("stMetricValue")
    )


def known_cost(visit: Visit) -> str:
    expect(cost_of(visit)).to_have_text(re.compile(r"^\$[\d,]+\.\d\d$"))
    return cost_of(visit).inner_text()


def shared_link(visit: Visit) -> str:
    press(visit, "Share link")
    link = visit.page.get_by_test_id("stCode").inner_text().strip()
    visit.page.keyboard.press("Escape")
    return link.replace("\n", "")


def open_link(visit: Visit, link: str) -> None:
    visit.open(link.removeprefix(visit.address).removeprefix("/"))


def test_a_saved_plan_is_found_again_by_its_link_deleted_and_brought_back(
    visit: Visit, someone_else: Callable[[], Visit]
) -> None:
    visit.open(PAGE)
    visit.choose("Price", OFFER)
    save(visit, "Chat for support")
    expect(visit.page.get_by_text('Saved "Chat for support" as revision 1.')).to_be_visible()
    cost = known_cost(visit)
    link = shared_link(visit)
    assert re.search(r"\?inferplan-plan=[0-9a-f]{32}$", link)

    other = someone_else()
    open_link(other, link)
    expect(other.field("Name")).to_have_value("Chat for support")
    expect(cost_of(other)).to_have_text(cost)
    expect(other.page.get_by_text("for 8 x H200 SXM, seen 2026-07-20")).to_be_visible()

    card_of(visit, "Chat for support").get_by_role("button", name="Delete").click()
    expect(visit.page.get_by_text("Deleted Chat for support.")).to_be_visible()
    press(visit, "Undo")
    expect(visit.page.get_by_text('"Chat for support" is back.')).to_be_visible()
    expect(card_of(visit, "Chat for support")).to_be_visible()


def test_a_link_carries_an_unsaved_plan_with_its_price(
    visit: Visit, someone_else: Callable[[], Visit]
) -> None:
    visit.open(PAGE)
    visit.choose("Price", OFFER)
    cost = known_cost(visit)
    link = shared_link(visit)
    assert "inferplan-link=1" in link
    assert len(link) < 2100
    other = someone_else()
    open_link(other, link)
    expect(cost_of(other)).to_have_text(cost)
    other.page.reload()
    other.settle()
    expect(cost_of(other)).to_have_text(cost)
    cut_off = someone_else()
    open_link(cut_off, link[:-20])
    expect(cut_off.page.get_by_text("this link is incomplete")).to_be_visible()


def test_of_two_who_save_the_same_plan_the_second_is_told_and_nothing_is_lost(
    visit: Visit, someone_else: Callable[[], Visit]
) -> None:
    visit.open(PAGE)
    save(visit, "Shared by two")
    link = shared_link(visit)
    other = someone_else()
    open_link(other, link)
    save(other, "Renamed by the other", "Save the next revision")
    expect(other.page.get_by_text("as revision 2.")).to_be_visible()
    save(visit, "Renamed by the first", "Save the next revision")
    expect(visit.page.get_by_text('"Renamed by the other" was saved').first).to_be_visible()
    press(visit, "Save as the next revision all the same")
    expect(visit.page.get_by_text('Saved "Renamed by the first" as revision 3.')).to_be_visible()


def test_two_plans_side_by_side_show_what_differs(visit: Visit) -> None:
    visit.open(PAGE)
    save(visit, "One GPU")
    visit.go("Fit").fill("Tensor", "2").go("Plans")
    open_tab(visit, "Compare two")
    differing = visit.page.get_by_test_id("stTable").last
    expect(differing).to_contain_text("tp")
    assert re.search(r"tp\s+1\s+2", differing.inner_text())
    results = visit.page.get_by_test_id("stTable").first.inner_text()
    assert re.search(r"GPUs\s+1\s+2\s+\+1\s+\+100.0%", results)


def test_a_plan_file_comes_back_and_a_changed_one_is_refused(visit: Visit) -> None:
    visit.open(PAGE)
    save(visit, "To keep in a file")
    with visit.page.expect_download() as download:
        visit.page.get_by_test_id("stDownloadButton").get_by_role("button", name="Plan file").click()
    content = download.value.path().read_bytes()
    assert download.value.suggested_filename.startswith("to-keep-in-a-file-")
    assert json.loads(content)["name"] == "To keep in a file"
    open_tab(visit, "Open a file")
    uploader = visit.page.get_by_test_id("stFileUploaderDropzoneInput")
    broken = content.replace(b'"tp": 1', b'"tp": 4')
    uploader.set_input_files({"name": "plan.json", "mimeType": "application/json", "buffer": broken})
    expect(visit.page.get_by_text("changed after it was exported")).to_be_visible()
    uploader.set_input_files({"name": "plan.json", "mimeType": "application/json", "buffer": content})
    expect(visit.page.get_by_text("changed after it was exported")).to_have_count(0)
    visit.settle()
    expect(visit.page.get_by_role("button", name="Open", exact=True).last).to_be_visible()
    visit.page.get_by_test_id("stMain").get_by_role("button", name="Save", exact=True).last.click()
    expect(visit.page.get_by_text('"To keep in a file" is saved already, as revision 1.')).to_be_visible()


def test_a_portfolio_becomes_a_plan_that_a_refresh_and_a_link_bring_back(
    visit: Visit, someone_else: Callable[[], Visit]
) -> None:
    visit.open("inferplan-tokens-per-dollar")
    visit.page.get_by_test_id("stMain").get_by_role("radio", name="Several models", exact=True).click()
    keep = visit.page.get_by_role("button", name="Make it the current plan", exact=True)
    expect(keep).to_be_visible(timeout=60_000)
    visit.settle()
    keep.click()
    visit.page.get_by_role("link", name="Name and save it on page Plans").click()
    expect(visit.page.get_by_role("heading", name="Plans", exact=True)).to_be_visible()
    visit.settle()
    month = visit.page.get_by_test_id("stMetric").filter(has_text="Per month of 730 hours")
    expect(month.get_by_test_id("stMetricValue")).to_have_text(re.compile(r"^\$[\d,]+\.\d\d$"))
    cost = month.get_by_test_id("stMetricValue").inner_text()
    visit.page.reload()
    visit.settle()
    expect(month.get_by_test_id("stMetricValue")).to_have_text(cost)
    save(visit, "Two models")
    expect(card_of(visit, "Two models")).to_be_visible()
    other = someone_else()
    other.page.goto(shared_link(visit))
    other.settle()
    theirs = other.page.get_by_test_id("stMetric").filter(has_text="Per month of 730 hours")
    expect(theirs.get_by_test_id("stMetricValue")).to_have_text(cost)
    expect(other.field("Name")).to_have_value("Two models")
