"""Exports in the layouts that tools in the field write: what lands, where, and in which unit."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from monitoring_layouts import CASES as MONITORING
from real_layouts import CASES, UTC
from serving_layouts import CASES as SERVING
from tool_layouts import CASES as TOOLS

from inferplan.dashboard.__main__ import cli
from inferplan.datasets.exports import ReadOptions, UnreadableError, import_file, inspect
from inferplan.datasets.warehouse import MEMORY, Warehouse

_LANDED = """
SELECT metric, concat_ws('/', host, instance_id, gpu_uuid, coalesce(gpu_index, mig_id, engine), pod, model),
    list(value ORDER BY gpu_index IS NULL, measured_at)
FROM usage_series JOIN usage_samples USING (series_id)
WHERE import_id = ? AND NOT ends_with(metric, '_per_s') GROUP BY ALL
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Warehouse]:
    with Warehouse.open(MEMORY) as opened:
        yield opened


ALL = CASES | SERVING | MONITORING | TOOLS


@pytest.mark.parametrize("name", ALL)
def test_what_lands(tmp_path: Path, shared: Warehouse, name: str) -> None:
    content, told, expected = ALL[name]
    path = tmp_path / "export"
    path.write_text(content, encoding="utf-8")
    done = import_file(shared, path, ReadOptions.model_validate(told))
    rows = shared.rows(_LANDED, [done.import_id])
    assert done.parsed.rows_refused == 0
    assert {(metric, place): pytest.approx(values) for metric, place, values in rows} == expected


MOMENTS = {  # each is noon UTC of the first of May 2024
    "1714564800": {}, "1.7145648E9": {}, "1714564800000": {}, "20240501T120000Z": {},
    "2024-05-01 12:00:00 UTC": {}, "2024-05-01 12:00:00 GMT": {}, "2024-05-01 12:00:00 +0000 UTC": {},
    "2024-05-01 14:00:00.000000001 +0200 CEST": {}, "2024-05-01 14:00:00 Europe/Berlin": {},
    "2024-05-01T14:00:00+02:00[Europe/Berlin]": {}, "01/May/2024:14:00:00 +0200": {},
    "Wed May  1 12:00:00 2024": UTC, "01 May 2024 12:00:00": UTC, "2024-5-1 12:00": UTC,
    "01.05.2024 14:00": {"time_zone": "Europe/Berlin"}, "1.5.2024, 12:00:00": UTC,
    "05/01/2024 12:00:00 PM": {**UTC, "date_order": "month first"},
    "1/5/2024, 12:00": {**UTC, "date_order": "day first"},
}  # fmt: skip


@pytest.mark.parametrize("text", MOMENTS)
def test_noon_is_noon_however_it_is_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / "export"
    path.write_text(f'time,gpu,sm_active_ratio\n"{text}",0,0.5\n', encoding="utf-8")
    report = inspect(path, ReadOptions.model_validate(MOMENTS[text]))
    assert (str(report.first_at), report.values_kept) == ("2024-05-01 12:00:00", 1)


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        ("time,gpu,power_w\n05/04/2024 12:00,0,1\n", ["date_order"]),
        ("time,gpu,power_w\n05/04/2024 12:00,0,1\n05/31/2024 12:00,0,1\n", ["time_zone"]),
        ("Time,power_w\n05/04/2024 12:00,1\n", ["date_order"]),
        ("Timestamp,Request tokens,Response tokens\n5,1,2\n", ["start", "elapsed_unit"]),
        ("utilization.gpu [%]\n1 %\n", ["start", "interval_s"]),
        ("gpu,power_w\n0,61\n", ["start", "interval_s"]),
        ("gpu,power_w,when\n0,61,noon\n", ["columns", "start", "interval_s"]),
        ("# gpu   pwr\n# Idx     W\n    0    61\n", ["start", "interval_s"]),
        ("Time,Hostname,gpu,Value\n2024-05-01T12:00:00Z,n,0,45\n", ["metric"]),
    ],
)
def test_what_a_file_leaves_open_is_asked(tmp_path: Path, content: str, asked: list[str]) -> None:
    path = tmp_path / "export"
    path.write_text(content, encoding="utf-8")
    assert [question.option for question in inspect(path).questions] == asked


