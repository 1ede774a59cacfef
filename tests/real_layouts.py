"""Layouts that tools in the field write, each as small as it can be, and what is in them."""

import json
from typing import Any

MIB = 1024.0**2
START = {"start": "2024-05-01T12:00:00", "interval_s": 5.0}
UTC = {"time_zone": "UTC"}
GPU_LABELS = {"Hostname": "n", "gpu": "0"}
Case = tuple[str, dict[str, Any], dict[tuple[str, str], list[float]]]
"""What the file says, what is told of it, and the values that land by metric and place."""


def prometheus(*series: tuple[dict[str, str], list[float]]) -> list[dict[str, Any]]:
    return [
        {"metric": metric, "values": [[1714564800 + 60 * n, str(value)] for n, value in enumerate(values)]}
        for metric, values in series
    ]


def answer(*series: tuple[dict[str, str], list[float]]) -> str:
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": prometheus(*series)}})


def exporter(names: dict[str, list[float]], **labels: str) -> str:
    return answer(*(({"__name__": name, **labels}, values) for name, values in names.items()))


def data_point(at: str, value: float) -> dict[str, Any]:
    return {"Timestamp": at, "Maximum": value, "Average": 1.0, "Unit": "Percent"}


def streamed(name: str, value: float, **dimensions: str) -> str:
    record = {
        "metric_stream_name": "s", "namespace": "CWAgent", "metric_name": name, "dimensions": dimensions,
        "timestamp": 1714564800000, "value": {"max": value, "min": 1.0, "sum": value + 1, "count": 2.0},
    }  # fmt: skip
    return json.dumps(record)


