"""Our pages in somebody else's real app: its title, logo and keys stay, our pages work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Visit

import pytest


@pytest.fixture
def guest(visit: Visit, foreign_host: str) -> Visit:
    visit.address = foreign_host
    return visit


def test_our_pages_live_in_a_host_that_stays_as_it_was(guest: Visit) -> None:
    guest.open()
    expect(guest.page).to_have_title("Acme platform")
    guest.fill("Number", "21")
    expect(guest.page.get_by_text("Twice is 42")).to_be_visible()
    for title in ("Fit", "Plans", "Prices"):
        guest.page.get_by_test_id("stTopNavSection").filter(has_text="Capacity").click()
        guest.page.get_by_test_id("stTopNavDropdownLink").filter(has_text=title).first.click()
        guest.page.wait_for_timeout(200)
        guest.settle()
        expect(guest.page.locator("h1")).to_have_text(title)
        expect(guest.page).to_have_title("Acme platform")
        assert "/inferplan-" in guest.page.url
        assert guest.page.get_by_test_id("stException").count() == 0
