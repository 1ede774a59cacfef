"""Plans of several models: saved with their prices, reopened the same, set beside today's, shared, undone."""

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from inferplan.dashboard import state
from inferplan.dashboard.__main__ import cli
from inferplan.dashboard.comparing import portfolio_views
from inferplan.dashboard.navigation import page_path
from inferplan.dashboard.plans import actions as plan_actions
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner import plan_store
from inferplan.planner.case import Case
from inferplan.planner.fleet_plan_results import evaluate_fleet, fleet_among
from inferplan.planner.offer_search import Search
from inferplan.planner.plan import FleetPlan, Plan, canonical_json, plan_file, read_plan
from inferplan.planner.plan_change import explain_plans
from inferplan.planner.plan_comparison import compare_plans
from inferplan.planner.plan_link import plan_of_link, share_value
from inferplan.planner.plan_results import evaluate
from inferplan.planner.portfolio import Portfolio
from inferplan.pricing.waterfall import cost_usd

NOON = datetime(2026, 11, 21, 12)
DAY = date(2026, 11, 21)
DOCUMENT: dict[str, Any] = {
    "requests_per_s": 12.0,
    "models": [
        {"share": 0.7, "model": "Qwen/Qwen3-32B", "weights_dtype": "fp8", "input_tokens": 2000,
         "output_tokens": 300, "max_model_len": 8192, "slo": {"tpot_s": 0.05}},
        {"share": 0.3, "model": "meta-llama/Llama-3.1-8B-Instruct", "input_tokens": 1000,
         "output_tokens": 200, "max_model_len": 8192, "slo": {"tpot_s": 0.05}},
    ],
}  # fmt: skip
PRICES = (("H100 SXM", 8, "20"), ("H100 SXM", 1, "3.2"), ("L40S", 4, "5"), ("A100 SXM 80GB", 8, "12"))
SEARCH = Search(tensor_parallel=(1, 2), concurrencies=(16, 64, 256), providers=("test",))


def offers(observed_on: date = date(2026, 11, 1)) -> list[Offer]:
    return [
        Offer(
            provider="test", instance_type=f"{count} x {gpu}", gpu=gpu, gpu_count=count, region="here",
            purchase_option="on_demand", usd_per_hour=Decimal(usd), observed_on=observed_on,
            date_basis="test", source="a test",
        )
        for gpu, count, usd in PRICES
    ]  # fmt: skip


def made(document: dict[str, Any] = DOCUMENT, **changes: Any) -> FleetPlan:
    said = {"id": "f", "name": "Assistant", "created_at": NOON, "updated_at": NOON, "priced_on": DAY}
    portfolio = Portfolio.read(document)
    return FleetPlan.model_validate({**said, "portfolio": portfolio, "search": SEARCH, **changes})


@pytest.fixture(scope="module")
def priced() -> FleetPlan:
    with Warehouse.open(MEMORY) as warehouse:
        return fleet_among(warehouse, made(), offers(), DAY).plan


def test_reopened_at_its_own_prices_a_plan_says_what_it_said(priced: FleetPlan) -> None:
    with Warehouse.open(MEMORY) as warehouse:
        first, again = fleet_among(warehouse, made(), offers(), DAY), evaluate_fleet(warehouse, priced)
        later = evaluate_fleet(warehouse, priced.model_copy(update={"updated_at": datetime(2028, 1, 1)}))
    assert 0 < len(priced.prices) < len(PRICES)
    assert first.figures() == again.figures() == later.figures()
    assert first.fleet is not None
    assert again.fleet is not None
    assert first.fleet.apart_usd_per_hour == again.fleet.apart_usd_per_hour


def test_the_months_of_its_models_sum_to_its_machines(priced: FleetPlan) -> None:
    with Warehouse.open(MEMORY) as warehouse:
        found = evaluate_fleet(warehouse, priced)
    month = found.month()
    assert list(month) == ["Qwen/Qwen3-32B", "meta-llama/Llama-3.1-8B-Instruct"]
    assert found.usd_per_hour is not None
    assert cost_usd(month) == pytest.approx(found.usd_per_hour * 730, rel=Decimal("1e-12"))
    tokens = [float(one.tokens) / 730 / 3600 for one in month.values()]
    assert tokens == pytest.approx([12 * 0.7 * 2300, 12 * 0.3 * 1200])
    assert all(0 < one.utilization <= 1 for one in month.values())