def test_a_day_and_a_time_of_day_are_one_time(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_text("date,time,gpu,power_w\n2024-05-01,12:00,0,1\n2024-05-01,12:01,0,2\n", encoding="utf-8")
    report = inspect(path, ReadOptions(time_zone="UTC"))
    assert (str(report.last_at), report.step_s) == ("2024-05-01 12:01:00", 60.0)


@pytest.mark.parametrize(
    "header", ["timestamp_utc,gpu,power_w", 'Time (UTC),"DCGM_FI_DEV_POWER_USAGE{gpu=""0""}",power_w']
)
def test_a_column_of_utc_needs_no_zone(tmp_path: Path, header: str) -> None:
    path = tmp_path / "export"
    path.write_text(f"{header}\n2024-05-01 12:00:00,0,1\n", encoding="utf-8")
    assert str(inspect(path).first_at) == "2024-05-01 12:00:00"


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("1.2 parsecs", "'parsecs'"),
        ('"70,312"', "may be a decimal sign"),
    ],
)
def test_a_doubtful_cell_is_refused(tmp_path: Path, cell: str, reason: str) -> None:
    path = tmp_path / "export"
    path.write_text(f"Time,power_w\n2024-05-01T12:00:00Z,{cell}\n2024-05-01T12:01:00Z,5\n", encoding="utf-8")
    report = inspect(path)
    assert (report.values_kept, report.problems[0].line) == (1, 2)
    assert reason in report.problems[0].reason


