"""The frame around the pages, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inferplan.dashboard.navigation import PAGES, PageEntry

if TYPE_CHECKING:
    from conftest import Visit


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.stem)
def test_every_page_opens_by_its_address_and_fits_a_phone(phone: Visit, entry: PageEntry) -> None:
    phone.open("" if entry is PAGES[0] else entry.url_path)
    root = "document.querySelector('[data-testid=\"stMain\"]')"
    assert phone.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0
    assert phone.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert phone.page.get_by_test_id("stException").count() == 0
