"""The section of own measurements: what they change is shown, asked, landed and taken back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from streamlit.testing.v1 import AppTest

from inferplan.datasets.measurements import Deployed, complete, files, land, own_measurements, read_file
from inferplan.datasets.warehouse import Warehouse

SAMPLES = Path(__file__).parent / "data" / "measurements"
ANSWERS = Deployed(
    model="meta-llama/Llama-3.3-70B-Instruct", gpu="H200 SXM", engine="vllm", tp=2, weights_dtype="fp8"
)


def section() -> None:
    from inferplan.dashboard.connection import warehouse
    from inferplan.dashboard.measurements.views import show_own
    from inferplan.dashboard.state import FIRST_CASE

    show_own(warehouse(), FIRST_CASE)


def opened(*, adding: bool = False) -> AppTest:
    app = AppTest.from_function(section, default_timeout=60)
    app.session_state["inferplan.measurements.add"] = adding
    app.run()
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
    assert "| Time per output token | " in shown
    app = choice.set_value(choice.options[-1]).run()
    assert "First of the ranking" in choice.options[-1]
    [button] = [button for button in app.button if button.label == "Remove"]
    app = button.click().run()
    assert "Took guidellm\\_0\\_5.json out again, whole" in texts(app)
    assert "Measured your own deployment?" in texts(app)
    with Warehouse.open() as warehouse:
        assert files(warehouse) == ()


def test_a_dropped_file_asks_for_what_it_does_not_say_then_lands() -> None:
    app = opened(adding=True)
    name = "genai_perf.json"
    app = app.file_uploader[0].upload(name, (SAMPLES / name).read_bytes()).run()
    assert app.info[-1].value.startswith("Still open: GPU, Tensor parallel and Weights.")
    fields = {box.label: box for box in app.selectbox}
    assert (fields["Model"].value, fields["Engine"].value) == (ANSWERS.model, "vllm")
    fields["GPU"].set_value("H200 SXM")
    next(box for box in app.selectbox if box.label == "Weights" and "checkpoint" in box.options).set_value(
        "fp8"
    )
    app = next(box for box in app.number_input if box.label == "Tensor parallel").set_value(2).run()
    app = next(button for button in app.button if button.label == "Import 1 run").click().run()
    assert "Imported 1 run of genai\\_perf.json" in texts(app)
    with Warehouse.open() as warehouse:
        [kept] = own_measurements(warehouse)
    assert (kept.gpu, kept.tp, kept.weights_dtype, kept.concurrency, kept.tpot_s) == (
        "H200 SXM", 2, "fp8", 8, 0.0165,
    )  # fmt: skip


def test_a_file_that_is_no_result_is_refused_in_words() -> None:
    app = opened(adding=True)
    app = app.file_uploader[0].upload("x.json", b'{"a": 1}').run()
    assert "x.json is no result that we read" in texts(app)


def test_several_files_of_one_deployment_are_asked_about_once() -> None:
    app = opened(adding=True)
    names = ("vllm_bench_serve_append.json", "vllm_sweep_summary.csv", "aiperf.csv")
    files_ = [(name, (SAMPLES / name).read_bytes(), "text/plain") for name in names]
    app = app.file_uploader[0].set_value(files_).run()
    assert app.info[-1].value.startswith("Still open:")
    app.number_input(
        key=next(box.key for box in app.number_input if box.label == "Tensor parallel")
    ).set_value(2)
    for box in app.selectbox:
        if box.label in ("Model", "Engine", "GPU", "Weights") and box.key.startswith(
            "inferplan.measurements."
        ):
            box.set_value(
                {"Model": ANSWERS.model, "Engine": "vllm", "GPU": "H200 SXM", "Weights": "fp8"}[box.label]
            )
    app.run()
    app = next(button for button in app.button if button.label == "Import 5 runs").click().run()
    with Warehouse.open() as warehouse:
        assert sorted(one.file_name for one in files(warehouse)) == sorted(names)
