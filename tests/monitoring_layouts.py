"""Layouts of monitoring services, each as small as it can be, and what is in them."""

import json
from typing import Any

from real_layouts import MIB, UTC, Case

NOON = 1714564800000


def frame(name: str, labels: dict[str, str], values: list[Any], **config: Any) -> dict[str, Any]:
    """Return a data frame as ``/api/ds/query`` answers it."""
    fields = [
        {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}, "config": {"interval": 60000}},
        {"name": name, "type": "number", "labels": labels, "config": config},
    ]
    times = [NOON + 60000 * n for n in range(len(values))]
    return {"schema": {"refId": "A", "fields": fields}, "data": {"values": [times, values]}}


UTIL = frame(
    "DCGM_FI_DEV_GPU_UTIL", {"__name__": "DCGM_FI_DEV_GPU_UTIL", "gpu": "0", "Hostname": "n"}, [45, None]
)
XID = frame("DCGM_FI_DEV_XID_ERRORS", {"__name__": "DCGM_FI_DEV_XID_ERRORS", "gpu": "0"}, [0])


def otlp_label(key: str, value: str) -> dict[str, Any]:
    """Return an attribute of OpenTelemetry."""
    return {"key": key, "value": {"stringValue": value}}


def otlp_gauge(at_ms: int, value: float) -> dict[str, Any]:
    """Return a gauge of one point."""
    point = {"attributes": [otlp_label("gpu", "0")], "timeUnixNano": f"{at_ms}000000", "asDouble": value}
    return {"name": "DCGM_FI_DEV_GPU_UTIL", "unit": "1", "gauge": {"dataPoints": [point]}}


def otlp_tokens(count: int) -> dict[str, Any]:
    """Return a cumulative sum of one point, later the more it counts."""
    point = {"timeUnixNano": str(NOON * 1_000_000 + count * 1_000_000_000), "asInt": str(count)}
    return {
        "name": "vllm:generation_tokens_total",
        "sum": {"dataPoints": [point], "aggregationTemporality": 2},
    }


otlp_deltas = {"name": "vllm:prompt_tokens_total", "sum": {"aggregationTemporality": 1, "dataPoints": [{}]}}


def google_point(minute: int, value: int) -> dict[str, Any]:
    """Return a point of Cloud Monitoring."""
    at = f"2024-05-01T12:0{minute}:00Z"
    return {"interval": {"startTime": at, "endTime": at}, "value": {"int64Value": str(value)}}


