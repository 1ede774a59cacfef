"""Plans, Economics and why a cost changed follow own measurements, and say what they were without them."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from inferplan.dashboard.__main__ import cli
from inferplan.dashboard.commands import plans
from inferplan.dashboard.navigation import page_path
from inferplan.dashboard.plans.report import plan_report
from inferplan.datasets.measurements import Deployed, complete, land, own_measurements, read_file
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.planner.case import Case
from inferplan.planner.performance import OwnEvidence
from inferplan.planner.performance.own_evidence import own_evidence, usable
from inferplan.planner.plan import Plan
from inferplan.planner.plan_change import explain_plans
from inferplan.planner.plan_results import evaluate
from inferplan.planner.planned import planned

NOON = datetime(2026, 11, 21, 12)
RUNS = Path(__file__).parent / "data" / "measurements" / "guidellm_0_5.json"
DEPLOYED = {
    "model": "meta-llama/Llama-3.3-70B-Instruct", "gpu": "H200 SXM", "engine": "vllm", "tp": 2,
    "weights_dtype": "fp8",
}  # fmt: skip
CASE = Case.read(
    {
        **DEPLOYED, "max_model_len": 32768, "input_tokens": 2000, "output_tokens": 400, "concurrency": 16,
        "usd_per_gpu_hour": 4.0,
    }
)  # fmt: skip
PLAN = Plan(id="p", name="Chat", created_at=NOON, updated_at=NOON, case=CASE)


@pytest.fixture
def own(own_warehouse: Path) -> OwnEvidence:
    with Warehouse.open(own_warehouse) as warehouse:
        found = read_file(RUNS)
        land(warehouse, found, complete(found, Deployed.model_validate(DEPLOYED), NOON))
        plan_store.save(warehouse, PLAN)
        evidence = own_evidence(usable(own_measurements(warehouse)).runs)
    assert evidence is not None
    return evidence


def test_a_plan_costs_what_its_measured_throughput_makes_of_it(own: OwnEvidence) -> None:
    before, after = evaluate(PLAN), evaluate(PLAN, own)
    assert after.published_alone == before
    assert before.published_alone is None
    assert before.estimate is not None
    assert after.estimate is not None
    assert before.cost is not None
    assert after.cost is not None
    ratio = before.estimate.output_tokens_per_s.expected / after.estimate.output_tokens_per_s.expected
    assert abs(ratio - 1) > 0.02
    costs = [float(one.usd_per_request.expected) for one in (before.cost, after.cost)]
    assert costs[1] / costs[0] == pytest.approx(ratio, rel=1e-3)  # rounded to a millionth of a dollar
    assert "drawn to 2 own measurements" in after.estimate_reason
    [table] = [one for one in plan_report(after, made_at=NOON).tables if one.title == "Own measurements"]
    assert "Output tokens" in [row[0] for row in table.rows]


def test_economics_take_the_same_estimate_as_plans(own: OwnEvidence) -> None:
    found, results = planned(CASE, None, own), evaluate(PLAN, own)
    assert found.estimate == results.estimate
    rate = CASE.model_copy(update={"concurrency": None, "request_rate": 0.5})
    shares = [planned(rate, None, one).planned_share for one in (None, own)]
    speeds = [planned(rate, None, one).estimate.output_tokens_per_s.expected for one in (None, own)]
    assert float(shares[0] / shares[1]) == pytest.approx(speeds[1] / speeds[0])


def test_why_a_cost_changed_rests_on_own_measurements_on_both_sides(own: OwnEvidence) -> None:
    other = PLAN.model_copy(update={"case": CASE.model_copy(update={"usd_per_gpu_hour": 5.0})})
    steps = explain_plans(evaluate(PLAN, own), evaluate(other, own)).steps
    assert {step.label: step.usd for step in steps if step.usd} == {"price": 2 * 730}


def test_the_commands_follow_own_measurements_unless_told_not_to(own: OwnEvidence) -> None:
    load = CASE.model_dump(include={"max_model_len", "input_tokens", "output_tokens", "concurrency"})
    options = [f"--{name.replace('_', '-')}={value}" for name, value in {**DEPLOYED, **load}.items()]
    answers = []
    for extra in ([], ["--ignore-own-measurements"]):
        arguments = ["economics", *options, "--usd-per-gpu-hour=4", "--json", *extra]
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        answers.append(json.loads(done.stdout))
    drawn, published = answers
    for answer, one in ((drawn, own), (published, None)):
        cost = evaluate(PLAN, one).cost
        assert cost is not None
        assert answer["usd_per_mtok_output"]["expected"] == str(cost.usd_per_mtok_output.expected)
    assert any(note.startswith("Your own measurements move") for note in drawn["notes"])
    assert not any("Your own measurements" in note for note in published["notes"])
    assert drawn["published_alone"]["usd_per_mtok_output"] == published["usd_per_mtok_output"]
    assert published["published_alone"] is None
    assert CliRunner().invoke(plans.command, ["why", "p", "p", "--ignore-own-measurements"]).exit_code == 0


def test_the_page_shows_the_plan_before_and_after(own: OwnEvidence) -> None:
    app = AppTest.from_file(page_path("plans"), default_timeout=60)
    app.query_params["inferplan-plan"] = "p"
    app.run()
    assert not app.exception
    [table] = [one.value for one in app.table if "Drawn to your measurements" in one.value.columns]
    after = {figure.label: figure for figure in evaluate(PLAN, own).figures()}
    assert after["Time per output token"].value is not None
    shown = table.loc["Time per output token", "Drawn to your measurements"]
    assert shown.startswith(f"{after['Time per output token'].value * 1000:.3g}")
