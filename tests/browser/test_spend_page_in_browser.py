"""Spend in a real browser: the sample's waterfall, a link that explains a machine, and the download."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Visit


def test_from_an_empty_database_to_an_explained_bill(visit: Visit) -> None:
    visit.open("inferplan-spend")
    page = visit.page
    page.get_by_role("button", name="Load the sample fleet").click()
    cost = page.get_by_test_id("stMetric").filter(has_text="Effective cost")
    expect(cost).to_contain_text("$25,778")
    chart = page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first
    expect(chart).to_be_visible()
    visit.settle()

    page.get_by_role("tab", name="Not joined", exact=True).click()
    expect(page.get_by_role("heading", name="Say what a resource is")).to_be_visible()
    expect(page.get_by_role("heading", name="Used, and on no bill")).to_be_visible()
    box = page.get_by_test_id("stMultiSelect").locator("input")
    box.click()
    box.fill("sample-rerank-0")
    page.get_by_role("option").filter(has_text="sample-rerank-0").click()
    page.keyboard.press("Escape")
    remember = page.locator(".st-key-inferplan-spend-link").get_by_role("button")
    expect(remember).to_be_enabled()
    remember.click()
    expect(page.get_by_text("vm-rerank-7f3a is sample-rerank-0")).to_be_visible()
    expect(page.get_by_role("heading", name="Used, and on no bill")).to_have_count(0)
    visit.settle()

    page.get_by_role("button", name="Download spend").click()
    with page.expect_download() as download:
        page.get_by_test_id("stDownloadButton").get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    amounts = [float(row["Amount (USD)"]) for row in rows]
    assert [rows[0]["Part"], rows[-1]["Part"]] == ["Useful", "Effective cost"]
    assert round(sum(amounts[:-1]), 2) == amounts[-1] == 25777.96
