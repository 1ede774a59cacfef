"""The page Speed in a real browser: a rate is set, passed on to other pages, and outgrown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Visit


def test_a_rate_is_kept_up_with_until_it_is_too_high(visit: Visit) -> None:
    visit.open("inferplan-speed")
    verdict = visit.page.get_by_test_id("stAlert").first
    expect(verdict).to_contain_text("requests per second can be sustained")
    visit.choose("Requests", "at a rate")
    expect(visit.field("Rate")).to_have_value("1")
    expect(verdict).to_contain_text("It keeps up:")
    chart = visit.page.get_by_test_id("stVegaLiteChart").first
    expect(chart.locator("svg")).to_contain_text("this plan's rate")
    visit.fill("Rate", "40")
    expect(verdict).to_contain_text("It does not keep up: only")
    visit.go("Tokens per dollar")
    expect(visit.page.get_by_test_id("stMain")).to_contain_text("40 requests per second")