def test_columns_that_are_not_used_are_named(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_text("time,gpu,power_w,fan\n2024-05-01T12:00:00Z,0,1,2\n", encoding="utf-8")
    assert inspect(path).ignored == (("fan", 1),)


EC2 = {
    "instanceArn": "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0",
    "instanceName": "inf",
    "currentInstanceType": "g5.2xlarge",
    "finding": "OVER_PROVISIONED",
    "utilizationMetrics": [{"name": "GPU_PERCENTAGE", "statistic": "MAXIMUM", "value": 30.0}],
    "lookBackPeriodInDays": 14.0,
    "recommendationOptions": [
        {
            "instanceType": "g5.xlarge",
            "performanceRisk": 2.0,
            "savingsOpportunity": {"estimatedMonthlySavings": {"currency": "USD", "value": 300.5}},
        }
    ],
}


def test_compute_optimizer_says_the_same_in_an_answer_and_in_a_file(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    columns = (
        "instanceArn,instanceName,currentInstanceType,finding,utilizationMetrics_GPU_PERCENTAGE_MAXIMUM,"
        "lookBackPeriodInDays,recommendationOptions_1_instanceType,recommendationOptions_1_performanceRisk,"
        "recommendationOptions_1_estimatedMonthlySavings_currency,"
        "recommendationOptions_1_estimatedMonthlySavings_value\n"
    )
    row = f"{EC2['instanceArn']},inf,g5.2xlarge,OVER_PROVISIONED,30.0,14,g5.xlarge,2.0,USD,300.5\n"
    for name, content in (("a", json.dumps({"instanceRecommendations": [EC2]})), ("b", columns + row)):
        (tmp_path / name).write_text(content, encoding="utf-8")
        import_file(warehouse, tmp_path / name)
    answered, exported = warehouse.rows(
        "SELECT * EXCLUDE (import_id, line) FROM tool_advice ORDER BY import_id"
    )
    assert answered == exported
    assert answered[1:8] == (
        "inf",
        "i-0123456789abcdef0",
        "EC2Instance",
        "over",
        "g5.2xlarge",
        "g5.xlarge",
        "2.0",
    )


def allocation(**changed: object) -> dict[str, object]:
    day = {"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}
    costs = {"gpuHours": 24.0, "gpuCost": 24.0, "gpuCostAdjustment": 0.5, "totalCost": 30.5}
    return {"properties": {"namespace": "ns"}, **day, **costs, **changed}


COSTS = {
    "idle of a node": (
        json.dumps({"code": 200, "data": [{"c/n/__idle__": allocation()}]}),
        (True, 24, 24.5, None),
    ),
    "Kubecost's sets": (
        json.dumps({"code": 200, "data": {"sets": [{"allocations": {"a": allocation()}}]}}),
        (False, 24, 24.5, None),
    ),
    "GPU in an object": (
        json.dumps({"code": 200, "data": [None, {"a": allocation(gpuAllocation={"gpuUsageAverage": 0.3})}]}),
        (False, 24, 24.5, 0.3),
    ),
    "Kubecost's CSV": (
        "Window Start,Window End,Namespace,GPU Hours,GPU Cost,Total Cost\n"
        "2024-05-01T00:00:00Z,2024-05-02T00:00:00Z,ns,24,24.5,30.5\n",
        (False, 24, 24.5, None),
    ),
}


COSTS["Kubecost's API as a table"] = (
    "name,window.start,window.end,properties.namespace,properties.pod,gpuCount,gpuHours,gpuCost,gpuCostAdjustment,"
    "totalCost\nc/n/ns/p,2024-05-01T00:00:00Z,2024-05-02T00:00:00Z,ns,p,1,24,24,0.5,30.5\n",
    (False, 24, 24.5, None),
)
COSTS["GPUs of a window"] = (
    "Start,End,Namespace,GPUs,GPUCost,TotalCost\n2024-05-01T18:00:00Z,2024-05-02T00:00:00Z,ns,4,24.5,30.5\n",
    (False, 24, 24.5, None),
)


@pytest.mark.parametrize("name", COSTS)
def test_allocations_of_a_day(tmp_path: Path, warehouse: Warehouse, name: str) -> None:
    content, expected = COSTS[name]
    (tmp_path / "export").write_text(content, encoding="utf-8")
    import_file(warehouse, tmp_path / "export")
    columns = "is_idle, gpu_hours, gpu_cost::DOUBLE, gpu_usage_ratio, total_cost::DOUBLE, period_end::VARCHAR"
    assert warehouse.rows(f"SELECT {columns} FROM cost_allocations") == [
        (*expected, 30.5, "2024-05-02 00:00:00")
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("# gpu  pid  type  sm\n# Idx  #  C/G  %\n  0  1  C  5\n", "nvidia-smi dmon"),
        ("Wed May 1\n| NVIDIA-SMI 550.54  Driver Version: 550.54 |\n", "--query-gpu"),
        ('{"code": 500, "data": null, "message": "x"}', "something went wrong"),
        ('{"code":200,"data":[{}]}', "without any allocation"),
        ('{"backend":"vllm","input_lens":[5],"mean_ttft_ms":100.0}', "measurements import"),
        ("<?xml version='1.0'?>\n<nvidia_smi_log>\n", "--query-gpu"),
        ("=====NVSMI LOG=====\n\nTimestamp    : Wed May  1 12:00:00 2024\n", "--query-gpu"),
        ('{"data":[{"results":[{"object":"organization.usage.completions.result"}]}]}', "no single requests"),
        ("Name,GPU Cost,Total Cost\nns,1,2\n", "without dates"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_can(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "export").write_text(content, encoding="utf-8")
    with pytest.raises(UnreadableError, match=said):
        inspect(tmp_path / "export")


ROW = "time,host,sm_active_ratio\n2024-05-01T12:00:00Z,{},0.5\n"


def test_a_directory_an_archive_and_standard_input_are_read_file_by_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.csv").write_text(ROW.format("a"), encoding="utf-8")
    (folder / "sub" / "b.csv").write_text(ROW.format("b"), encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("c.csv", ROW.format("c"))
        archive.writestr("readme.txt", "hello")
    done = CliRunner().invoke(
        cli, ["import", str(folder), str(tmp_path / "two.zip"), "-"], input=ROW.format("d")
    )
    assert done.exit_code == 2
    assert "two.zip/readme.txt is plain text" in done.stderr
    with Warehouse.open() as opened:
        landed = opened.rows("SELECT file_name, host FROM usage_series JOIN imports USING (import_id)")
    assert set(landed) == {("a.csv", "a"), ("b.csv", "b"), ("two.zip/c.csv", "c"), ("stdin", "d")}


@pytest.mark.parametrize(
    "text", ["12:00" + " UTC" * 5000, "1 Jan " * 5000, "2024-05-01 12:00 America/Argentina"]
)
def test_what_only_begins_like_a_time_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "export"
    path.write_text(f"time,gpu,power_w\n2024-05-01T12:00:00Z,0,1\n{text},0,1\n", encoding="utf-8")
    report = inspect(path)
    assert (report.values_kept, report.rows_refused) == (1, 1)
