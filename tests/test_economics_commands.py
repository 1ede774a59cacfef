"""`inferplan economics`, `commit` and `plans why`: the same answers as the page, with date and source."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from inferplan.dashboard.__main__ import cli
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.planner.case import Case
from inferplan.planner.plan import Plan

CASE = (
    "--model", "meta-llama/Llama-3.3-70B-Instruct", "--weights-dtype", "fp8", "--gpu", "H200 SXM",
    "--max-model-len", "32768", "--input-tokens", "2000", "--output-tokens", "400", "--concurrency", "16",
)  # fmt: skip
P5 = "aws/p5.48xlarge/us-east-1/on_demand/H100 SXM"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def economics(*arguments: str) -> dict[str, Any]:
    found = run("economics", *CASE, "--usd-per-gpu-hour", "3.5", "--json", *arguments)
    assert found.exit_code == 0, found.output
    answer: dict[str, Any] = json.loads(found.output)
    return answer


def test_useful_tokens_at_two_fifths_cost_two_and_a_half_times_as_much() -> None:
    full, half = economics(), economics("--busy-share", "0.5", "--failed", "0.2")
    one, other = (Decimal(answer["usd_per_mtok_output"]["expected"]) for answer in (full, half))
    assert float(other / one) == pytest.approx(2.5, rel=1e-4)
    assert half["month_usd"] == "2555.00"
    assert half["month_parts_usd"] == {
        "useful": "1022.00", "retried": "0.00", "cancelled": "0.00", "failed": "255.50", "off_slo": "0.00",
        "idle": "1277.50",
    }  # fmt: skip
    assert half["price"] == "3.5 USD per GPU-hour, as given"


def test_hosts_are_named_with_date_and_source_and_the_mix_sums(tmp_path: Path) -> None:
    demand = tmp_path / "demand.csv"
    demand.write_text("\n".join(["20000"] * 12 + ["4000"] * 12))
    hosts = economics("--demand", str(demand))["hosts"]
    assert isinstance(hosts, list)
    assert len(hosts) > 5
    for host in hosts:
        parts = Decimal(host["own_usd_per_month"]) + Decimal(host["api_usd_per_month"])
        assert parts == Decimal(host["mix_usd_per_month"])
        assert host["price_seen_on"].startswith("202")
        assert host["price_source"]
    totals = [Decimal(host["mix_usd_per_month"]) for host in hosts]
    assert totals == sorted(totals)


def test_without_a_price_the_cheapest_machine_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path / "w.duckdb"))
    answer = json.loads(run("economics", *CASE, "--json").output)
    assert "on_demand/H200 SXM" in answer["price"]
    assert "seen 20" in answer["price"]


def test_a_commitment_for_office_hours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path / "w.duckdb"))
    demand = tmp_path / "machines.csv"
    demand.write_text("machines\n" + "\n".join(["2"] * 14 + ["10"] * 10))
    answer = json.loads(run("commit", "--machine", P5, "--demand", str(demand), "--json").output)
    # Three years at 23.7773 instead of 55.04 pays when used in 43.2 % of the hours: ten are in 41.7 % only.
    [term] = [term for term in answer["terms"] if term["term"] == "reserved_3y"]
    assert term["machines"] == "2"
    by_hand = (Decimal(24 * 2) * Decimal("23.7773") + Decimal(10 * 8) * Decimal("55.04")) * 730 / 24
    assert Decimal(term["usd_per_month"]) == pytest.approx(by_hand, rel=Decimal("1e-5"))
    assert answer["on_demand"].startswith("55.04 USD per hour, seen 2026")
    # Alone it is the mix: after a fall of 30 % two machines are still wanted in 41.7 % of the hours.
    assert [(part["bought"], part["machines"]) for part in answer["mix"]] == [
        ("reserved_3y", "2"),
        ("on_demand", "3.33"),
    ]
    parts = sum(Decimal(part["usd_per_month"]) for part in answer["mix"])
    assert parts == Decimal(answer["mix_usd_per_month"]) == Decimal(term["usd_per_month"])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("1\nx\n", "line 2 of the demand"),
        ("", "at least one hour"),
        ("-1\n", "line 1"),
        ("0\n0\n", "0 in every"),
    ],
)
def test_bad_demand_is_refused_with_its_line(
    lines: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path / "w.duckdb"))
    demand = tmp_path / "machines.csv"
    demand.write_text(lines)
    with pytest.raises(InferplanError, match=said):
        run("commit", "--machine", P5, "--demand", str(demand))


def test_plans_why_sums_to_the_cent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path / "w.duckdb"))
    moment = datetime(2026, 11, 1)
    with Warehouse.open() as warehouse:
        for name, usd in (("old", 4.0), ("new", 3.0)):
            case = Case.read(
                {"model": "Qwen/Qwen2.5-7B-Instruct", "gpu": "L40S", "input_tokens": 900,
                 "output_tokens": 100, "usd_per_gpu_hour": usd}
            )  # fmt: skip
            plan = Plan(id=name, name=name, created_at=moment, updated_at=moment, case=case)
            plan_store.save(warehouse, plan)
    answer = json.loads(run("plans", "why", "old", "new", "--json").output)
    steps = {step["step"]: Decimal(step["usd_per_month"]) for step in answer["steps"]}
    assert steps == {
        "A: old": Decimal("2920.00"), "price": Decimal("-730.00"), "volume": 0, "utilization": 0,
        "model mix": 0, "B: new": Decimal("2190.00"),
    }  # fmt: skip
    assert answer["price of B"] == "3.0 USD per GPU-hour, as given"