CASES: dict[str, Case] = {
    "Grafana's query inspector": (
        json.dumps(
            {"request": {"url": "api/ds/query"}, "response": {"results": {"A": {"frames": [UTIL, XID]}}}}
        ),
        {},
        {("gpu_util_ratio", "n/0"): [0.45]},
    ),
    "Grafana's frames of a panel, in its unit": (
        json.dumps([frame("Value", {"gpu": "1"}, [1.5, 70.5], displayNameFromDS="GPU 1", unit="gbytes")]),
        {"metric": "fb_used_bytes"},
        {("fb_used_bytes", "1"): [1.5 * 1024 * MIB, 70.5 * 1024 * MIB]},
    ),
    "Grafana's panel data, by legend": (
        json.dumps(
            {
                "state": "Done",
                "series": [
                    {
                        "fields": [
                            {"name": "Time", "type": "time", "values": [NOON]},
                            {
                                "name": "Value",
                                "type": "number",
                                "values": [0.4],
                                "config": {"displayName": legend},
                            },
                        ]
                    }
                    for legend in ("node-7 GPU 3", "Total")
                ],
            }
        ),
        {"metric": "sm_active_ratio"},
        {("sm_active_ratio", "node-7/3"): [0.4]},
    ),
    "Grafana's frame of a table": (
        json.dumps(
            {
                "schema": {
                    "fields": [
                        {"name": "Time", "type": "time"},
                        {"name": "pod", "type": "string"},
                        {"name": "vllm:num_requests_running", "type": "number"},
                    ]
                },
                "data": {"values": [[NOON, NOON], ["a", "b"], [4, 5]]},
            }
        ),
        {},
        {("requests_running", "a"): [4], ("requests_running", "b"): [5]},
    ),
    "CloudWatch's console": (
        "Full label,i-0a11111111111111a (nvidia_smi_utilization_gpu),GPU box A\n"
        "Label,i-0a11111111111111a,GPU box A\nMetric name,nvidia_smi_utilization_gpu,nvidia_smi_memory_used\n"
        "Statistic,Maximum,Maximum\nMin,97.9,0\nMax,99.1,0\n"
        "2024/05/01 12:00:00,98.6,9000\n2024/05/01 12:05:00,,9001\n",
        UTC,
        {
            ("gpu_util_ratio", "i-0a11111111111111a"): [0.986],
            ("fb_used_bytes", "box A"): [9000 * MIB, 9001 * MIB],
        },
    ),
    "promtool tsdb dump": (
        '{__name__="DCGM_FI_DEV_GPU_UTIL", Hostname="n", gpu="0"} 97 1714564800000\n'
        '{__name__="DCGM_FI_DEV_GPU_UTIL", Hostname="n", gpu="0"} 98 1714564860000\n'
        '{__name__="up", instance="x"} 1 1714564800000\n',
        {},
        {("gpu_util_ratio", "n/0"): [0.97, 0.98]},
    ),
    "exposition with names in quotes": (
        '# TYPE DCGM_FI_DEV_GPU_UTIL gauge\n{"DCGM_FI_DEV_GPU_UTIL", gpu="0"} 97 1714564800000\n',
        {},
        {("gpu_util_ratio", "0"): [0.97]},
    ),
    "OpenTelemetry Collector's file": (
        "\n".join(
            json.dumps(
                {
                    "resourceMetrics": [
                        {
                            "resource": {"attributes": [otlp_label("host.name", "n")]},
                            "scopeMetrics": [{"metrics": [otlp_util, otlp_tokens(count), otlp_deltas]}],
                        }
                    ]
                }
            )
            for otlp_util, count in ((otlp_gauge(NOON, 45), 100), (otlp_gauge(NOON + 60000, 46), 130))
        ),
        {},
        {("gpu_util_ratio", "n/0"): [0.45, 0.46], ("generation_tokens", "n"): [30]},
    ),
    "Google's managed Prometheus": (
        json.dumps(
            {
                "timeSeries": [
                    {
                        "metric": {
                            "type": f"prometheus.googleapis.com/{said}",
                            "labels": {"gpu": "0", "UUID": "GPU-1"},
                        },
                        "resource": {
                            "type": "prometheus_target",
                            "labels": {"cluster": "c", "namespace": "ns"},
                        },
                        "metricKind": kind,
                        "points": [google_point(1, 150), google_point(0, 50)],
                    }
                    for said, kind in (
                        ("DCGM_FI_DEV_POWER_USAGE/gauge", "GAUGE"),
                        ("vllm:prompt_tokens_total/counter", "CUMULATIVE"),
                        ("vllm:generation_tokens_total/counter", "GAUGE"),
                    )
                ]
            }
        ),
        {},
        {("power_w", "GPU-1/0"): [50, 150], ("prompt_tokens", "GPU-1/0"): [100]},
    ),
    "GKE's accelerators": (
        json.dumps(
            [
                {
                    "metric": {
                        "type": "kubernetes.io/container/accelerator/duty_cycle",
                        "labels": {"accelerator_id": "0", "make": "nvidia", "model": "nvidia-l4"},
                    },
                    "resource": {"type": "k8s_container", "labels": {"pod_name": "llm-0"}},
                    "metricKind": "GAUGE",
                    "points": [google_point(0, 45)],
                }
            ]
        ),
        {},
        {("gpu_util_ratio", "0/llm-0"): [0.45]},
    ),
    "Datadog's query": (
        json.dumps(
            {
                "status": "ok",
                "series": [
                    {
                        "metric": said,
                        "pointlist": [[NOON + 0.0, 45.0], [NOON + 60000.0, None]],
                        "scope": "gpu:0,host:n",
                        "unit": [{"family": "x", "short_name": unit}, None],
                        "aggr": "max",
                    }
                    for said, unit in (("dcgm.frame_buffer.used", "MB"), ("dcgm.gpu_utilization", "%"))
                ],
            }
        ),
        {},
        {("fb_used_bytes", "n/0"): [45 * MIB], ("gpu_util_ratio", "n/0"): [0.45]},
    ),
    "Azure Monitor": (
        json.dumps(
            {
                "interval": "PT1M",
                "value": [
                    {
                        "id": "/subscriptions/s/providers/Microsoft.Compute/virtualMachines/vm1"
                        "/providers/Microsoft.Insights/metrics/Percentage CPU",
                        "name": {"value": "Percentage CPU"},
                        "unit": "Percent",
                        "timeseries": [
                            {
                                "metadatavalues": [],
                                "data": [
                                    {"timeStamp": "2024-05-01T12:00:00Z", "average": 12.5, "maximum": 50.0},
                                    {"timeStamp": "2024-05-01T12:01:00Z"},
                                ],
                            },
                            {"data": [{"timeStamp": "2024-05-01T12:00:00Z", "total": 12.5}]},
                        ],
                    }
                ],
            }
        ),
        {},
        {("cpu_util_ratio", "vm1"): [0.5]},
    ),
}
