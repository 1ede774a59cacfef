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
    "decimal commas, and thousands with points": (
        "time;gpu;power_w;memory_used_mib\n01.05.2024 12:00;0;61,5;70.312\n"
        "01.05.2024 12:01;0;0,125;7.031,5\n",
        UTC,
        {("power_w", "0"): [61.5, 0.125], ("fb_used_bytes", "0"): [70312 * MIB, 7031.5 * MIB]},
    ),
    "semicolons and decimal points": (
        "time;gpu;power_w;memory_used_mib\n01.05.2024 12:00;0;61.5;70.312\n",
        UTC,
        {("power_w", "0"): [61.5], ("fb_used_bytes", "0"): [70.312 * MIB]},
    ),
}
