"""The pages run as Streamlit runs them, without a browser: what they show, keep and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from inferplan.dashboard import state
from inferplan.dashboard.navigation import PAGES, page_path
from inferplan.datasets import catalog
from inferplan.planner.case import Case

APP = Path(state.__file__).with_name("app.py")
TAB = "inferplan.fit.tab"
OWN_PAGES = ("overview", "fit", "tokens_per_dollar")


def opened(stem: str = "overview", **parameters: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.query_params.update(parameters)
    app.run()
    return shown(app if stem == PAGES[0].stem else app.switch_page(str(page_path(stem))).run())


def shown(app: AppTest) -> AppTest:
    assert [(error.message, error.stack_trace) for error in app.exception] == []
    return app


def metric(app: AppTest, label: str) -> str:
    return next(found.value for found in app.metric if found.label == label)


def case_of(app: AppTest) -> Case:
    return app.session_state[state.CASE]


def texts(app: AppTest) -> str:
    return " ".join(
        found.value for kind in (app.markdown, app.success, app.error, app.caption) for found in kind
    )


@pytest.mark.parametrize("stem", OWN_PAGES)
def test_page_opens_on_an_empty_warehouse(stem: str) -> None:
    assert len(opened(stem).title) == 1


def test_fit_answers_for_llama_70b_on_one_h200() -> None:
    app = opened("fit")
    # 67.72 GiB is what vLLM printed for this model in FP8: llm-d/llm-d-benchmark issue 345
    assert metric(app, "Weights per GPU") == "67.7 GiB"
    assert app.success[0].value.startswith("**It fits:**")
    # 80 layers x 8 KV heads x 128 x (K and V) x 2 bytes
    kv = next(found for found in app.metric if found.label == "KV cache per GPU")
    assert kv.help == "320 KiB for each token"


def test_what_does_not_fit_names_what_is_missing_and_one_press_repairs_it() -> None:
    app = opened("fit")
    app.selectbox(key=state.widget_key("gpu")).select("L40S").run()
    assert shown(app).error[0].value.startswith("**It does not fit:**")
    assert metric(app, "Missing per GPU").endswith("GiB")
    change = next(button for button in app.button if button.label == "Do it")
    change.click().run()
    assert shown(app).success[0].value.startswith("**It fits:**")


def test_a_change_is_kept_when_the_page_is_switched() -> None:
    app = opened("fit")
    app.number_input(key=state.widget_key("tp")).set_value(2).run()
    app.switch_page(str(page_path("tokens_per_dollar"))).run()
    app.switch_page(str(page_path("fit"))).run()
    assert shown(app).number_input(key=state.widget_key("tp")).value == 2
    assert case_of(app).tp == 2


def test_a_new_session_with_the_same_address_goes_on_where_the_last_one_was() -> None:
    before = opened("fit")
    before.number_input(key=state.widget_key("max_model_len")).set_value(20_000).run()
    draft = before.session_state[state.DRAFT]
    after = opened("fit", **{state.DRAFT_PARAMETER: draft})
    assert case_of(after).max_model_len == 20_000


def test_two_sessions_from_one_address_never_write_over_each_other() -> None:
    first = opened("fit")
    first.number_input(key=state.widget_key("tp")).set_value(2).run()
    draft = first.session_state[state.DRAFT]
    second = opened("fit", **{state.DRAFT_PARAMETER: draft})
    second.number_input(key=state.widget_key("tp")).set_value(4).run()
    assert case_of(opened("fit", **{state.DRAFT_PARAMETER: draft})).tp == 2
    assert case_of(opened("fit", **{state.DRAFT_PARAMETER: second.session_state[state.DRAFT]})).tp == 4


@pytest.mark.parametrize("value", ["2garbage", "1AAAA", "1" + "A" * 5000, "%00"])
def test_a_broken_link_says_so_and_shows_the_example(value: str) -> None:
    app = opened(**{state.LINK_PARAMETER: value})
    assert case_of(app) == state.FIRST_CASE
    assert "link" in app.error[0].value


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("config.json", b"not json", "config.json: The config is not valid JSON"),
        ("weights.json", b"[1, 2]", "weights.json: A config is a JSON object"),
        ("config.json", b"{}", "missing hidden_size"),
        ("config.json", b'{"model_type": "llama", "hidden_size": -1}', "missing vocab_size"),
        ("deep.json", b"[" * 100_000, "deep.json: The config is nested deeper"),
        ("binary.json", b"\xff\xfe\x00PAR1", "binary.json: The config is not valid JSON"),
    ],
)
def test_an_upload_that_is_no_config_is_refused_by_name(name: str, content: bytes, says: str) -> None:
    app = opened("fit")
    app.file_uploader(key=state.widget_key("config")).upload(name, content).run()
    assert says in shown(app).error[0].value.replace("\\", "")
    assert case_of(app) == state.FIRST_CASE


def test_an_uploaded_config_gives_the_same_answer_as_the_catalog() -> None:
    by_name = opened("fit")
    config = catalog.model_config("meta-llama/Llama-3.3-70B-Instruct")
    app = opened("fit")
    app.file_uploader(key=state.widget_key("config")).upload("my.json", json.dumps(config).encode()).run()
    assert case_of(shown(app)).config is not None
    assert "my" in texts(app)
    for label in ("Weights per GPU", "KV cache per GPU", "Tokens in the cache"):
        assert metric(app, label) == metric(by_name, label)


def test_a_format_that_nobody_knows_is_answered_with_the_nearest() -> None:
    app = opened("fit")
    state_case = case_of(app).model_copy(update={"weights_dtype": "awq-int3"})
    app.session_state[state.CASE] = state_case
    assert "awq-int4" in shown(app.run()).error[0].value.replace("\\", "")


def test_a_pasted_log_is_laid_beside_the_prediction() -> None:
    app = opened("fit")
    app.session_state[TAB] = "Compare with a log"
    app.run()
    log = "\n".join(
        (
            "INFO 04-02 [gpu_model_runner.py:1347] Model loading took 67.7200 GiB and 90 seconds",
            "INFO 04-02 [gpu_worker.py:227] Available KV cache memory: 53.20 GiB",
            "INFO 04-02 [kv_cache_utils.py:629] GPU KV cache size: 174,336 tokens",
        )
    )
    app.session_state[TAB] = "Compare with a log"  # a browser sends the open tab with every change
    app.text_area(key="inferplan.fit.log").input(log).run()
    table = next(found.value for found in shown(app).markdown if "|Log|" in found.value)
    assert "weights" in table
    assert "174,300" in table or "174,336" in table


def test_offers_are_ranked_with_source_and_date_beside_each_price() -> None:
    app = opened("tokens_per_dollar")
    frame = app.dataframe[0].value
    assert (frame["usd_per_request"].diff().dropna() >= 0).all()
    assert frame["price_date"].notna().all()
    assert (frame["source"].str.len() > 0).all()
    assert (frame["purchase_option"] == "on_demand").all()
    expected = frame["usd_per_mtok_output"]
    assert (frame["usd_per_mtok_output_low"] < expected).all()
    assert (expected < frame["usd_per_mtok_output_high"]).all()


def test_a_target_that_nothing_keeps_says_why_for_each_offer() -> None:
    app = opened("tokens_per_dollar")
    app.number_input(key=state.widget_key("slo.tpot_s")).set_value(1.0).run()
    assert case_of(app).slo.tpot_s == pytest.approx(0.001)
    assert "No offer serves this" in shown(app).error[0].value
    assert app.dataframe[0].value["reason"].str.contains("misses the latency target").any()


def test_the_overview_counts_what_is_known_and_loads_the_sample_fleet_once() -> None:
    app = opened()
    assert f"|Models|{len(catalog.models())}|" in texts(app)
    app.button(key="inferplan.overview.load_sample").click().run()
    assert "sample fleet" in texts(shown(app))
    assert "inferplan.overview.load_sample" not in [button.key for button in app.button]


def test_published_runs_near_the_estimate_are_shown_with_their_source() -> None:
    app = opened("tokens_per_dollar")
    app.session_state["inferplan.compare.near"] = True
    runs = next(found.value for found in shown(app.run()).dataframe if "Differs in" in found.value)
    assert (runs["Source"].str.len() > 0).all()
    assert runs["TPOT"].notna().any()


def test_without_a_database_fit_still_answers_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path))  # a folder, not a file
    assert str(tmp_path) in opened().warning[0].value.replace("\\", "")
    app = opened("fit")
    assert metric(app, "Weights per GPU") == "67.7 GiB"
    app.number_input(key=state.widget_key("tp")).set_value(2).run()
    assert case_of(shown(app)).tp == 2
    assert str(tmp_path) in app.error[0].value.replace("\\", "")
