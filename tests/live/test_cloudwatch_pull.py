"""Usage pulled from CloudWatch: moto's server where it serves the calls, botocore's stubs for the rest."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from moto.server import ThreadedMotoServer

from inferplan.datasets.errors import InferplanError, SourceAnswerError, SourceSkippedError, UnknownNameError
from inferplan.datasets.exports import ReadOptions, import_file, inspect
from inferplan.datasets.live import cloudwatch
from inferplan.datasets.live.cloudwatch import CloudWatch
from inferplan.datasets.live.presets import cloudwatch_metrics
from inferplan.datasets.live.pulling import pull
from inferplan.datasets.live.window import last
from inferplan.datasets.warehouse import MEMORY, Warehouse

REGION = "eu-west-1"
NOW = datetime.now(UTC)
WINDOW = last(timedelta(hours=2), 60, NOW)
UUID = "GPU-8f6d2a6e-0f3b-4c1e-9a53-0a5f3a9c1b11"
PLACE = {
    "InstanceId": "i-0a1b2c3d4e5f60718",
    "InstanceType": "g5.xlarge",
    "name": "NVIDIA A10G",
    "index": "0",
    "uuid": UUID,
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-only")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def moto(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    yield boto3.client("cloudwatch", region_name=REGION)
    server.stop()


def put(api: Any, name: str, dimensions: dict[str, str], values: list[float]) -> None:
    pairs = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    data = [
        {"MetricName": name, "Dimensions": pairs, "Value": value, "Timestamp": WINDOW.start + at * STEP}
        for at, value in enumerate(values)
    ]
    api.put_metric_data(Namespace="CWAgent", MetricData=data)


STEP = timedelta(seconds=60)


def test_agents_gpus_land_with_their_place_and_without_roll_ups(moto: Any, tmp_path: Path) -> None:
    put(moto, "nvidia_smi_utilization_gpu", PLACE, [10, 20, 30])
    put(moto, "nvidia_smi_memory_used", PLACE, [1000, 1000, 2000])
    # what the agent sums up for the instance is no GPU's
    rolled_up = {key: PLACE[key] for key in ("InstanceId", "InstanceType")}
    put(moto, "nvidia_smi_utilization_gpu", rolled_up, [99, 99, 99])

    source = CloudWatch(cloudwatch_metrics("gpu"), REGION)
    path = tmp_path / "pulled.json.gz"
    assert pull(source, WINDOW, path) == 6
    with Warehouse.open(MEMORY) as warehouse:
        done = import_file(warehouse, path, ReadOptions(file_name=source.title))
        assert done.parsed.format == "cloudwatch-json"
        assert done.parsed.file_name == "CloudWatch eu-west-1"
        assert warehouse.rows(
            "SELECT metric, gpu_uuid, gpu_index, instance_id, instance_type, samples "
            "FROM usage_series ORDER BY metric"
        ) == [
            ("fb_used_bytes", UUID, "0", PLACE["InstanceId"], "g5.xlarge", 3),
            ("gpu_util_ratio", UUID, "0", PLACE["InstanceId"], "g5.xlarge", 3),
        ]
        assert warehouse.rows(
            "SELECT measured_at, round(value, 6) FROM usage_samples JOIN usage_series USING (series_id) "
            "WHERE metric = 'gpu_util_ratio' ORDER BY 1"
        ) == [((WINDOW.start + at * STEP).replace(tzinfo=None), (at + 1) / 10) for at in range(3)]
        again = tmp_path / "again.json.gz"
        pull(source, WINDOW, again)
        assert import_file(warehouse, again).already_imported


def test_nothing_measured_is_said(moto: Any, tmp_path: Path) -> None:
    with pytest.raises(InferplanError, match="CloudWatch ap-south-1 has nothing of this"):
        pull(CloudWatch(cloudwatch_metrics("gpu"), "ap-south-1"), WINDOW, tmp_path / "p")


@pytest.fixture
def stubbed(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """Answers that botocore itself checks against its service model."""
    api = boto3.client("cloudwatch", region_name=REGION)
    monkeypatch.setattr(cloudwatch, "client", lambda service, region: api)
    with Stubber(api) as stub:
        metric = {"Namespace": "CWAgent", "MetricName": "x", "Dimensions": [{"Name": "index", "Value": "0"}]}
        stub.add_response("list_metrics", {"Metrics": [metric]}, {"Namespace": "CWAgent", "MetricName": ANY})
        yield stub


ONE = (("CWAgent", "nvidia_smi_utilization_gpu"),)
ASKED = dict.fromkeys(("MetricDataQueries", "StartTime", "EndTime", "ScanBy"), ANY)


def page(status: str, at: int, **more: Any) -> dict[str, Any]:
    result = {
        "Id": "m0", "Label": "nvidia_smi_utilization_gpu i-0a1b2c3d4e5f60718 0", "StatusCode": status,
        "Timestamps": [WINDOW.start + at * STEP], "Values": [50.0],
    }  # fmt: skip
    return {"MetricDataResults": [result], **more}


def test_pages_are_followed_to_the_end(stubbed: Stubber, tmp_path: Path) -> None:
    stubbed.add_response("get_metric_data", page("PartialData", 0, NextToken="n1"), ASKED)
    stubbed.add_response("get_metric_data", page("Complete", 1), {**ASKED, "NextToken": "n1"})
    assert pull(CloudWatch(ONE, REGION), WINDOW, tmp_path / "p") == 2
    report = inspect(tmp_path / "p")
    assert (report.values_kept, report.series) == (2, 1)
    assert not any("only part" in note for note in report.notes)


def test_an_end_that_is_still_partial_is_said(stubbed: Stubber, tmp_path: Path) -> None:
    stubbed.add_response("get_metric_data", page("PartialData", 0), ASKED)
    pull(CloudWatch(ONE, REGION), WINDOW, tmp_path / "p")
    assert any("only part of the data" in note for note in inspect(tmp_path / "p").notes)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (page("Forbidden", 0), "with Forbidden"),
        (
            page("Complete", 0, Messages=[{"Code": "x", "Value": "Maximum number of metrics"}]),
            "Maximum number",
        ),
    ],
)
def test_answers_that_are_not_whole_bring_nothing(
    stubbed: Stubber, tmp_path: Path, answer: dict[str, Any], said: str
) -> None:
    stubbed.add_response("get_metric_data", answer, ASKED)
    with pytest.raises(SourceAnswerError, match=said):
        pull(CloudWatch(ONE, REGION), WINDOW, tmp_path / "p")


def test_missing_rights_name_the_action(stubbed: Stubber, tmp_path: Path) -> None:
    stubbed.add_client_error("get_metric_data", "AccessDenied")
    with pytest.raises(SourceSkippedError, match="cloudwatch:GetMetricData"):
        pull(CloudWatch(ONE, REGION), WINDOW, tmp_path / "p")


@pytest.mark.parametrize(
    ("span_days", "step_s", "said"),
    [(20, 60, "take a step of 300 s"), (100, 300, "take a step of 3600 s"), (500, 3600, "keeps nothing"),
     (1, 30, "take a step of 60 s")],
)  # fmt: skip
def test_steps_finer_than_what_is_kept_are_refused(
    aws: None, tmp_path: Path, span_days: int, step_s: int, said: str
) -> None:
    with pytest.raises(InferplanError, match=said):
        pull(CloudWatch(ONE, REGION), last(timedelta(days=span_days), step_s, NOW), tmp_path / "p")


def test_names_that_there_are_not(aws: None, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="preset"):
        cloudwatch_metrics("gpus")
    with pytest.raises(UnknownNameError, match="AWS region"):
        pull(CloudWatch(ONE, "eu-west-11"), WINDOW, tmp_path / "p")
    with pytest.raises(InferplanError, match="Maximum or Average"):
        pull(CloudWatch(ONE, REGION, "p99"), WINDOW, tmp_path / "p")


def test_without_credentials_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SourceSkippedError, match="no AWS credentials were found"):
        pull(CloudWatch(ONE, REGION), WINDOW, tmp_path / "p")
