"""Adapters and drafts on the page Fit, taken and taken away again in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import Visit


def test_adapters_are_taken_and_leave_with_their_rank(visit: Visit) -> None:
    visit.open("inferplan-fit")
    visit.page.get_by_text("Adapters and drafts").click()
    visit.fill("LoRA rank", "64")
    chart = visit.page.get_by_test_id("stVegaLiteChart").first
    expect(chart.locator("svg")).to_contain_text("LoRA adapters")
    visit.fill("Adapters at once", "4")
    visit.fill("LoRA rank", "")
    expect(visit.page.get_by_label("Adapters at once")).to_have_count(0)
    expect(chart.locator("svg")).not_to_contain_text("LoRA adapters")


def test_an_emptied_context_is_the_models_own_again(visit: Visit) -> None:
    visit.open("inferplan-fit")
    visit.fill("Context", "1000")
    assert "Sequences of 1,000 tokens" in visit.text()
    visit.fill("Context", "")
    assert "Sequences of 131,072 tokens" in visit.text()
