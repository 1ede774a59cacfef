"""The page Economics in a real browser: shares change figures, tabs answer, a download has its basis."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Visit


def test_the_page_answers_in_all_three_tabs(visit: Visit) -> None:
    page = visit.open("inferplan-economics").page
    page.get_by_text("A million output tokens cost").first.wait_for()
    page.get_by_role("spinbutton", name="Busy (%)").fill("40")
    page.keyboard.press("Enter")
    page.get_by_text("40.0% of the paid capacity does useful work").first.wait_for()
    page.get_by_role("tab", name="Self-host or API").click()
    page.get_by_text("Hosts, the cheapest mix first").first.wait_for()
    page.get_by_role("tab", name="Commitments").click()
    page.get_by_text("If demand falls by 30%").first.wait_for()
    assert visit.errors == []


def test_a_download_carries_price_date_and_source(visit: Visit) -> None:
    page = visit.open("inferplan-economics").page
    page.get_by_test_id("stPopoverButton").filter(has_text="Download").first.click()
    with page.expect_download() as waiting:
        page.get_by_test_id("stDownloadButton").get_by_role("button", name="CSV").first.click()
    text = waiting.value.path().read_text("utf-8-sig")
    header, first, *_ = text.splitlines()
    assert header.endswith("Price,Speed")
    assert "USD per hour" in first
    assert ", seen 202" in first
