"""How long requests took, as the page Rightsizing, its download and `inferplan rightsize` show it."""

import json
from pathlib import Path

from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from inferplan.dashboard.__main__ import cli
from inferplan.dashboard.navigation import page_path

KEY = "inferplan.rightsizing."
BUSY = "llm-prod/llama70b-7c9d5b7f6c-x2k4p"


def opened(**session: object) -> AppTest:
    app = AppTest.from_file(str(page_path("rightsizing")), default_timeout=60)
    for name, value in session.items():
        app.session_state[f"{KEY}{name}"] = value
    app.run()
    assert not app.exception
    return app


def test_the_usage_tab_tells_the_bounds_by_process_and_by_model(sample_fleet: Path) -> None:
    app = opened(tab="Usage")
    by_process = app.dataframe[1].value.set_index("group")
    assert by_process.loc[BUSY, ["p95", "p99"]].tolist() == ["5 to 10 s", "more than 10 s"]
    assert set(by_process["basis"]) == {"histogram of requests"}
    app.segmented_control(key=f"{KEY}by").set_value("model").run()
    by_model = app.dataframe[1].value.set_index("group")
    chat = by_process[by_process.index.str.startswith("chat/llama8b")]
    assert by_model.loc["meta-llama/Llama-3.1-8B-Instruct", "observations"] == chat["observations"].sum()


def test_a_missed_target_is_told_with_its_bounds(sample_fleet: Path) -> None:
    app = opened()
    app.number_input(key=f"{KEY}profile.ttft_target_s").set_value(3000).run()
    app.segmented_control(key=f"{KEY}profile.latency_percentile").set_value("p90").run()
    assert not app.exception
    told = CliRunner().invoke(
        cli, ["rightsize", "--json", "--set", "ttft_target_s=2", "--set", "latency_percentile=p90"]
    )
    [busy] = [one for one in json.loads(told.output) if one["entity"] == BUSY]
    [sign] = [one for one in busy["evidence"] if one["metric"] == "ttft_s"]
    assert (sign["low"], sign["high"], sign["limit"], sign["statistic"]) == (2.5, 5.0, 2.0, "p90")
    printed = CliRunner().invoke(cli, ["rightsize", "--set", "ttft_target_s=2"]).output
    assert "(5 to 10), against 2 (" in printed
    assert "by histogram of requests over 28.0 days)" in printed