CLOUDWATCH_TIMES = ["2024-05-01T12:01:00+00:00", "2024-05-01T12:00:00+00:00"]
CASES: dict[str, Case] = {
    "nvidia-smi without timestamp": (
        "index, utilization.gpu [%], memory.used [MiB]\n0, 45 %, 10 MiB\n1, 1 %, 3 MiB\n0, 46 %, 10 MiB\n",
        START,
        {
            ("gpu_util_ratio", "0"): [0.45, 0.46],
            ("gpu_util_ratio", "1"): [0.01],
            ("fb_used_bytes", "0"): [10 * MIB, 10 * MIB],
            ("fb_used_bytes", "1"): [3 * MIB],
        },
    ),
    "nvidia-smi of one column": (
        "utilization.gpu [%]\n1 %\n0 %\n", START, {("gpu_util_ratio", ""): [0.01, 0]},
    ),
    "a table of one's own without times": (
        "gpu,gpu_util,mem_used_mib\n0,45,1\n1,5,3\n0,46,1\n",
        START,
        {
            ("gpu_util_ratio", "0"): [0.45, 0.46],
            ("gpu_util_ratio", "1"): [0.05],
            ("fb_used_bytes", "0"): [MIB, MIB],
            ("fb_used_bytes", "1"): [3 * MIB],
        },
    ),
    "nvidia-smi without header and times": (
        "0, 45 %, 10 MiB\n0, 46 %, [N/A]\n",
        {**START, "columns": {"0": "gpu_index", "1": "gpu_util_ratio", "2": "fb_used_bytes"}},
        {("gpu_util_ratio", "0"): [0.45, 0.46], ("fb_used_bytes", "0"): [10 * MIB]},
    ),
    "nvidia-smi with bus ids": (
        "timestamp, pci.bus_id, utilization.gpu [%]\n2024/05/01 12:00:00.003, 00000000:3B:00.0, 45 %\n"
        "2024/05/01 12:00:00.004, 00000000:5E:00.0, [N/A]\n2024/05/01 12:00:05.004, 00000000:5E:00.0, 5 %\n",
        UTC,
        {("gpu_util_ratio", "00000000:3B:00.0"): [0.45], ("gpu_util_ratio", "00000000:5E:00.0"): [0.05]},
    ),
    "nvidia-smi without units, idle": (
        "timestamp, index, utilization.gpu [%]\n2024/05/01 12:00:00.003, 0, 1\n",
        UTC,
        {("gpu_util_ratio", "0"): [0.01]},
    ),
    "nvidia-smi dmon": (
        "# gpu   pwr  gtemp  mtemp    sm   mem    fb\n# Idx     W      C      C     %     %    MB\n"
        "    0    61     38      -    10     2     7\n    0    62     38      -     -     2     7\n",
        START,
        {
            ("power_w", "0"): [61, 62],
            ("temperature_c", "0"): [38, 38],
            ("gpu_util_ratio", "0"): [0.1],
            ("mem_copy_util_ratio", "0"): [0.02, 0.02],
            ("fb_used_bytes", "0"): [7 * MIB, 7 * MIB],
        },
    ),
    "nvidia-smi dmon with times, as CSV": (
        "#Date, Time, gpu, smutil, smocc\n#YYYYMMDD, HH:MM:SS, Idx, GPM:%, GPM:%\n"
        "20240501, 12:00:00, 0, 10, 5\n20240501, 12:00:01, 0, 11, -\n",
        UTC,
        {("sm_active_ratio", "0"): [0.1, 0.11], ("sm_occupancy_ratio", "0"): [0.05]},
    ),
    "dcgmi dmon of 2.x with slices": (
        "# Entity  GRACT  FBUSD\n      Id\n    GPU 0  0.457  9\n  GPU-I 0  0.534  N/A\n    GPU 0  0.845  9\n",
        START,
        {
            ("gr_engine_active_ratio", "0"): [0.457, 0.845, 0.534],
            ("fb_used_bytes", "0"): [9 * MIB, 9 * MIB],
        },
    ),
    "exposition, several scrapes": (
        "".join(f'vllm:num_requests_running{{model_name="m"}} {n}\n' for n in (3, 1, 2)),
        START,
        {("requests_running", "m"): [3, 1, 2]},
    ),
    "dcgm-exporter 1": (
        '# TYPE dcgm_fb_used gauge\ndcgm_fb_used{gpu="0",uuid="GPU-1"} 45\n',
        START,
        {("fb_used_bytes", "GPU-1/0"): [45 * MIB]},
    ),
    "vLLM respelled and through Ray": (
        exporter({"vllm_kv_cache_usage_perc": [0.5], "ray_vllm_num_requests_waiting": [3]}, model_name="m"),
        {},
        {("kv_cache_usage_ratio", "m"): [0.5], ("requests_waiting", "m"): [3]},
    ),
    "Triton with TensorRT-LLM": (
        answer(
            ({"__name__": "nv_trt_llm_request_metrics", "request_type": "waiting", "model": "m"}, [2]),
            ({"__name__": "nv_trt_llm_request_metrics", "request_type": "max", "model": "m"}, [64]),
            ({"__name__": "nv_inference_request_success", "model": "m", "version": "1"}, [1, 5]),
        ),
        {},
        {("requests_waiting", "m"): [2], ("requests", "m"): [4]},
    ),
    "AMD's exporter": (
        exporter({"gpu_gfx_activity": [50], "gpu_used_vram": [3]}, gpu_id="0", hostname="n"),
        {},
        {("gpu_util_ratio", "n/0"): [0.5], ("fb_used_bytes", "n/0"): [3 * MIB]},
    ),
    "series without envelope": (
        json.dumps(prometheus(({"__name__": "DCGM_FI_DEV_GPU_UTIL", **GPU_LABELS}, [97, 98]))),
        {},
        {("gpu_util_ratio", "n/0"): [0.97, 0.98]},
    ),
    "VictoriaMetrics' export": (
        "".join(
            json.dumps(
                {
                    "metric": {"__name__": "DCGM_FI_PROF_SM_ACTIVE", "gpu": gpu},
                    "values": [0.5, 0.6],
                    "timestamps": [1714564800000, 1714564860000],
                }
            )
            + "\n"
            for gpu in "01"
        ),
        {},
        {("sm_active_ratio", "0"): [0.5, 0.6], ("sm_active_ratio", "1"): [0.5, 0.6]},
    ),
    "answers after each other": (
        "\n".join(exporter({"DCGM_FI_DEV_GPU_UTIL": [97]}, gpu=gpu) for gpu in "01"),
        {},
        {("gpu_util_ratio", "0"): [0.97], ("gpu_util_ratio", "1"): [0.97]},
    ),
    "Grafana, formatted cells of a browser with semicolons": (
        'Time;"DCGM_FI_DEV_FB_USED{gpu=""0""}"\n2024-05-01 12:00:00;73.5 MiB\n2024-05-01 12:01:00;1,5 MiB\n',
        UTC,
        {("fb_used_bytes", "0"): [73.5 * MIB, 1.5 * MIB]},
    ),
    "Grafana, shortened counts": (
        'Time,"vllm:num_requests_running{pod=""a""}"\n2024-05-01 12:00:00,1.2 K\n2024-05-01 12:01:00,5\n',
        UTC,
        {("requests_running", "a"): [1200, 5]},
    ),
    "Grafana, shortened times": (
        "Time,ttft_s\n2024-05-01 12:00:00,250 ms\n2024-05-01 12:01:00,300 µs\n2024-05-01 12:02:00,1.5 mins\n",
        UTC,
        {("ttft_s", ""): [0.25, 0.0003, 90]},
    ),
    "Grafana, GPUs as legends": (
        'Time,GPU 0,"10.0.0.1:9400 - GPU 1"\n2024-05-01 12:00:00,45,46\n',
        {**UTC, "metric": "gpu_util_ratio", "host": "n"},
        {("gpu_util_ratio", "n/0"): [0.45], ("gpu_util_ratio", "10.0.0.1:9400/1"): [0.46]},
    ),
    "Grafana, labels as columns": (
        "Time,Hostname,gpu,Value\n2024-05-01 12:00:00,n,0,45\n",
        {**UTC, "metric": "gpu_util_ratio"},
        {("gpu_util_ratio", "n/0"): [0.45]},
    ),
    "Grafana, table of a query": (
        "Time,__name__,gpu,job,Value\n2024-05-01 12:00:00,DCGM_FI_DEV_FB_USED,0,x,4\n",
        UTC,
        {("fb_used_bytes", "0"): [4 * MIB]},
    ),
    "Grafana before 7": (
        'Series;Time;Value\nDCGM_FI_DEV_GPU_UTIL{gpu="1"};2024-05-01T12:00:00.000Z;45\n',
        {},
        {("gpu_util_ratio", "1"): [0.45]},
    ),
    "CloudWatch, results that name no place": (
        json.dumps(
            {
                "MetricDataResults": [
                    {"Id": name, "Label": "nvidia_smi_utilization_gpu", "Timestamps": CLOUDWATCH_TIMES,
                     "Values": [value, value]}
                    for name, value in (("m1", 45.0), ("m2", 5.0))
                ]
            }
        ),
        {},
        {("gpu_util_ratio", ""): [0.45, 0.45], ("gpu_util_ratio", "m2"): [0.05, 0.05]},
    ),
    "CloudWatch, a label of many words": (
        json.dumps(
            {
                "MetricDataResults": [
                    {
                        "Label": "CWAgent nvidia_smi_utilization_gpu i-0123456789abcdef0 0 Maximum us-east-1",
                        "Timestamps": CLOUDWATCH_TIMES[:1],
                        "Values": [5],
                    }
                ]
            }
        ),
        {},
        {("gpu_util_ratio", "i-0123456789abcdef0/0"): [0.05]},
    ),
    "CloudWatch get-metric-statistics": (
        json.dumps(
            {
                "Label": "CPUUtilization",
                "Datapoints": [
                    data_point(at, value) for at, value in zip(CLOUDWATCH_TIMES, (98, 97), strict=True)
                ],
            },
            indent=4,
        ),
        {"host": "n"},
        {("cpu_util_ratio", "n"): [0.97, 0.98]},
    ),
    "CloudWatch metric stream": (
        streamed("nvidia_smi_memory_used", 9, InstanceId="i-0123456789abcdef0", index="0", host="ip-1")
        + "\n"
        + streamed("node_gpu_utilization", 50, InstanceId="i-1", GpuDevice="nvidia0", NodeName="n"),
        {},
        {
            ("fb_used_bytes", "ip-1/i-0123456789abcdef0/0"): [9 * MIB],
            ("gpu_util_ratio", "n/i-1/0"): [0.5],
        },
    ),
    "pandas table of nvidia-smi": (
        "timestamp,index,utilization_gpu_pct,memory_used_mib,power_draw\n2024-05-01T12:00:00Z,0,1,9,68\n",
        {},
        {("gpu_util_ratio", "0"): [0.01], ("fb_used_bytes", "0"): [9 * MIB], ("power_w", "0"): [68]},
    ),
    "titles with units": (
        "timestamp,GPU,GPU Util (%),Mem Used (GB),Power (mW)\n2024-05-01T12:00:00Z,0,45,2.5,68000\n",
        {},
        {("gpu_util_ratio", "0"): [0.45], ("fb_used_bytes", "0"): [2.5e9], ("power_w", "0"): [68]},
    ),
    "long table with a unit by row": (
        "timestamp,gpu,metric,value,unit\n2024-05-01T12:00:00Z,0,gpu_util,1,percent\n"
        "2024-05-01T12:00:00Z,0,memory_used,2,GiB\n",
        {},
        {("gpu_util_ratio", "0"): [0.01], ("fb_used_bytes", "0"): [2048 * MIB]},
    ),
    "InfluxDB's annotated CSV": (
        "#group,false,false,true,false,false\n#datatype,string,long,dateTime:RFC3339,double,string\n"
        "#default,_result,,,,\n,result,table,_time,_value,_field\n,,0,2024-05-01T12:00:00Z,45,utilization_gpu\n",
        {},
        {("gpu_util_ratio", ""): [0.45]},
    ),
    "Datadog's names": (
        "time,host,metric,value\n2024-05-01T12:00:00Z,n,vllm.num_requests.running,4\n",
        {},
        {("requests_running", "n"): [4]},
    ),
    "a title above the header": (
        "Report of May 1, 2024\n\ntimestamp,gpu,sm_active_ratio\n2024-05-01T12:00:00Z,0,0.5\n",
        {},
        {("sm_active_ratio", "0"): [0.5]},
    ),
    "comments above the header": (
        "# by hand\n# of n\ntimestamp,gpu,sm_active_ratio\n2024-05-01T12:00:00Z,0,0.5\n",
        {},
        {("sm_active_ratio", "0"): [0.5]},
    ),
    "thousands": (
        "time;gpu;power_w\n2024-05-01T12:00:00Z;0;1.234,5\n2024-05-01T12:01:00Z;0;1'234.5\n"
        "2024-05-01T12:02:00Z;0;1\u202f234,5 W\n",
        {},
        {("power_w", "0"): [1234.5, 1234.5, 1234.5]},
    ),
    "objects within JSON": (
        '[{"ts": "2024-05-01T12Z", "gpu": {"index": 0, "memory": {"used": 9000}}, "labels": {"host": "n"}}]',
        {},
        {("fb_used_bytes", "n/0"): [9000 * MIB]},
    ),
}  # fmt: skip
