"""The page Tokens per dollar: what is set aside, why the first is first, stopping, several models."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from inferplan.dashboard import state
from inferplan.dashboard.comparing import portfolio_views, running, search_inputs
from inferplan.dashboard.navigation import page_path
from inferplan.planner.compare import Sweep
from inferplan.planner.compare.sweep import STEP

APP = Path(state.__file__).with_name("app.py")
PAGE = str(page_path("tokens_per_dollar"))
SERVE = "inferplan.compare.serve"


def opened() -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    return shown(app.switch_page(PAGE).run())


def shown(app: AppTest) -> AppTest:
    assert [(error.message, error.stack_trace) for error in app.exception] == []
    return app


def table(app: AppTest, column: str) -> pd.DataFrame:
    return next(found.value for found in app.dataframe if column in found.value)


def with_reasons(app: AppTest) -> list[str]:
    return [line for found in app.markdown for line in found.value.split("\n") if line.startswith("- ")]


def test_old_prices_stay_out_until_the_toggle_lets_them_in() -> None:
    app = opened()
    fresh = table(app, "offer_id")
    toggle = next(found for found in app.toggle if found.key == search_inputs.STALE_KEY)
    assert not fresh["stale"].any()
    count = int(toggle.label.split()[1].replace(",", ""))
    toggle.set_value(True).run()
    everything = table(shown(app), "offer_id")
    assert len(everything) == len(fresh) + count
    assert everything["stale"].sum() == count
    assert everything["usd_per_request"].is_monotonic_increasing


def test_the_page_says_who_comes_second_and_what_would_change_that() -> None:
    app = opened()
    second = table(app, "offer_id").iloc[1]
    said = with_reasons(app)[0]
    assert str(second["provider"]) in said
    assert "level at" in said
    assert "too close to call" in said or "do not overlap" in said or "nothing but the price" in said


def test_every_configuration_is_counted_and_those_refused_can_be_looked_at() -> None:
    app = opened()
    app.multiselect(key="inferplan.compare.tp").set_value([1, 3]).run()
    tried = table(shown(app), "outcome")
    assert set(tried["tp"]) == {1, 3}
    assert (tried.loc[tried["tp"] == 3, "outcome"] == "cannot be split so").all()
    expander = next(found.label for found in app.expander if "configurations were tried" in found.label)
    assert int(expander.split()[0].replace(",", "")) == tried["loads"].sum()


def test_ways_to_serve_are_tried_and_the_chosen_one_becomes_the_plan() -> None:
    app = opened()
    app.multiselect(key="inferplan.compare.engines").set_value(["sglang", "tensorrt-llm"]).run()
    assert set(table(shown(app), "offer_id")["engine"]) <= {"sglang", "tensorrt-llm"}
    assert set(table(app, "outcome")["engine"]) == {"sglang", "tensorrt-llm"}


def test_energy_ranks_by_energy() -> None:
    app = opened()
    app.selectbox(key="inferplan.compare.rank").set_value("kwh_per_mtok").run()
    assert table(shown(app), "offer_id")["kwh_per_mtok"].is_monotonic_increasing
    assert "Best by energy" in app.success[0].value


def test_a_stopped_comparison_keeps_what_it_did_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened()
    begun_at: list[int] = []
    step = Sweep.step

    def step_and_press_stop(sweep: Sweep) -> bool:
        begun_at.append(sweep.deployments_done)
        more = step(sweep)
        if len(begun_at) == 3:  # as a press does: its callback, then the script from its beginning
            st.session_state[running.RUNNING].stop()
            st.rerun()
        return more

    monkeypatch.setattr(running, "SILENT_S", 0.0)
    monkeypatch.setattr(Sweep, "step", step_and_press_stop)
    app.multiselect(key="inferplan.compare.weights").set_value(["fp8", "bf16", "int8"]).run()
    assert "Stopped after" in shown(app).info[0].value
    assert len(app.dataframe) == 0
    app.button(key=f"{running.RUNNING}.go_on").click().run()
    assert len(table(shown(app), "outcome")) > 3 * STEP
    assert len(begun_at) > 3
    assert begun_at == [STEP * number for number in range(len(begun_at))]
    assert set(table(app, "outcome")["weights_dtype"]) == {"fp8", "bf16", "int8"}


def test_a_question_that_was_answered_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    opened()
    monkeypatch.setattr(Sweep, "step", lambda sweep: pytest.fail("swept again"))
    assert len(table(opened(), "offer_id")) > 10


def rates(app: AppTest) -> list[float]:
    return sorted(table(shown(app), "requests_per_s")["requests_per_s"])


def test_several_models_are_served_by_whole_machines_and_survive_another_page() -> None:
    app = opened()
    app.session_state[SERVE] = "Several models"
    app.run()
    bought = table(shown(app), "gpus_idle")
    assert app.success[0].value.startswith("\\$")
    assert bought["machines"].min() >= 1
    assert rates(app) == [6.0, 14.0]
    app.number_input(key=portfolio_views.RATE).set_value(2.0).run()
    assert rates(app) == pytest.approx([0.6, 1.4])
    app.switch_page(str(page_path("fit"))).run()
    app.switch_page(PAGE).run()
    assert rates(app) == pytest.approx([0.6, 1.4])


def test_a_portfolio_file_that_is_wrong_says_what_is_wrong() -> None:
    app = opened()
    app.session_state[SERVE] = "Several models"
    app.run()
    document = {"requests_per_s": 3, "models": [{"share": 0.5, "model": "Qwen/Qwen3-8B"}]}
    app.file_uploader(key=portfolio_views.UPLOAD).upload("models.json", json.dumps(document).encode()).run()
    assert "must sum to 1" in shown(app).error[0].value


def test_pools_of_their_own_are_left_out_of_the_comparison_and_of_what_follows_from_it() -> None:
    app = opened()
    pools = {"prefill_gpus": 4, "tp": 1, "dp": 8, "prefill_tp": 2}
    app.session_state[state.CASE] = state.FIRST_CASE.model_copy(update=pools)
    app.run()
    assert len(table(shown(app), "offer_id")) > 10
