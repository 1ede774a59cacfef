"""Rightsizing, Prices and Plans as Streamlit runs them: with data, without, and without a database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from inferplan.dashboard import formats, state
from inferplan.dashboard.navigation import PAGES, page_path
from inferplan.dashboard.plans import actions as plan_actions
from inferplan.datasets import samples
from inferplan.datasets.uploads.landing import land_series
from inferplan.datasets.uploads.reading import Labels, Series
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.planner.case import Case
from inferplan.planner.plan import Plan
from inferplan.planner.planned import cheapest_machine
from inferplan.planner.rightsizing import profile_named, recommend
from inferplan.pricing.offers import current_offers

APP = Path(state.__file__).with_name("app.py")
OURS = ("rightsizing", "prices", "plans")
PLANS, RIGHTSIZING, PRICES = "inferplan.plans.", "inferplan.rightsizing.", "inferplan.prices."
NOON = datetime(2026, 11, 21, 12, 0, 0)
CASE = Case(model="Qwen/Qwen3-8B", gpu="L40S", input_tokens=1000, output_tokens=200, concurrency=4)


@pytest.fixture(autouse=True)
def let_go_of_connections() -> Iterator[None]:
    yield
    st.cache_resource.clear()


def opened(stem: str, **parameters: str) -> AppTest:
    app = AppTest.from_file(str(page_path(stem)), default_timeout=60)
    app.query_params.update(parameters)
    app.run()
    assert [error.message for error in app.exception] == []
    return app


def metric(app: AppTest, label: str) -> str:
    return next(found.value for found in app.metric if found.label == label)


def show_tab(app: AppTest, key: str, name: str) -> AppTest:
    app.session_state[f"{key}tab"] = name
    return app.run()


def save(warehouse: Warehouse, plan_id: str, name: str = "Chat", based_on: int = 0) -> None:
    plan = Plan(id=plan_id, name=name, author="ada", created_at=NOON, updated_at=NOON, case=CASE)
    plan_store.save(warehouse, plan, based_on=based_on)


@pytest.mark.parametrize("stem", OURS)
def test_a_database_that_cannot_be_opened_is_said_and_not_thrown(
    stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path))
    assert "is a folder. Name a file in it" in " ".join(error.value for error in opened(stem).error)


def test_findings_are_those_of_the_planner_and_a_profile_changes_them(sample_fleet: Path) -> None:
    with Warehouse.open(sample_fleet) as warehouse:
        expected = {
            name: recommend(warehouse, profile_named(name)) for name in ("production", "high-availability")
        }
    app = opened("rightsizing")
    for name, findings in expected.items():
        app.selectbox(key="inferplan.rightsizing.profile").set_value(name).run()
        total = sum(one.savings.expected for one in findings if one.savings and one.savings.expected > 0)
        assert metric(app, "Savings per month") == f"${total:,.0f}"
        assert len(app.main.expander) == len(findings)
    assert {len(findings) for findings in expected.values()} != {0}


def test_a_custom_profile_starts_from_production_and_takes_changes(sample_fleet: Path) -> None:
    with Warehouse.open(sample_fleet) as warehouse:
        strict = profile_named("production").model_copy(update={"name": "custom", "dram_target": 0.1})
        expected = recommend(warehouse, strict)
    app = opened("rightsizing")
    before = metric(app, "Savings per month")
    app.selectbox(key="inferplan.rightsizing.profile").set_value("custom").run()
    assert metric(app, "Savings per month") == before
    app.number_input(key="inferplan.rightsizing.profile.dram_target").set_value(10).run()
    total = sum(one.savings.expected for one in expected if one.savings and one.savings.expected > 0)
    assert metric(app, "Savings per month") == f"${total:,.0f}" != before


def test_usage_is_shown_where_no_total_of_the_memory_was_measured(own_warehouse: Path) -> None:
    times_us, values = [1_791_158_400_000_000 + step * 300_000_000 for step in range(10)], [2.0**34] * 10
    with Warehouse.open(own_warehouse) as warehouse:
        used = Series("fb_used_bytes", Labels(gpu_uuid="GPU-1"))
        land_series(warehouse, "used", "digest", "test", [(used, times_us, values)])
    shown = show_tab(opened("rightsizing"), RIGHTSIZING, "Usage")
    assert shown.dataframe[0].value[["label", "max"]].to_numpy().tolist() == [["GPU-1", 16.0]]


def test_files_too_old_to_count_are_named(own_warehouse: Path) -> None:
    with Warehouse.open(own_warehouse) as warehouse:
        for name, day in (("summer.csv", 0), ("autumn.csv", 90)):
            begun_us = 1_782_864_000_000_000 + day * 86_400_000_000  # from 2026-07-01 on
            times_us = [begun_us + step * 300_000_000 for step in range(10)]
            busy = Series("sm_active_ratio", Labels(gpu_uuid=f"GPU-{day}"))
            land_series(warehouse, name, name, "test", [(busy, times_us, [0.5] * 10)])
    app = opened("rightsizing")
    assert [info.value for info in app.info] == [
        r"Left out as older than the 32 days up to 2026-09-29\: summer.csv (until 2026-07-01). "
        "Choose such a file alone in the sidebar to judge it."
    ]
    app.multiselect(key=f"{RIGHTSIZING}imports").set_value([1]).run()
    assert not app.info


def test_data_that_was_undone_leaves_no_finding_behind() -> None:
    app = opened("rightsizing")
    app.button(key=f"{RIGHTSIZING}sample").click().run()
    assert metric(app, "GPUs measured") == "13"
    show_tab(app, RIGHTSIZING, "Data")
    undo = next(button for button in app.button if button.label == "Undo import")
    undo.click().run()
    assert app.button(key=f"{RIGHTSIZING}sample")
    assert not app.metric


def test_a_file_is_imported_once_however_often_the_button_is_pressed() -> None:
    app = opened("rightsizing")
    name, content = next(iter(samples.files().items()))
    for told in ("Imported", "was imported before"):
        if told != "Imported":
            show_tab(app, RIGHTSIZING, "Data")
        app.file_uploader[0].upload(name, content)
        app.run()
        app.button(key=f"{RIGHTSIZING}import").click().run()
        assert any(told in success.value for success in app.success)


def test_prices_can_be_narrowed_to_nothing_without_harm() -> None:
    app = opened("prices")
    app.multiselect(key=f"{PRICES}gpu").set_value(["Gaudi 1"]).run()
    assert metric(app, "Offers") == "1"
    app.multiselect(key=f"{PRICES}region").set_value(["ap-southeast-2"]).run()
    assert "No offer matches" in app.info[0].value
    assert not app.exception


@pytest.mark.parametrize("tab", ["Hosted APIs", "Energy", "Sources"])
def test_every_tab_of_prices_draws(tab: str) -> None:
    app = show_tab(opened("prices"), PRICES, tab)
    assert not app.exception
    assert app.caption


def test_a_plan_needs_a_name() -> None:
    app = opened("plans")
    app.button(key=f"{PLANS}save").click().run()
    assert "Give the plan a name first." in [error.value for error in app.error]
    app.text_input(key=plan_actions.NAME).input("   ")
    app.button(key=f"{PLANS}save").click().run()
    assert "Give the plan a name first." in [error.value for error in app.error]


def test_saving_twice_is_one_revision_and_a_change_is_the_next(own_warehouse: Path) -> None:
    app = opened("plans")
    app.text_input(key=plan_actions.NAME).input("Chat")
    for told in ('Saved "Chat" as revision 1.', '"Chat" is saved already, as revision 1.'):
        app.button(key=f"{PLANS}save").click().run()
        assert told in [success.value for success in app.success]
    app.text_area(key=plan_actions.NOTES).input("checked with finance")
    app.button(key=f"{PLANS}save").click().run()
    with Warehouse.open(own_warehouse) as warehouse:
        [entry] = plan_store.entries(warehouse)
        assert (entry.revision, plan_store.load(warehouse, entry.plan_id).notes) == (
            2,
            "checked with finance",
        )


def test_an_author_named_after_saving_is_saved_too(own_warehouse: Path) -> None:
    app = opened("plans")
    app.text_input(key=plan_actions.NAME).input("Chat")
    app.text_input(key=plan_actions.AUTHOR).input("")
    app.button(key=f"{PLANS}save").click().run()
    app.text_input(key=plan_actions.AUTHOR).input("Ada")
    app.button(key=f"{PLANS}save").click().run()
    app.text_input(key=plan_actions.AUTHOR).input("Grace")
    app.button(key=f"{PLANS}save").click().run()  # who saves nothing new is not its author
    with Warehouse.open(own_warehouse) as warehouse:
        [entry] = plan_store.entries(warehouse)
        assert (entry.revision, entry.author) == (2, "Ada")


def test_a_plan_without_a_price_offers_the_cheapest_one(own_warehouse: Path) -> None:
    app = opened("plans")
    assert metric(app, "Cost per month of 730 hours") == "not known"
    app.button(key=f"{PLANS}cheapest").click().run()
    taken = app.session_state[state.CASE]
    with Warehouse.open(own_warehouse) as warehouse:
        offers = current_offers(warehouse)
    cheapest = cheapest_machine(offers, taken.gpu, 1, state.now().date())
    assert cheapest
    assert cheapest.usd_per_gpu_hour
    assert taken.offer == cheapest.offer_id
    assert metric(app, "Cost per month of 730 hours") == formats.usd(cheapest.usd_per_gpu_hour * 730)
    assert f"{PLANS}cheapest" not in [button.key for button in app.button]


def test_a_long_list_of_plans_is_searched(own_warehouse: Path) -> None:
    with Warehouse.open(own_warehouse) as warehouse:
        for number in range(30):
            save(warehouse, f"p{number}", f"Plan number {number}")
    app = opened("plans")
    deletes = [button for button in app.button if button.label == "Delete"]
    assert len(deletes) < 30
    app.text_input(key=f"{PLANS}find").input("number 17").run()
    assert [button.key for button in app.button if button.label == "Delete"] == [f"{PLANS}delete.p17"]


def test_a_plan_deleted_by_somebody_else_is_not_opened_but_explained(own_warehouse: Path) -> None:
    with Warehouse.open(own_warehouse) as warehouse:
        save(warehouse, "p1")
        plan_store.delete(warehouse, "p1", author="bob", at=NOON)
    app = opened("plans", **{state.PLAN_PARAMETER: "p1"})
    assert any("was deleted" in error.value for error in app.error)
    show_tab(app, PLANS, "Deleted")
    app.button(key=f"{PLANS}restore.p1").click().run()
    assert [button.key for button in app.button if button.label == "Restore"] == []


def test_opening_a_plan_makes_it_the_case_of_all_pages(own_warehouse: Path) -> None:
    with Warehouse.open(own_warehouse) as warehouse:
        save(warehouse, "p1", "Small")
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app.switch_page(str(page_path("plans"))).run()
    app.button(key=f"{PLANS}open.p1").click().run()
    assert app.session_state[state.CASE] == CASE
    assert app.text_input(key=plan_actions.NAME).value == "Small"
    for page in PAGES:
        app.switch_page(str(page.path)).run()
        assert not app.exception
    app.switch_page(str(page_path("plans"))).run()
    assert app.session_state[state.CASE] == CASE
    assert app.text_input(key=plan_actions.NAME).value == "Small"


def test_somebody_elses_revision_is_announced_before_saving(own_warehouse: Path) -> None:
    with Warehouse.open(own_warehouse) as warehouse:
        save(warehouse, "p1", "First")
        app = opened("plans", **{state.PLAN_PARAMETER: "p1"})
        assert not app.warning
        save(warehouse, "p1", "Second", based_on=1)
    app.run()
    assert '"Second" was saved by ada' in app.warning[0].value
    app.text_area(key=plan_actions.NOTES).input("mine")
    app.button(key=f"{PLANS}save").click().run()
    assert len(app.warning) == 1
    assert not app.error, "said once"


def test_another_gpu_leaves_the_price_of_the_one_before(own_warehouse: Path) -> None:
    app = opened("plans")
    app.selectbox(key="inferplan.input.offer").select_index(1).run()
    chosen = app.session_state[state.CASE]
    assert chosen.offer is not None
    fit = AppTest.from_file(str(page_path("fit")), default_timeout=60)
    fit.session_state[state.CASE] = chosen
    fit.run().selectbox(key="inferplan.input.gpu").set_value("L40S").run()
    assert (fit.session_state[state.CASE].gpu, fit.session_state[state.CASE].offer) == ("L40S", None)
