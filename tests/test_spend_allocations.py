"""What OpenCost allocates to pods, divided by use: a statement of its own, never added to a bill."""

import csv
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from measured_fleet import START_S
from streamlit.testing.v1 import AppTest

from inferplan.dashboard.__main__ import cli
from inferplan.dashboard.navigation import page_path
from inferplan.datasets.exports import import_file
from inferplan.datasets.uploads.landing import land_series
from inferplan.datasets.uploads.reading import Labels, Series
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.spend import PARTS, Statement, spend

HEAD = "Date,Namespace,ControllerName,Pod,Container,GPUs,CPUCost,RAMCost,GPUCost,TotalCost,Label_team"
BILL = (
    "ChargePeriodStart,ChargePeriodEnd,ChargeCategory,BillingCurrency,BilledCost,EffectiveCost,ResourceId\n"
    "2026-10-05T00:00:00Z,2026-10-06T00:00:00Z,Usage,USD,480,480,node-1\n"
)


def pod(name: str, *, gpus: int = 1, gpu_cost: str = "0", total: str = "0", day: str = "05") -> list[str]:
    return [
        f"2026-10-{day}",
        "prod",
        name,
        f"{name}-0",
        "server",
        str(gpus),
        "1",
        "1",
        gpu_cost,
        total,
        "llm",
    ]


def table(folder: Path, *rows: list[str], name: str = "allocation.csv") -> Path:
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEAD.split(","), *rows])
    return path


def seen(warehouse: Warehouse, levels: dict[str, float], hours: int = 24) -> None:
    """One machine with a GPU for each pod, each at one level of SM activity from 5 October on."""
    found = []
    for number, (name, level) in enumerate(levels.items()):
        place = Labels(
            gpu_uuid=f"GPU-{number}", gpu_index=str(number), host="node-1", namespace="prod", pod=f"{name}-0",
            model=f"model-{name}",
        )  # fmt: skip
        times = (START_S + np.arange(hours * 12) * 300) * 1_000_000
        found.append((Series("sm_active_ratio", place), times, np.full(len(times), level)))
    land_series(warehouse, "t", "t", "t", found)


def statement(warehouse: Warehouse, basis: str) -> Statement:
    [found] = [one for one in spend(warehouse).statements if one.basis == basis]
    assert sum(found.parts.values()) == found.effective_cost
    return found


def test_each_pod_is_divided_by_what_its_own_gpu_did(tmp_path: Path, warehouse: Warehouse) -> None:
    """Three pods on one machine: half its target, idle, and without telemetry; one without a GPU."""
    seen(warehouse, {"busy": 0.4, "still": 0.0})
    rows = (
        pod("busy", gpu_cost="90", total="100"),
        pod("still", gpu_cost="50", total="60"),
        pod("lost", gpu_cost="30", total="33.3333333333"),
        pod("web", gpus=0, total="7"),
    )
    import_file(warehouse, table(tmp_path, *rows))
    found = statement(warehouse, "allocation")
    expected = {
        "useful": Decimal(50), "loaded_headroom": Decimal(50), "allocated_idle": Decimal(60),
        "unknown": Decimal("33.3333333333"), "shared": Decimal(7),
    }  # fmt: skip
    assert found.parts == {part: expected.get(part, Decimal(0)) for part in PARTS}
    reasons = {(one.resource, one.reason) for one in found.unjoined}
    assert reasons == {("prod/lost-0", "no_process"), ("prod/web-0", "no_gpu")}
    assert found.gpu_hours.paid == 72
    assert found.gpu_hours.activity == pytest.approx(0.2)
    models = {name: amount for name, _, amount in found.costs["model"] if name and amount}
    assert models["model-still"] == Decimal(60)
    assert {name for name, _, _ in found.costs["namespace"]} == {"prod"}
    assert sum(amount for name, _, amount in found.costs["team"] if name == "llm") == found.effective_cost


def test_a_bill_of_the_same_machine_stays_what_it_is(tmp_path: Path, warehouse: Warehouse) -> None:
    seen(warehouse, {"busy": 0.4, "still": 0.0})
    bill = tmp_path / "bill.csv"
    bill.write_text(BILL, encoding="utf-8")
    import_file(warehouse, bill)
    alone = statement(warehouse, "bill")
    import_file(warehouse, table(tmp_path, pod("busy", gpu_cost="90", total="100")))
    beside = statement(warehouse, "bill")
    assert beside.parts == alone.parts
    assert beside.effective_cost == Decimal(480)
    assert statement(warehouse, "allocation").effective_cost == Decimal(100)
    assert [one.basis for one in spend(warehouse).statements] == ["bill", "allocation"]


def test_hours_that_no_sample_is_of_stay_unknown(tmp_path: Path, warehouse: Warehouse) -> None:
    seen(warehouse, {"busy": 0.8}, hours=6)
    import_file(warehouse, table(tmp_path, pod("busy", gpu_cost="90", total="96")))
    found = statement(warehouse, "allocation")
    assert (found.parts["useful"], found.parts["unknown"]) == (Decimal(24), Decimal(72))


def test_a_newer_export_of_the_same_pod_and_day_replaces_the_older(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    days = (pod("busy", gpu_cost="90", total="100"), pod("busy", gpu_cost="90", total="100", day="06"))
    import_file(warehouse, table(tmp_path, *days))
    answer = {
        "prod/busy-0": {
            "properties": {"namespace": "prod", "pod": "busy-0", "cluster": "c1"},
            "start": "2026-10-06T00:00:00Z", "end": "2026-10-07T00:00:00Z",
            "gpuHours": 24, "gpuCost": 60, "totalCost": 70,
        },
        "__idle__": {
            "properties": {"cluster": "c1"}, "gpuCost": 40, "totalCost": 44,
            "start": "2026-10-06T00:00:00Z", "end": "2026-10-07T00:00:00Z",
        },
    }  # fmt: skip
    path = tmp_path / "api.json"
    path.write_text(json.dumps({"code": 200, "data": [answer]}), encoding="utf-8")
    import_file(warehouse, path)
    found = statement(warehouse, "allocation")
    assert [(one.day.day, one.cost) for one in found.days] == [(5, Decimal(100)), (6, Decimal(114))]
    assert found.parts["unallocated"] == Decimal(44)


def test_command_and_page_tell_that_it_is_no_bill(tmp_path: Path, own_warehouse: Path) -> None:
    with Warehouse.open(own_warehouse) as opened:
        seen(opened, {"busy": 0.4})
        import_file(opened, table(tmp_path, pod("busy", gpu_cost="90", total="100")))
    refused = CliRunner().invoke(cli, ["spend"])
    assert "--allocated" in str(refused.exception or refused.output)
    answer = CliRunner().invoke(cli, ["spend", "--allocated", "--json"])
    facts = json.loads(answer.output)["facts"]
    assert facts["Statement"] == "Allocated to pods, USD"
    assert facts["Billed cost"] == "none: this is no bill"
    app = AppTest.from_file(str(page_path("spend")), default_timeout=60).run()
    assert not app.exception
    said = " ".join(one.value for kind in (app.caption, app.info) for one in kind)
    assert "No bill was imported, so allocations stand in for it" in said
    assert "not a bill" in said
    assert next(one.value for one in app.metric if one.label == "Effective cost") == "$100.00"
