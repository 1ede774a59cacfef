"""Mutations of a file of each format end in a report or a refusal, never in anything else.

``INFERPLAN_FUZZ_EXAMPLES`` sets how many mutations of each are tried (6): thousands by hand.
"""

import gzip
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from monitoring_layouts import CASES as MONITORING
from tool_layouts import CASES as TOOLS

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import ReadOptions, formats, inspect
from inferplan.datasets.fleets.reduction import COLUMNS
from inferplan.datasets.uploads.formats import recognise
from inferplan.datasets.uploads.opening import look

OPTIONS = ReadOptions(
    time_zone="Europe/Berlin", start=datetime(2024, 5, 1), interval_s=60, metric="gpu_util_ratio", host="h"
)
TIMES = '"2024-05-01T12:00:00Z","2024-05-01T12:01:00Z"'


def _histogram_row(gpu: str, bucket: int) -> str:
    said = {
        "gpu_uuid": gpu, "metric": "gpu_util_ratio", "bucket": bucket, "samples": 60, "seconds": 3600,
        "low": bucket / 100, "high": bucket / 100, "first_at_s": 1714564800, "last_at_s": 1714568400,
        "step_s": 60,
    }  # fmt: skip
    return ",".join(str(said.get(column, "")) for column in COLUMNS)


