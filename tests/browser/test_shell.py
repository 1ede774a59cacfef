"""The frame around the pages, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from inferplan.dashboard.navigation import PAGES, PageEntry

if TYPE_CHECKING:
    from conftest import Visit


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.stem)
def test_every_page_opens_by_its_address_and_fits_a_phone(phone: Visit, entry: PageEntry) -> None:
    phone.open(entry.url_path)
    expect(phone.page.get_by_role("dialog")).to_have_count(0)
    root = "document.querySelector('[data-testid=\"stMain\"]')"
    assert phone.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0
    assert phone.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert phone.page.get_by_test_id("stException").count() == 0


def test_the_first_page_is_also_at_the_root(visit: Visit) -> None:
    title = visit.open().page.get_by_role("heading", level=1).inner_text()
    assert visit.open(PAGES[0].url_path).page.get_by_role("heading", level=1).inner_text() == title
    visit.go("Fit").go(PAGES[0].title)
    assert visit.page.get_by_role("heading", level=1).inner_text() == title


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.stem)
def test_a_garbled_link_is_said_on_every_page(visit: Visit, entry: PageEntry) -> None:
    visit.open(f"{entry.url_path}?inferplan-link=1AAAA")
    expect(visit.page.get_by_text("This link is incomplete or was altered on the way")).to_be_visible()