def test_dearer_machines_are_price_alone_and_a_case_compares_with_a_portfolio(priced: FleetPlan) -> None:
    dearer = priced.model_copy(
        update={
            "prices": tuple(
                one.model_copy(update={"usd_per_hour": (one.usd_per_hour or 0) * 2}) for one in priced.prices
            )
        }
    )
    load = {"input_tokens": 2000, "output_tokens": 300, "concurrency": 16, "usd_per_gpu_hour": 3.0}
    alone = Plan(id="c", name="Alone", created_at=NOON, updated_at=NOON, case=Case.read(
        {"model": "Qwen/Qwen3-32B", "gpu": "H100 SXM", "weights_dtype": "fp8", "max_model_len": 8192, **load}
    ))  # fmt: skip
    with Warehouse.open(MEMORY) as warehouse:
        before, after = evaluate_fleet(warehouse, priced), evaluate_fleet(warehouse, dearer)
    assert before.usd_per_hour is not None
    steps = {step.label: step.usd for step in explain_plans(before, after).steps if step.usd}
    assert steps == {"price": (before.usd_per_hour * 730).quantize(Decimal("0.01"))}
    rows = {row.label: row for row in compare_plans(evaluate(alone), before).figures}
    assert rows["Cost per hour"].change == before.usd_per_hour - Decimal("3.0")
    assert "only the other plan" in rows["Weights per GPU"].second.reason
    assert "only the other plan" in rows["Machines"].first.reason
    change = explain_plans(evaluate(alone), before)
    assert change.before_usd + sum(step.usd for step in change.steps) == change.after_usd


def test_files_and_links_carry_all_of_it(priced: FleetPlan) -> None:
    assert read_plan(plan_file(priced)) == priced
    assert canonical_json(read_plan(canonical_json(priced))) == canonical_json(priced)
    link = share_value(priced)
    assert link is not None
    assert plan_of_link(link) == priced
    spoiled = plan_file(priced).replace('"share": 0.7', '"share": 0.6')
    with pytest.raises(InferplanError, match="does not match its digest"):
        read_plan(spoiled)
    shares = json.loads(canonical_json(priced).replace('"share":0.7', '"share":0.6'))
    with pytest.raises(InferplanError, match="shares must sum to 1"):
        read_plan(json.dumps(shares))


def test_it_is_listed_copied_deleted_and_brought_back(priced: FleetPlan) -> None:
    with Warehouse.open(MEMORY) as warehouse:
        plan_store.save(warehouse, priced)
        [entry] = plan_store.entries(warehouse)
        assert entry.model == "Qwen/Qwen3-32B, meta-llama/Llama-3.1-8B-Instruct"
        assert set(entry.gpu.split(", ")) == {offer.gpu for offer in priced.prices}
        copy = plan_store.load(warehouse, plan_store.duplicate(warehouse, "f", author="", at=NOON).plan_id)
        assert isinstance(copy, FleetPlan)
        assert (copy.name, copy.portfolio, copy.prices) == (
            "Assistant (copy)",
            priced.portfolio,
            priced.prices,
        )
        plan_store.delete(warehouse, "f", author="", at=NOON)
        assert [one.name for one in plan_store.entries(warehouse)] == ["Assistant (copy)"]
        plan_store.restore(warehouse, "f", author="", at=NOON)
        assert plan_store.load(warehouse, "f") == priced


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_line_saves_shows_reprices_exports_and_explains(tmp_path: Path) -> None:
    file, exported = tmp_path / "models.json", tmp_path / "plan.json"
    file.write_text(json.dumps(DOCUMENT))
    narrow = ["--gpu=H100 SXM", "--purchase-option=on_demand", "--tp=1", "--tp=2", "--in-flight=64"]
    answer = json.loads(run("compare", "--portfolio", str(file), *narrow, "--save", "Assistant", "--json"))
    plan_id = answer["plan"]
    assert "model 1.share" in run("plans", "show", plan_id)
    found = json.loads(run("plans", "today", plan_id, "--json"))
    months = [row for row in found["figures"] if row["figure"] == "Cost per month of 730 hours"]
    # the snapshot is all there is: today's machines are those of the plan
    assert {Decimal(months[0][side]) for side in ("plan", "today")} == {Decimal(answer["usd_per_month"])}
    assert all(price["offer"] in found["price today"] for price in answer["purchases"])
    assert "Tokens per dollar" in run("plans", "today", plan_id)
    run("plans", "export", plan_id, str(exported))
    assert "already saved as revision 1" in run("plans", "import", str(exported))
    steps = json.loads(run("plans", "why", plan_id, plan_id, "--json"))["steps"]
    assert {step["usd_per_month"] for step in steps[1:-1]} <= {"0.00"}