SAMPLES = {
    "prometheus-json": '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":'
    '"DCGM_FI_DEV_GPU_UTIL","UUID":"GPU-1"},"values":[[1714564800,"98"],[1714564860.5,"NaN"]]},{"metric":'
    '{"__name__":"vllm:prompt_tokens_total","pod":"p"},"values":[[1714564800,"1"],[1714564860,"5"]]}]}}',
    "prometheus-text": '# TYPE DCGM_FI_DEV_FB_USED gauge\nDCGM_FI_DEV_FB_USED{gpu="0",UUID="G"'
    '} 73000 1714564800000\n'
    'vllm:request_success_total{finished_reason="stop",model_name="m"} 4\n',
    "grafana-csv": 'sep=,\n"Time","DCGM_FI_DEV_FB_USED{gpu=""0""}"\n2024-05-01 12:00:00,73.1 GiB\n'
    "2024-05-01 12:01:00,\n",
    "dcgmi-dmon": "#Entity   GPUTL   POWER   FBUSD\nID         W       MiB\nGPU 0     98      310.2   5120\n"
    "GPU 1     N/A     68.000  70312\nGPU 0     97      311.0   5120\n",
    "nvidia-smi": "timestamp, index, utilization.gpu [%], memory.used [MiB]\n2024/05/01 1"
    "2:00:00.003, 0, 45 %, "
    "1024 MiB\n2024/10/27 02:30:00.003, 1, [N/A], 2 MiB\n",
    "nvidia-smi-dmon": "# gpu   pwr    sm    fb\n# Idx     W     %    MB\n    0    61    10  5120\n"
    "    0    62     -  5120\n",
    "engine-log": "INFO 01-15 12:00:00 metrics.py:455] Avg prompt throughput: 1.5 tokens/s, Avg generation "
    "throughput: 30.0 tokens/s, Running: 3 reqs, Pending: 0 reqs, GPU KV cache usage: 12.5%\n",
    "cloudwatch-json": '{"MetricDataResults":[{"Id":"m1","Label":"nvidia_smi_utilization_gpu i'
    '-0123456789abcdef0 '
    f'0","Timestamps":[{TIMES}],"Values":[97.5,98],"StatusCode":"PartialData"}}]}}',
    "table": "time,host,gpu,metric,value\n2024-05-01 12:00:00,n1,0,sm_active_ratio,0"
    ".5\n2024-05-01 12:01:00+02:00,"
    "n1,0,vllm:prompt_tokens,17\n1714564800,n1,0,fb_used_bytes,5e9\n",
    "focus": "BilledCost,EffectiveCost,ListCost,BillingCurrency,ChargeCategory,ChargeClass,ChargePeriodStart,"
    "ChargePeriodEnd,CommitmentDiscountStatus,ResourceId,Tags\n1.5,1.5,2,USD,Usage,,2024-05-01T00:00:00Z,"
    '2024-05-01T01:00:00Z,Used,i-1,"{""team"":""a""}"\n',
    "opencost-csv": "Date,Namespace,ControllerName,Pod,GPUs,GPUCost,TotalCost,Labels\n2024-"
    "05-01,llm,llama,llama-0,"
    '1,58.72,82.952,"{""team"":""core""}"\n',
    "opencost-api": '{"code":200,"data":[{"a":{"start":"2024-05-01T00:00:00Z","end":"2024-05-02T00:00:00Z",'
    '"gpuHours":24,"gpuCost":58.72,"totalCost":82.9,"totalEfficiency":0.4,"properties":{"pod":"p"}}},null]}',
    "krr-csv": "Namespace,Name,Pods,Old Pods,Type,Container,Severity,CPU Diff,CPU Requ"
    "ests,CPU Limits,Memory Diff,"
    "Memory Requests,Memory Limits\nllm,llama,2,0,Deployment,server,CRITICA"
    "L,-17,(-8.532) 16.0 -> 7.468,unset,"
    "-129Gi,(-64Gi) 128Gi -> 64Gi,unset\n",
    "krr-json": '{"scans":[{"object":{"namespace":"a","name":"b","container":"c","kind"'
    ':"Deployment","allocations":'
    '{"requests":{"cpu":4.0,"memory":1024.0},"limits":{"cpu":null}}},"recommended":{"requests":{"cpu":'
    '{"value":"?"}},"limits":{}},"severity":"GOOD"}]}',
    "aws-cur": "line_item_line_item_type,line_item_unblended_cost,line_item_usage_start_date,"
    "line_item_usage_end_date,line_item_currency_code,line_item_resource_id,resource_tags,"
    "split_line_item_parent_resource_id,split_line_item_split_cost,savings_plan_savings_plan_effective_cost\n"
    'Usage,1.5,2024-05-01T00:00:00Z,2024-05-01T01:00:00Z,USD,i-1,"{""user_team"":""a""}",,,\n'
    "SavingsPlanCoveredUsage,2,2024-05-01T00:00:00Z,2024-05-01T01:00:00Z,USD,i-2,{},,,1.2\n"
    "Usage,0,2024-05-01T00:00:00Z,2024-05-01T01:00:00Z,USD,arn:aws:eks:x:1:pod/c/ns/p,{},i-1,0.7,\n",
    "usage_histogram": f"{','.join(COLUMNS)}\n{_histogram_row('G1', 49)}\n{_histogram_row('G2', 12)}\n",
    "grafana-frames": MONITORING["Grafana's query inspector"][0],
    "cloudwatch-csv": MONITORING["CloudWatch's console"][0],
    "otlp-json": MONITORING["OpenTelemetry Collector's file"][0],
    "google-monitoring": MONITORING["Google's managed Prometheus"][0],
    "datadog-json": MONITORING["Datadog's query"][0],
    "azure-monitor": MONITORING["Azure Monitor"][0],
    "gpustat": TOOLS["gpustat"][0],
    "aligned-table": TOOLS["columns kept apart by spaces, without times"][0],
    "aws-compute-optimizer": "instanceArn,finding,recommendationOptions_1_instanceType,errorCode,"
    "recommendationoptions_1_estimatedmonthlysavings_value\narn:aws:ec2:x:1:instance/i-b,OVER_PROVISIONED,"
    "p4d.24xlarge,,5986.0\n",
}  # fmt: skip
TOKENS = (
    b"", b"\0", b'"', b"'", b",", b"\n", b"\r", b"\xff\xfe", b"\xc3", b"NaN", b"-Infinity", b"1e999",
    b"9223372036854775794", b"9" * 400, b"-1", b"{", b"]", b"[" * 3000, b"null", b"=1+1", b"1970-01-01",
    b"9999-12-31T23:59:59Z", b"2024-03-31 02:30:00", b"2024-02-30T00:00:00Z", b"\\u0000", b"a" * 70_000,
    b"\\ud800", b"9" * 5000, b"1e400", b"0001-01-01T00:00:00+14:00", b"\x1b[31m", b"\xe2\x80\xae", b"\r\n",
)  # fmt: skip
MUTATION = st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(TOKENS) | st.binary(max_size=6))


