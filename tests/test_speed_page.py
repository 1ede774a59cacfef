"""The page Speed as Streamlit runs it: the load, the latency, what else can be served."""

from collections.abc import Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from inferplan.dashboard import formats, state
from inferplan.dashboard.inputs import AT_A_RATE, IN_FLIGHT
from inferplan.dashboard.navigation import page_path
from inferplan.dashboard.serving.inputs import BEST, TOGETHER
from inferplan.planner.case import Case
from inferplan.planner.performance import estimate


@pytest.fixture(autouse=True)
def let_go_of_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INFERPLAN_DB", ":memory:")
    yield
    st.cache_resource.clear()


def opened() -> AppTest:
    return checked(AppTest.from_file(str(page_path("speed")), default_timeout=60).run())


def checked(app: AppTest) -> AppTest:
    assert [error.message for error in app.exception] == []
    return app


def case_of(app: AppTest) -> Case:
    found = app.session_state[state.CASE]
    assert isinstance(found, Case)
    return found


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_percentiles_are_known_under_a_rate_and_said_to_be_unknown_without_one() -> None:
    app = opened()
    assert "Time to first token, P99" not in metrics(app)
    assert any("Give a request rate instead" in caption.value for caption in app.caption)
    app.selectbox(key=state.widget_key("load")).select(AT_A_RATE).run()
    app.number_input(key=state.widget_key("request_rate")).set_value(1.5).run()
    case = case_of(checked(app))
    assert case.request_rate == 1.5
    assert case.concurrency is None
    found = estimate(case.deployment(), case.workload())
    assert found.ttft_p99_s
    assert found.largest_request_rate_per_s
    assert metrics(app)["Time to first token, P99"] == formats.duration(found.ttft_p99_s.expected)
    assert app.success[0].value.startswith("**It keeps up:**")
    app.number_input(key=state.widget_key("request_rate")).set_value(50.0).run()
    assert app.error[0].value.startswith("**It does not keep up:**")
    assert "KV cache" in app.error[0].value
    app.selectbox(key=state.widget_key("load")).select(IN_FLIGHT).run()
    assert case_of(checked(app)).request_rate is None


def test_a_task_of_calls_with_reasoning_shows_what_the_user_waits_for() -> None:
    app = opened()
    app.number_input(key=state.widget_key("reasoning_multiple")).set_value(3.0).run()
    app.number_input(key=state.widget_key("calls_per_task")).set_value(10).run()
    app.number_input(key=state.widget_key("context_growth_tokens")).set_value(1000).run()
    app.number_input(key=state.widget_key("tool_wait_s")).set_value(4.0).run()
    shown = metrics(checked(app))
    assert shown["Input tokens"] == "65,000"  # 10 x 2,000 + 1,000 x (0 + 1 + ... + 9)
    assert shown["Output tokens"] == "16,000"  # 10 x 400 x (1 + 3)
    assert shown["Found in the prefix cache"] == "83%"  # (65,000 - 2,000 - 9 x 1,000) / 65,000
    assert float(shown["First visible token"].split()[0]) > 30
    app.number_input(key=state.widget_key("calls_per_task")).set_value(1).run()
    case = case_of(checked(app))
    assert case.context_growth_tokens is None
    assert case.tool_wait_s == 0


def test_drafts_and_pools_are_chosen_and_let_go() -> None:
    app = opened()
    app.number_input(key=state.widget_key("speculative.draft_tokens")).set_value(3).run()
    app.number_input(key=state.widget_key("speculative.acceptance_rate")).set_value(5).run()
    assert case_of(checked(app)).speculative is not None
    assert any("hurt" in text.value for text in app.markdown)
    app.number_input(key=state.widget_key("speculative.draft_tokens")).set_value(None).run()
    assert case_of(checked(app)).speculative is None
    app.number_input(key=state.widget_key("dp")).set_value(4).run()
    app.selectbox(key=state.widget_key("prefill_gpus")).select(BEST).run()
    assert case_of(checked(app)).prefill_gpus == "best"
    assert "Prefill and decode apart" in [header.value for header in app.subheader]
    app.number_input(key=state.widget_key("kv_transfer_gb_per_s")).set_value(25.0).run()
    assert any("given, 25 GB/s" in text.value for text in checked(app).caption)
    app.selectbox(key=state.widget_key("prefill_gpus")).select(TOGETHER).run()
    assert case_of(checked(app)).kv_transfer_gb_per_s is None


def test_a_target_that_the_load_misses_is_said_first_and_one_that_it_keeps_too() -> None:
    app = opened()
    assert app.info[0].value.endswith("can be sustained.")
    target = app.number_input(key=state.widget_key("slo.tpot_s"))
    case = case_of(app)
    tpot_s = estimate(case.deployment(), case.workload()).tpot_s.expected
    target.set_value(tpot_s * 1000 - 1).run()
    assert app.error[0].value.startswith(
        f"**It misses the latency target:** time per output token {formats.duration(tpot_s)} instead of"
    )
    app.number_input(key=state.widget_key("slo.tpot_s")).set_value(tpot_s * 1000 + 1).run()
    assert app.success[0].value.startswith("**It keeps the latency target:**")
    assert not app.error
