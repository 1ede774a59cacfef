"""The page Spend and `inferplan spend`: figures of the planner, links and budgets that stay, empty states."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from inferplan.dashboard.__main__ import cli
from inferplan.dashboard.navigation import page_path
from inferplan.dashboard.spend.inputs import KEY
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.spend import Statement, spend

TABS = ("Where it went", "Tokens and GPU-hours", "Showback", "Trend and forecast", "Not joined", "Bills")
HEAD = (
    "ChargePeriodStart,ChargePeriodEnd,ChargeCategory,BillingCurrency,BilledCost,EffectiveCost,ResourceId\n"
)


def opened(tab: str | None = None) -> AppTest:
    app = AppTest.from_file(str(page_path("spend")), default_timeout=60)
    if tab is not None:
        app.session_state[f"{KEY}tab"] = tab
    return shown(app.run())


def shown(app: AppTest) -> AppTest:
    assert [(error.message, error.stack_trace) for error in app.exception] == []
    assert [error.value for error in app.error] == []
    return app


def said(app: AppTest) -> str:
    found = " ".join(one.value for kind in (app.markdown, app.caption, app.info) for one in kind)
    return found.replace("\\", "")


def metric(app: AppTest, label: str) -> str:
    return next(found.value for found in app.metric if found.label == label)


def sampled(path: Path) -> Statement:
    with Warehouse.open(path) as warehouse:
        return spend(warehouse).statements[0]


def test_the_first_visit_says_what_to_drop_and_the_sample_fills_the_page() -> None:
    app = opened()
    assert "A bill tells what was spent, not what was used." in said(app)
    app.button(key="inferplan.rightsizing.sample").click().run()
    assert metric(shown(app), "Effective cost") == "$25,778"
    assert "The sample fleet and its bill are invented." in said(app)


def test_the_waterfall_on_the_page_sums_to_the_cent(sample_fleet: Path) -> None:
    expected = sampled(sample_fleet)
    frame = opened().dataframe[0].value.set_index("Part")
    total = frame.loc["Effective cost", "Amount"]
    assert total == float(expected.effective_cost)
    assert round(frame["Amount"].drop("Effective cost").sum(), 2) == total
    assert frame.loc["Useful", "Amount"] == pytest.approx(float(expected.parts["useful"]), abs=0.01)


def test_every_tab_draws_for_a_month_and_for_usage_without_a_bill(sample_fleet: Path) -> None:
    app = opened()
    app.selectbox(key=f"{KEY}period").set_value("October 2026").run()
    for tab in TABS:
        app.session_state[f"{KEY}tab"] = tab
        assert "2026-10-05 to 2026-10-31, UTC" in said(shown(app.run())), tab
    app.selectbox(key=f"{KEY}statement").set_value("Usage without a bill, at list price").run()
    for tab in TABS:
        app.session_state[f"{KEY}tab"] = tab
        assert "No bill has these machines" in said(shown(app.run())), tab


def test_showback_follows_dimension_and_rule(sample_fleet: Path) -> None:
    expected = sampled(sample_fleet)
    app = opened("Showback")
    assert app.dataframe[0].value["Total"].sum() == pytest.approx(float(expected.effective_cost), abs=0.005)
    app.selectbox(key=f"{KEY}dimension").set_value("tag:env").run()
    assert set(shown(app).dataframe[0].value["Tag env"]) == {"prod", "dev"}
    app.selectbox(key=f"{KEY}rule").set_value("none").run()
    frame = shown(app).dataframe[0].value.set_index("Tag env")
    assert set(frame.index) == {"prod", "dev", "nobody named"}
    assert not frame["Common cost"].any()


def test_a_resource_is_linked_remembered_and_forgotten(sample_fleet: Path) -> None:
    app = opened("Not joined")
    app.selectbox(key=f"{KEY}link.resource").set_value("vm-rerank-7f3a")
    app.multiselect(key=f"{KEY}link.targets").set_value(["sample-rerank-0"]).run()
    app.button(key=f"{KEY}link").click().run()
    assert "vm-rerank-7f3a is sample-rerank-0" in said(shown(app))
    assert "vm-rerank-7f3a" not in set(app.dataframe[0].value["Resource"])
    assert "Used, and on no bill" not in [one.value for one in app.subheader]
    again = opened("Not joined")
    again.button(key=f"{KEY}unlink.vm-rerank-7f3a").click().run()
    assert "vm-rerank-7f3a" in set(shown(again).dataframe[0].value["Resource"])


def test_many_links_land_together_or_not_at_all(sample_fleet: Path) -> None:
    app = opened("Not joined")
    app.text_area(key=f"{KEY}link.many").input("vm-rerank-7f3a, sample-rerank-0\nsample-batch-0, nowhere-1")
    app.button(key=f"{KEY}link.all").click().run()
    assert "There is no machine of the telemetry named 'nowhere-1'" in app.error[0].value.replace("\\", "")
    app.text_area(key=f"{KEY}link.many").input("vm-rerank-7f3a, sample-rerank-0\nsample-batch-0, -")
    app.button(key=f"{KEY}link.all").click().run()
    left = shown(app).dataframe[0].value.set_index("Resource")["Why"]
    assert "vm-rerank-7f3a" not in left
    assert left["sample-batch-0"] == "a resource without a GPU"


def test_a_budget_stays_and_is_held_against_the_forecast(sample_fleet: Path) -> None:
    app = opened("Trend and forecast")
    assert "in four cases of five." in said(app)
    app.number_input(key=f"{KEY}budget.USD").set_value(27000.0).run()
    assert "The budget of $27,000 is passed in" in said(shown(app))
    assert opened().number_input(key=f"{KEY}budget.USD").value == 27000


def test_few_days_and_another_currency_are_told(own_warehouse: Path, tmp_path: Path) -> None:
    bill = tmp_path / "bill.csv"
    lines = ("EUR,5,5,", "USD,9,9,x", "USD,1,1,y")
    bill.write_text(HEAD + "".join(f"2026-10-05,2026-10-06,Usage,{line}\n" for line in lines))
    assert CliRunner().invoke(cli, ["import", str(bill)]).exit_code == 0
    app = opened("Trend and forecast")
    assert "No forecast: not enough days: 1 of the 21" in said(app)
    app = opened("Not joined")
    assert "In another currency, not added up: 5.00 EUR." in said(app)
    assert metric(app, "Effective cost") == "$10.00"


def test_the_command_prints_reports_and_remembers(own_warehouse: Path, tmp_path: Path) -> None:
    run = CliRunner()
    empty = run.invoke(cli, ["spend"])
    assert "there is no bill of these days" in str(empty.exception)
    report = tmp_path / "spend.xlsx"
    first = run.invoke(cli, ["spend", "--sample", "--budget", "27000", "--report", str(report)])
    assert first.exit_code == 0
    assert "Effective cost     25777.96" in first.output
    assert "Budget is passed" in first.output
    sheet = openpyxl.load_workbook(report)["Where it went"]
    amounts = [row[1].value for row in sheet.iter_rows(min_row=2)]
    assert round(sum(amounts[:-1]), 2) == amounts[-1] == 25777.96
    linked = run.invoke(
        cli,
        [
            "spend",
            "--json",
            "--month",
            "2026-10",
            "--by",
            "model",
            "--link",
            "vm-rerank-7f3a",
            "sample-rerank-0",
        ],
    )
    answer = json.loads(linked.output)
    assert "BAAI/bge-reranker-v2-m3" in {row["Model"] for row in answer["By model"]}
    assert answer["facts"]["Days (UTC)"] == "2026-10-05 to 2026-10-31"
    pairs = tmp_path / "links.csv"
    pairs.write_text("vm-rerank-7f3a,sample-rerank-0\n\nsample-batch-0,-,\n")
    for wrong, why in (
        (["--links", str(pairs)], "line 3, 'sample-batch-0,-,', is no pair"),
        (["--month", "October"], "a month is written 2026-10"),
        (["--by", "tem"], "Did you mean team"),
        (["--currency", "GBP"], "currency on the bills"),
        (["--report", str(tmp_path / "x.pdf")], "kind of report"),
        (["--month", "2020-01"], "there is no bill of these days"),
    ):
        assert why in str(run.invoke(cli, ["spend", *wrong]).exception)
