"""Prices in a real browser: filtered, traced to their source, used in a plan, refreshed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import Locator, expect

if TYPE_CHECKING:
    from conftest import Visit

PAGE = "inferplan-prices"
FIRST_ROW = {"x": 18, "y": 55}  # the check box of the first row of the table


def pick(visit: Visit, label: str, option: str) -> None:
    box = visit.page.get_by_test_id("stMultiSelect").filter(has=visit.page.get_by_text(label, exact=True))
    box.locator("input").fill(option)
    visit.page.get_by_role("option").filter(has_text=option).first.click()
    visit.page.wait_for_timeout(200)
    visit.page.keyboard.press("Escape")
    visit.settle()


def metric(visit: Visit, label: str) -> Locator:
    return visit.page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")


def test_an_offer_is_found_traced_and_planned_with(visit: Visit) -> None:
    visit.open(PAGE)
    assert int(metric(visit, "Offers").inner_text().replace(",", "")) > 500
    pick(visit, "GPU", "H200 SXM")
    pick(visit, "Provider", "aws")
    pick(visit, "Region", "us-east-1")
    pick(visit, "Purchase option", "On demand")
    expect(metric(visit, "Offers")).to_have_text("1")
    expect(metric(visit, "Cheapest GPU-hour")).to_have_text("$7.91")
    visit.page.get_by_test_id("stDataFrame").first.click(position=FIRST_ROW)
    expect(visit.page.get_by_text("aws / p5en.48xlarge / us-east-1 / on_demand / H200 SXM")).to_be_visible()
    visit.page.get_by_role("button", name="Use this price in the current plan").click()
    visit.settle().go("Plans")
    expect(visit.page.get_by_text("63.296 USD per hour for 8 x H200 SXM, seen 2026-07-20")).to_be_visible()
    visit.go("Prices")
    expect(metric(visit, "Offers")).to_have_text("1")


def test_refreshing_tells_what_it_brought_and_a_bad_sheet_lands_nowhere(visit: Visit) -> None:
    visit.open(PAGE)
    visit.page.get_by_role("tab", name="Sources").click()
    visit.settle()
    visit.page.locator(".st-key-inferplan-prices-refresh-bundled button").click()
    expect(visit.page.get_by_text("Bundled snapshot: 0 new, 0 changed")).to_be_visible()
    sheet = visit.page.get_by_test_id("stFileUploaderDropzoneInput")
    wrong = b"provider,gpu,price\nacme,H100 SXM,free\n"
    sheet.set_input_files({"name": "rates.csv", "mimeType": "text/csv", "buffer": wrong})
    visit.page.get_by_role("button", name="Import rates.csv").click()
    expect(visit.page.get_by_test_id("stAlert").first).to_contain_text("rates.csv")
    assert visit.page.get_by_test_id("stException").count() == 0


def test_hosted_prices_and_energy_have_their_sources(visit: Visit) -> None:
    visit.open(PAGE)
    visit.page.get_by_role("tab", name="Hosted APIs").click()
    expect(visit.page.get_by_text("List prices seen between")).to_be_visible()
    visit.page.get_by_role("tab", name="Energy").click()
    expect(visit.page.get_by_text("Carbon intensity of grids")).to_be_visible()
    visit.settle()


def test_the_open_tab_survives_another_page_and_a_reload(visit: Visit) -> None:
    energy = visit.open(PAGE).page.get_by_role("tab", name="Energy", exact=True)
    energy.click()
    expect(visit.page.get_by_text("Power usage effectiveness of data centres")).to_be_visible()
    visit.settle().go("Plans").go("Prices")
    expect(energy).to_have_attribute("aria-selected", "true")
    visit.page.reload()
    visit.settle()
    expect(energy).to_have_attribute("aria-selected", "true")
