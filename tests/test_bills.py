"""Bills: the totals of a small month that has every kind of line, to the last digit."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from inferplan.datasets.exports import import_file, inspect
from inferplan.datasets.warehouse import MEMORY, Warehouse

HOURS = (("2024-05-01T12:00:00Z", "2024-05-01T13:00:00Z"), ("2024-05-01T13:00:00Z", "2024-05-01T14:00:00Z"))
TEAM = json.dumps({"team": "llm"})


@pytest.fixture
def warehouse():
    with Warehouse.open(MEMORY) as opened:
        yield opened


def table(rows: list[dict[str, str]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def focus_row(start: str, end: str, **cells: str) -> dict[str, str]:
    return {
        "ChargePeriodStart": start, "ChargePeriodEnd": end, "ChargeCategory": "Usage",
        "BillingCurrency": "USD",
        "CommitmentDiscountStatus": "", "ResourceId": "", "Tags": "", "ChargeClass": "", "BilledCost": "0",
        "EffectiveCost": "0", "ListCost": "0", **cells,
    }  # fmt: skip


def focus() -> str:
    rows = []
    for start, end in HOURS:
        rows += [
            focus_row(start, end, CommitmentDiscountStatus="Used", ResourceId="i-a", EffectiveCost="58.99",
                      ListCost="98.32", Tags=TEAM),
            focus_row(start, end, ResourceId="i-c", BilledCost="2.24208", EffectiveCost="2.24208",
                      ListCost="2.24208", Tags=TEAM),
        ]  # fmt: skip
    month = ("2024-05-01 00:00:00", "2024-06-01 00:00:00")
    rows += [
        focus_row(*month, CommitmentDiscountStatus="Unused", EffectiveCost="12.02"),
        focus_row(*month, ChargeCategory="Purchase", BilledCost="130.00", ListCost="130.00"),
        focus_row(*month, ChargeCategory="Tax", BilledCost="4.73", EffectiveCost="4.73", ListCost="4.73"),
        focus_row(*month, ChargeClass="Correction", ResourceId="i-c", BilledCost="-1.12104",
                  EffectiveCost="-1.12104", ListCost="-1.12104"),
        focus_row(*month, ChargeCategory="Tax", BilledCost="NULL", EffectiveCost="1"),
    ]  # fmt: skip
    return table(rows)


def test_focus_totals_and_the_refused_line(tmp_path: Path, warehouse: Warehouse) -> None:
    path = tmp_path / "focus.csv"
    path.write_text(focus())
    report = inspect(path)
    assert (report.format, report.rows_read, report.values_kept, report.rows_refused) == ("focus", 9, 8, 1)
    assert report.problems[0] == (10, "BilledCost is empty")
    import_file(warehouse, path)
    sums = warehouse.rows("SELECT sum(billed_cost), sum(effective_cost), sum(list_cost) FROM bill_lines")[0]
    assert sums == (Decimal("138.09312"), Decimal("138.09312"), Decimal("334.73312"))
    by_status = warehouse.rows(
        "SELECT commitment_status, sum(effective_cost) FROM bill_lines WHERE charge_category = 'Usage' "
        "AND charge_class IS NULL GROUP BY 1 ORDER BY 1"
    )
    assert by_status == [
        ("unused", Decimal("12.02")), ("used", Decimal("117.98")), (None, Decimal("4.48416")),
    ]  # fmt: skip
    assert warehouse.rows("SELECT sum(effective_cost) FROM bill_lines WHERE team = 'llm'") == [
        (Decimal("122.46416"),)
    ]


def cur_row(kind: str, cost: str, **cells: str) -> dict[str, str]:
    names = {
        "sp_cost": "savings_plan_savings_plan_effective_cost",
        "sp_total": "savings_plan_total_commitment_to_date",
        "sp_used": "savings_plan_used_commitment", "ri_cost": "reservation_effective_cost",
        "ri_unused": "reservation_unused_recurring_fee", "id": "line_item_resource_id",
        "parent": "split_line_item_parent_resource_id", "split": "split_line_item_split_cost",
        "rest": "split_line_item_unused_cost", "tags": "resource_tags",
        "used": "split_line_item_actual_usage",
        "amount": "line_item_usage_amount",
    }  # fmt: skip
    row = dict.fromkeys(names.values(), "")
    row |= {
        "line_item_line_item_type": kind, "line_item_unblended_cost": cost, "line_item_currency_code": "USD",
        "line_item_usage_start_date": "2024-05-01T12:00:00.000Z",
        "line_item_usage_end_date": "2024-05-01T13:00:00.000Z",
    }  # fmt: skip
    return row | {names[name]: value for name, value in cells.items()}


def test_cur_amortises_and_splits_are_no_extra_money(tmp_path: Path, warehouse: Warehouse) -> None:
    path = tmp_path / "cur.csv"
    pod = "arn:aws:eks:us-east-1:123456789012:pod/prod/llm-prod/llama70b-x2k4p/0001"
    path.write_text(
        table(
            [
                cur_row(
                    "SavingsPlanCoveredUsage", "98.32", id="i-a", sp_cost="58.99", tags='{"user_team":"llm"}'
                ),
                cur_row("SavingsPlanNegation", "-98.32"),
                cur_row("SavingsPlanRecurringFee", "65.0", sp_total="65.0", sp_used="58.99"),
                cur_row("DiscountedUsage", "0", id="i-d", ri_cost="0.76359"),
                cur_row("RIFee", "568.11", ri_unused="9.16"),
                cur_row("Usage", "2.24208", id="i-c"),
                cur_row("Tax", "4.73"),
                cur_row(
                    "Usage", "0", id=pod, parent="i-a", split="6.12", rest="0.55", used="0.97", amount="1"
                ),
            ]
        )
    )
    import_file(warehouse, path)
    assert warehouse.rows("SELECT sum(billed_cost), sum(effective_cost), count(*) FROM bill_lines") == [
        (Decimal("640.08208"), Decimal("81.89567"), 7)
    ]
    assert warehouse.rows(
        "SELECT namespace, pod, node, gpu_hours, gpu_usage_ratio, total_cost FROM cost_allocations"
    ) == [("llm-prod", "llama70b-x2k4p", "i-a", 1.0, 0.97, Decimal("6.67"))]


def test_opencost_csv_and_api(tmp_path: Path, warehouse: Warehouse) -> None:
    content = tmp_path / "daily.csv"
    content.write_text(
        "Date,Namespace,ControllerName,Pod,GPUs,GPUCost,TotalCost,Label_team\n"
        "2024-04-30,llm,llama,llama-0,1,58.72,82.952,core\n2024-05-01,llm,llama,llama-0,1,58.72,,core\n"
    )
    assert inspect(content).problems[0] == (3, "TotalCost is empty")
    import_file(warehouse, content)
    entry = {"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z", "gpuHours": 24, "gpuCost": 58.72,
             "totalCost": 82.952, "totalEfficiency": 0.4, "gpuUsageAverage": None,
             "properties": {"namespace": "llm", "pod": "llama-0", "labels": {"team": "core"}}}  # fmt: skip
    idle = {**entry, "gpuHours": 168, "gpuCost": 411.04, "totalCost": 429.04, "properties": None}
    answer = tmp_path / "api.json"
    answer.write_text(json.dumps({"code": 200, "data": [{"llm/llama-0": entry, "__idle__": idle}, None]}))
    import_file(warehouse, answer)
    found = warehouse.rows(
        "SELECT pod, is_idle, gpu_hours, gpu_cost, total_cost, "
        "team FROM cost_allocations ORDER BY import_id, is_idle"
    )
    cost = (Decimal("58.72"), Decimal("82.952"))
    assert found == [
        ("llama-0", False, 24.0, *cost, "core"),
        ("llama-0", False, 24.0, *cost, "core"),
        (None, True, 168.0, Decimal("411.04"), Decimal("429.04"), None),
    ]


def test_krr_text_raw_and_json_agree(tmp_path: Path, warehouse: Warehouse) -> None:
    text = (
        "Namespace,Name,Pods,Old Pods,Type,Container,Severity,CPU Diff,CPU Requests,CPU Limits,Memory Diff,"
        "Memory Requests,Memory Limits\r\n"
        "llm,llama,2,0,Deployment,server,CRITICAL,-17,(-8.532) 16.0 -> 7.468,unset,-129Gi,"
        "(-64Gi) 128Gi -> 64Gi,unset\r\n"
        ",,,,,sidecar,GOOD,+0m,(+0m) 50m -> 50m,unset,+0m,(+0m) 100Mi -> 100Mi,unset -> ?\r\n"
    )
    raw = (
        "Namespace,Name,Pods,Old Pods,Type,Container,Severity,CPU Requests Current,CPU Requests Recommended,"
        "CPU Limits Current,CPU Limits Recommended,Memory Requests Current,Memory Requests Recommended,"
        "Memory Limits Current,Memory Limits Recommended\n"
        "llm,llama,2,0,Deployment,server,CRITICAL,16,7.468,unset,unset,137438953472,?,unset,?\n"
    )
    scan = {
        "object": {"namespace": "llm", "name": "embed", "container": "server", "kind": "Deployment",
                   "allocations": {"requests": {"cpu": 4.0, "memory": 1024.0}, "limits": {"cpu": None}}},
        "recommended": {"requests": {"cpu": {"value": "?"}, "memory": {"value": "?"}}, "limits": {}},
        "severity": "UNKNOWN",
    }  # fmt: skip
    for name, content in (("a.csv", text), ("b.csv", raw), ("c.json", json.dumps({"scans": [scan]}))):
        (tmp_path / name).write_text(content, newline="")
        import_file(warehouse, tmp_path / name)
    found = warehouse.rows("SELECT resource, finding, detail FROM tool_advice ORDER BY import_id, line")
    assert [row[:2] for row in found] == [
        ("llm/llama/server", "over"), ("llm/llama/sidecar", "optimized"), ("llm/llama/server", "over"),
        ("llm/embed/server", "undecided"),
    ]  # fmt: skip
    first = json.loads(found[0][2])
    assert first["cpu_requests"] == {"current": 16.0, "recommended": 7.468}
    assert first["memory_requests"] == {"current": 128 * 1024**3, "recommended": 64 * 1024**3}
    assert first["cpu_limits"] == {"current": None, "recommended": None}
    assert json.loads(found[1][2])["cpu_requests"]["current"] == 0.05


def test_compute_optimizer_spellings_and_errors(tmp_path: Path, warehouse: Warehouse) -> None:
    rows = [
        {"accountid": "1", "instancearn": "arn:aws:ec2:us-east-1:1:instance/i-b",
        "currentinstancetype": "p4de.24xlarge",
         "finding": "OVER_PROVISIONED", "recommendationoptions_1_instancetype": "p4d.24xlarge",
         "recommendationoptions_1_estimatedmonthlysavings_value": "5986.0",
         "recommendationoptions_1_estimatedmonthlysavings_currency": "USD",
         "utilizationmetrics_gpu_percentage_maximum": "0.0", "errorcode": ""},
        {"accountid": "1", "instancearn": "arn:aws:ec2:us-east-1:1:instance/i-d", "finding": "",
         "errorcode": "INSUFFICIENT_DATA"},
    ]  # fmt: skip
    (tmp_path / "ec2.csv").write_text(table(rows))
    idle = {"resourceArn": "arn:x/i-b", "resourceId": "i-b", "resourceType": "EC2Instance", "finding": "Idle",
            "estimatedMonthlySavingsCurrency": "USD", "estimatedMonthlySavingsValue": "29908.1"}  # fmt: skip
    (tmp_path / "idle.csv").write_text(table([idle]))
    import_file(warehouse, tmp_path / "ec2.csv")
    import_file(warehouse, tmp_path / "idle.csv")
    assert warehouse.rows(
        "SELECT resource_id, finding, recommended, "
        "savings_usd_per_month FROM tool_advice ORDER BY import_id, line"
    ) == [
        ("i-b", "over", "p4d.24xlarge", Decimal("5986.0")),
        ("i-d", "error", None, None),
        ("i-b", "idle", None, Decimal("29908.1")),
    ]
