"""Own measurements on the page Tokens per dollar: what they change is shown, and taken back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from streamlit.testing.v1 import AppTest

from inferplan.dashboard import state
from inferplan.dashboard.navigation import page_path
from inferplan.datasets.measurements import Deployed, complete, files, land, read_file
from inferplan.datasets.warehouse import Warehouse

APP = Path(state.__file__).with_name("app.py")
SAMPLES = Path(__file__).parent / "data" / "measurements"
ANSWERS = Deployed(
    model="meta-llama/Llama-3.3-70B-Instruct", gpu="H200 SXM", engine="vllm", tp=2, weights_dtype="fp8"
)


def opened() -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app = app.switch_page(str(page_path("tokens_per_dollar"))).run()
    assert [(error.message, error.stack_trace) for error in app.exception] == []
    return app


def texts(app: AppTest) -> str:
    kinds = (app.markdown, app.success, app.error, app.caption, app.subheader)
    return " ".join(found.value for kind in kinds for found in kind)


def test_without_measurements_the_section_only_offers_to_bring_some() -> None:
    app = opened()
    assert "Your own measurements" in texts(app)
    assert "Measured your own deployment?" in texts(app)
    assert not [box for box in app.selectbox if box.label == "Estimate of"]


def test_measurements_are_shown_with_what_they_change_and_taken_back() -> None:
    found = read_file(SAMPLES / "guidellm_0_5.json")
    with Warehouse.open() as warehouse:
        land(warehouse, found, complete(found, ANSWERS, datetime(2026, 11, 21)))
    app = opened()
    [choice] = [box for box in app.selectbox if box.label == "Estimate of"]
    assert choice.value == "Measured: Llama-3.3-70B-Instruct · 2 × H200 SXM · vllm · fp8"
    shown = texts(app)
    assert "2 runs of this deployment" in shown
    assert "drawn to 2 own measurements of 2026-11-20" in shown
    assert "Each token: " in shown
    app = choice.set_value(choice.options[-1]).run()
    assert "First of the ranking" in choice.options[-1]
    [button] = [button for button in app.button if button.label == "Remove"]
    app = button.click().run()
    assert "Took guidellm\\_0\\_5.json out again, whole" in texts(app)
    assert "Measured your own deployment?" in texts(app)
    with Warehouse.open() as warehouse:
        assert files(warehouse) == ()