def mutated(content: bytes, mutations: list[tuple[float, int, bytes]], cut: float) -> bytes:
    for place, length, token in mutations:
        at = int(place * len(content))
        content = content[:at] + token + content[at + length :]
    return content[: int(cut * len(content)) + 1]


def test_every_format_has_a_sample() -> None:
    assert SAMPLES.keys() == {known.name for known in formats()}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_recognised_and_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "sample"
    path.write_text(SAMPLES[name])
    assert recognise(look(path)).name == name
    report = inspect(path, OPTIONS)
    assert report.values_kept >= 1
    assert report.rows_refused == 0


@pytest.mark.parametrize("name", SAMPLES)
@settings(
    max_examples=int(os.environ.get("INFERPLAN_FUZZ_EXAMPLES", "6")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(mutations=st.lists(MUTATION, max_size=4), cut=st.just(1.0) | st.floats(0, 1))
def test_a_mutated_sample_ends_in_a_report_or_a_refusal(
    name: str, mutations: list[tuple[float, int, bytes]], cut: float, tmp_path: Path
) -> None:
    is_told(tmp_path, mutated(SAMPLES[name].encode(), mutations, cut))


JUNK = (None, 0, -1, "", "x", [], {}, [None], {"a": None}, True, 1e308, "NaN", [[1, 2]], {"fields": [{}]})
REPLACED = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(JUNK)), min_size=1, max_size=3
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


def replaced(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], junk)
    return copy


@pytest.mark.parametrize("name", [name for name, content in SAMPLES.items() if content[0] == "{"])
@settings(
    max_examples=int(os.environ.get("INFERPLAN_FUZZ_EXAMPLES", "6")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=REPLACED)
def test_json_with_other_values_in_it_ends_in_a_report_or_a_refusal(
    name: str, changes: list[tuple[float, Any]], tmp_path: Path
) -> None:
    document, _ = json.JSONDecoder().raw_decode(SAMPLES[name])
    for place, junk in changes:
        found = list(places(document))
        document = replaced(document, found[int(place * len(found))], junk)
    is_told(tmp_path, json.dumps(document).encode())


def is_told(folder: Path, content: bytes) -> None:
    path = folder / "mutated"
    path.write_bytes(content)
    try:
        report = inspect(path, OPTIONS)
    except InferplanError:
        return
    assert 0 <= report.rows_refused <= report.rows_read + report.values_missing + len(report.problems)


@cache
def packed() -> dict[str, bytes]:
    content = SAMPLES["prometheus-json"].encode()
    found = {"gzip": gzip.compress(content)}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", method) as archive:
            archive.writestr("a.json", content)
        found[zipfile.compressor_names[method]] = held.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        table = "SELECT TIMESTAMP '2024-05-01' + INTERVAL (i) MINUTE AS time, 'n' AS host, 0.5 AS util "
        duckdb.execute(f"COPY ({table} FROM range(50) AS t(i)) TO '{path}'")
        found["Parquet"] = path.read_bytes()
    return found


@pytest.mark.parametrize("kind", packed())
@settings(
    max_examples=int(os.environ.get("INFERPLAN_FUZZ_EXAMPLES", "6")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(mutations=st.lists(MUTATION, max_size=4), cut=st.just(1.0) | st.floats(0, 1))
def test_a_mutated_archive_ends_in_a_report_or_a_refusal(
    kind: str, mutations: list[tuple[float, int, bytes]], cut: float, tmp_path: Path
) -> None:
    is_told(tmp_path, mutated(packed()[kind], mutations, cut))
