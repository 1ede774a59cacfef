"""The page Fit takes adapters, drafts and shared prefixes, and everything on it answers with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from inferplan.dashboard import cached, state
from inferplan.dashboard.memory_inputs import NO_DRAFTS, OWN_LAYERS
from inferplan.dashboard.navigation import page_path
from inferplan.planner.case import Case

QWEN = Case(model="Qwen/Qwen3-8B", gpu="H100 SXM", engine_version="0.11.0", max_model_len=4096)


def opened(case: Case = QWEN) -> AppTest:
    app = AppTest.from_file(str(Path(state.__file__).with_name("app.py")), default_timeout=60)
    app.session_state[state.CASE] = case
    app.run()
    return shown(app.switch_page(str(page_path("fit"))).run())


def shown(app: AppTest) -> AppTest:
    assert [(error.message, error.stack_trace) for error in app.exception] == []
    return app


def case_of(app: AppTest) -> Case:
    return app.session_state[state.CASE]


def sequences(app: AppTest) -> float:
    return float(next(m.value for m in app.metric if m.label.startswith("Sequences of")).replace(",", ""))


def test_adapters_take_room() -> None:
    app = opened()
    before = sequences(app)
    app.number_input(key=state.widget_key("lora_rank")).set_value(64).run()
    app.number_input(key=state.widget_key("max_loras")).set_value(16).run()
    assert (case_of(app).lora_rank, case_of(app).max_loras) == (64, 16)
    assert sequences(shown(app)) < before


def test_a_draft_model_takes_room_and_goes_again() -> None:
    app = opened()
    before = sequences(app)
    app.selectbox(key=state.widget_key("draft_model")).select("Qwen/Qwen3-0.6B").run()
    app.number_input(key=state.widget_key("draft_tokens")).set_value(3).run()
    assert (case_of(app).draft_model, case_of(app).draft_tokens) == ("Qwen/Qwen3-0.6B", 3)
    # its cache is 114,688 bytes a token beside 147,456
    assert sequences(shown(app)) == pytest.approx(before * 147_456 / 262_144, rel=0.05)
    app.selectbox(key=state.widget_key("draft_model")).select(NO_DRAFTS).run()
    assert case_of(shown(app)) == QWEN


def test_a_model_without_such_layers_says_so() -> None:
    app = opened()
    app.selectbox(key=state.widget_key("draft_model")).select(OWN_LAYERS).run()
    assert "no layers for multi-token prediction" in shown(app).error[0].value


def test_a_shared_prefix_is_held_once_and_needs_prefix_caching() -> None:
    app = opened()
    before = sequences(app)
    app.number_input(key=state.widget_key("shared_prefix_tokens")).set_value(3072).run()
    assert sequences(shown(app)) > 3.5 * before
    app.selectbox(key=state.widget_key("enable_prefix_caching")).select(False).run()
    assert case_of(shown(app)).shared_prefix_tokens == 0


def test_the_launch_tab_and_every_gpu_know_them() -> None:
    case = QWEN.model_copy(update={"lora_rank": 16, "max_loras": 4, "enable_prefix_caching": False})
    app = opened(case)
    app.session_state["inferplan.fit.tab"] = "Launch"
    command = " ".join(found.value for found in shown(app.run()).code)
    assert "--max-loras 4" in command
    assert "--no-enable-prefix-caching" in command
    on_h100 = next(found for found in cached.every_gpu(case) if found.gpu.name == "H100 SXM")
    assert on_h100.fit.memory.adapter_bytes == 4 * 43_646_976 * 2


def test_sizes_that_cannot_be_are_named_with_their_reason() -> None:
    app = opened()
    said = next(found.value for found in app.caption if "cannot have" in found.value)
    # 32 attention heads: 3, 5, 6 and 7 do not divide them
    assert all(size in said for size in "3567")
    assert "32 attention heads do not divide" in said


def test_the_launch_tab_shows_both_manifests() -> None:
    app = opened()
    app.session_state["inferplan.fit.tab"] = "Launch"
    manifests = [found.value for found in shown(app.run()).code]
    assert any('kind: "Deployment"' in text for text in manifests)
    assert any('kind: "InferenceService"' in text for text in manifests)
