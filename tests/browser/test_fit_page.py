"""The page Fit and the way to a price, driven in a real browser as a newcomer would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from inferplan.dashboard.navigation import PAGES

if TYPE_CHECKING:
    from conftest import Visit

FIT = "inferplan-fit"


def verdict(visit: Visit) -> str:
    alert = visit.page.get_by_test_id("stMain").get_by_test_id("stAlert").first
    return alert.get_by_test_id("stMarkdownContainer").inner_text()


def test_a_newcomer_sees_whether_llama_70b_fits_one_h200(visit: Visit) -> None:
    visit.open(FIT)
    assert verdict(visit).startswith("It fits:")
    expect(visit.page.get_by_test_id("stMain")).to_contain_text("67.7 GiB")
    bar = visit.page.get_by_test_id("stVegaLiteChart").first
    expect(bar.locator("svg path[aria-roledescription='bar']")).to_have_count(6)
    expect(bar.locator("svg")).to_contain_text("KV cache")


def test_a_changed_widget_changes_the_answer_and_survives_switch_and_refresh(visit: Visit) -> None:
    visit.open(FIT).choose("GPU", "L40S")
    assert verdict(visit).startswith("It does not fit:")
    visit.fill("Tensor", "4")
    assert verdict(visit).startswith("It fits:")
    visit.go("Tokens per dollar").go("Fit")
    assert "4 × L40S" in visit.text()
    visit.page.reload()
    visit.settle()
    assert "4 × L40S" in visit.text()
    assert verdict(visit).startswith("It fits:")


def test_an_uploaded_config_is_answered_and_a_wrong_file_is_refused(visit: Visit) -> None:
    visit.open(FIT)
    visit.page.get_by_role("button", name="Use another config.json").click()
    upload = visit.page.locator('input[type="file"]')
    upload.set_input_files({"name": "notes.json", "mimeType": "application/json", "buffer": b"hello"})
    expect(visit.page.get_by_text("notes.json: The config is not valid JSON")).to_be_visible()
    tiny = {
        "model_type": "llama",
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "max_position_embeddings": 131072,
    }
    named = {"name": "my-model.json", "mimeType": "application/json", "buffer": json.dumps(tiny).encode()}
    upload.set_input_files(named)
    expect(visit.page.get_by_test_id("stMain").get_by_text("my-model", exact=True)).to_be_visible()
    assert verdict(visit.settle()).startswith("It fits:")


def test_the_first_press_on_what_must_change_makes_it_fit(visit: Visit) -> None:
    visit.open(FIT).choose("GPU", "L40S")
    visit.page.get_by_role("button", name="Do it").first.click()
    expect(visit.page.get_by_text("It fits:")).to_be_visible()


def test_every_offer_has_its_price_date_and_the_chart_its_frontier(visit: Visit) -> None:
    visit.open("inferplan-tokens-per-dollar")
    assert "per million output tokens" in verdict(visit)
    assert "price seen on 20" in verdict(visit)
    chart = visit.page.get_by_test_id("stVegaLiteChart").first
    expect(chart.locator("svg path[aria-roledescription='point']").first).to_be_visible()


def test_the_navigation_leads_to_every_page(visit: Visit) -> None:
    visit.open()
    for entry in PAGES:
        visit.go(entry.title)
        assert visit.page.get_by_test_id("stException").count() == 0