def opened(page: str, **address: str) -> AppTest:
    app = AppTest.from_file(str(Path(state.__file__).with_name("app.py")), default_timeout=120)
    for name, value in address.items():
        app.query_params[name] = value
    app.run().switch_page(str(page_path(page))).run()
    assert [error.message for error in app.exception] == []
    return app


def press(app: AppTest, label: str) -> AppTest:
    [button] = [one for one in app.button if one.label == label]
    app = button.click().run()
    assert [error.message for error in app.exception] == []
    return app


def test_a_plan_without_its_prices_says_so_and_can_take_todays() -> None:
    with Warehouse.open() as warehouse:
        plan_store.save(warehouse, made(search=Search(gpus=("H100 SXM",), tensor_parallel=(1, 2))))
    app = opened("plans", **{state.PLAN_PARAMETER: "f"})
    assert "No offer passes all filters" in app.error[0].value
    app.session_state["inferplan.plans.tab"] = "Compare two"
    app = press(app.run(), "Use today's machines and prices")
    assert "that serve all models within their targets" in app.success[0].value


def test_the_pages_keep_reopen_and_change_a_portfolio() -> None:
    app = opened("tokens_per_dollar")
    app.session_state[portfolio_views.SERVE] = portfolio_views.SEVERAL
    app.session_state["inferplan.compare.tp"] = [1, 2]
    app.session_state["inferplan.compare.gpus"] = ["H100 SXM"]
    app = press(app.run(), "Make it the current plan")
    app.switch_page(str(page_path("plans"))).run()
    link = app.query_params[state.LINK_PARAMETER]
    assert isinstance(plan_of_link(link[0] if isinstance(link, list) else link), FleetPlan)
    assert "70% meta-llama/Llama-3.3-70B-Instruct" in " ".join(one.value for one in app.markdown).replace(
        "\\", ""
    )
    app.text_input(key=plan_actions.NAME).input("Assistant")
    app = press(app, "Save")
    assert 'Saved "Assistant" as revision 1' in app.success[0].value
    with Warehouse.open() as warehouse:
        [entry] = plan_store.entries(warehouse)
        plan = plan_store.load(warehouse, entry.plan_id)
    assert isinstance(plan, FleetPlan)
    assert plan.search == Search(gpus=("H100 SXM",), purchase_options=("on_demand",), tensor_parallel=(1, 2))

    fresh = opened("plans", **{state.PLAN_PARAMETER: entry.plan_id})
    assert fresh.text_input(key=plan_actions.NAME).value == "Assistant"
    fresh.session_state["inferplan.plans.tab"] = "Compare two"
    fresh.run()
    [button] = [one for one in fresh.button if one.label == "Use today's machines and prices"]
    assert button.proto.id
    changed = opened("tokens_per_dollar", **{state.PLAN_PARAMETER: entry.plan_id})
    assert changed.session_state[portfolio_views.SERVE] == portfolio_views.SEVERAL
    assert changed.session_state["inferplan.compare.gpus"] == ["H100 SXM"]
    changed.number_input(key=portfolio_views.RATE).set_value(5.0).run()
    changed = press(changed, "Put it into the current plan")
    changed.switch_page(str(page_path("plans"))).run()
    changed = press(changed, "Save the next revision")
    with Warehouse.open() as warehouse:
        saved = plan_store.load(warehouse, entry.plan_id)
    assert isinstance(saved, FleetPlan)
    assert saved.portfolio.requests_per_s == 5.0
    changed = press(changed, "Back to the plan of one model")
    assert state.FLEET not in changed.session_state or changed.session_state[state.FLEET] is None
