"""The page Economics as Streamlit runs it: unit costs, API or own, commitments."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from inferplan.dashboard import state
from inferplan.dashboard.navigation import page_path
from inferplan.datasets import samples
from inferplan.datasets.warehouse import Warehouse

APP = Path(state.__file__).with_name("app.py")
KEY = "inferplan.economics."


def opened(tab: str | None = None) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    if tab is not None:
        app.session_state[f"{KEY}tab"] = tab
    return shown(app.switch_page(str(page_path("economics"))).run())


def shown(app: AppTest) -> AppTest:
    assert [(error.message, error.stack_trace) for error in app.exception] == []
    assert [error.value for error in app.error] == []
    return app


def metric(app: AppTest, label: str) -> str:
    return next(found.value for found in app.metric if found.label == label)


def dollars(text: str) -> float:
    return float(text.replace("$", "").replace(",", ""))


def said(app: AppTest) -> str:
    return " ".join(found.value for kind in (app.markdown, app.caption) for found in kind)


def test_half_busy_and_a_fifth_lost_make_useful_tokens_two_and_a_half_times_as_dear() -> None:
    app = opened()
    full = dollars(metric(app, "Useful output, per million tokens"))
    app.number_input(key=f"{KEY}busy").set_value(50)
    app.number_input(key=f"{KEY}cancelled").set_value(20).run()
    assert dollars(metric(shown(app), "Useful output, per million tokens")) == pytest.approx(
        2.5 * full, rel=0.01
    )
    assert "40.0% of the paid capacity does useful work" in said(app)


def test_the_price_carries_its_date_and_source() -> None:
    app = opened()
    assert "No price is chosen, so the cheapest machine on demand is taken" in said(app)
    assert ", seen 202" in said(app)


def test_losses_that_leave_nothing_are_refused_in_words() -> None:
    app = opened()
    app.number_input(key=f"{KEY}retried").set_value(60)
    app.number_input(key=f"{KEY}failed").set_value(60).run()
    assert not app.exception
    assert "must leave something useful" in app.error[0].value


def test_the_cheapest_mix_is_never_dearer_than_either_way_alone() -> None:
    app = opened("Self-host or API")
    costs = {found.label: found.value for found in app.metric}
    mix = dollars(costs["Cheapest mix, per month"])
    alone = [dollars(usd) for label, usd in costs.items() if label.startswith("Only ")]
    assert len(alone) == 2
    assert mix <= min(alone) + 0.01
    frame = app.dataframe[0].value
    assert (frame["own"] + frame["api"] - frame["mix"]).abs().max() < 0.005
    assert frame["source"].str.len().min() > 0


def test_own_numbers_are_the_demand() -> None:
    app = opened("Self-host or API")
    app.segmented_control(key=f"{KEY}demand_way").set_value("Own numbers").run()
    app.text_area(key=f"{KEY}demand_text").input("100\n200\n300").run()
    assert "numbers given, 3 hours (under four weeks" in said(shown(app)).replace("\\", "")
    app.text_area(key=f"{KEY}demand_text").input("100\n1,2 many").run()
    assert "Line 2 of the demand" in app.error[0].value


def test_commitments_name_the_term_and_what_a_fall_of_demand_does() -> None:
    app = opened("Commitments")
    assert "If demand falls by 30%" in said(app)
    mix = app.dataframe[0].value
    assert list(mix["part"]) == ["Reserved, 6 months", "On demand"]
    assert mix["share"].sum() == pytest.approx(100)
    frame = app.dataframe[1].value
    assert set(frame["term"]) == {"Reserved, 6 months"}  # the only one known of this GPU
    assert mix["usd_per_month"].sum() == pytest.approx(frame["total"].iloc[0], abs=0.005)
    assert (frame["regret"] >= 0).all()
    before = frame.set_index("term")["total"]
    app.number_input(key=f"{KEY}discount").set_value(10.0).run()
    after = shown(app).dataframe[1].value.set_index("term")["total"]
    assert (after / before).round(4).eq(0.9).all()


def test_uploaded_usage_is_a_demand_and_says_that_it_is_sample_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path / "w.duckdb"))
    with Warehouse.open() as warehouse:
        samples.load(warehouse)
    app = opened("Self-host or API")
    app.segmented_control(key=f"{KEY}demand_way").set_value("Uploaded usage").run()
    assert "sample data: requests finished of" in said(shown(app)).replace("\\", "")
    assert dollars(metric(app, "Cheapest mix, per month")) > 0


def test_a_model_without_hosts_and_a_case_that_does_not_fit_say_so() -> None:
    app = opened("Self-host or API")
    app.selectbox(key=state.widget_key("model")).select("HuggingFaceTB/SmolLM3-3B").run()
    assert "No host's price of HuggingFaceTB/SmolLM3-3B is known" in shown(app).info[0].value
    app.switch_page(str(page_path("fit"))).run()
    app.selectbox(key=state.widget_key("model")).select("deepseek-ai/DeepSeek-V3").run()
    app.switch_page(str(page_path("economics"))).run()
    assert not app.exception
    assert len(app.error) == 1
