"""Each format's quirks, on small files with the shapes that the tools write; every value is known."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import NeedsAnswerError, ReadOptions, import_file, inspect
from inferplan.datasets.warehouse import MEMORY, Warehouse

MIB = 1024**2
UTC = ReadOptions(time_zone="UTC")


def samples(warehouse: Warehouse, metric: str, entity: str) -> list[tuple[datetime, float]]:
    return warehouse.rows(
        "SELECT measured_at, value FROM usage_samples JOIN usage_series USING (series_id) "
        "WHERE metric = ? AND entity = ? ORDER BY measured_at",
        [metric, entity],
    )


def values(warehouse: Warehouse, metric: str, entity: str) -> list[float]:
    return [value for _, value in samples(warehouse, metric, entity)]


def times(warehouse: Warehouse, metric: str, entity: str) -> list[datetime]:
    return [at for at, _ in samples(warehouse, metric, entity)]


@pytest.fixture
def warehouse():
    with Warehouse.open(MEMORY) as opened:
        yield opened


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def matrix(*series: tuple[dict[str, str], list[tuple[float, str]]]) -> str:
    result = [{"metric": labels, "values": [list(point) for point in points]} for labels, points in series]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


GPU = {"UUID": "GPU-1", "gpu": "0", "Hostname": "n1", "modelName": "NVIDIA L40S"}


def test_prometheus_units_sentinels_and_gaps(tmp_path: Path, warehouse: Warehouse) -> None:
    start = 1714564800
    content = matrix(
        (
            {"__name__": "DCGM_FI_DEV_GPU_UTIL", **GPU},
            [(start, "98"), (start + 60, "99"), (start + 180, "97")],
        ),
        ({"__name__": "DCGM_FI_DEV_FB_USED", **GPU}, [(start, "74812")]),
        (
            {"__name__": "DCGM_FI_PROF_SM_ACTIVE", **GPU},
            [(start, "NaN"), (start + 60, "+Inf"), (start + 120, "0.25")],
        ),
        (
            {"__name__": "DCGM_FI_DEV_POWER_USAGE", **GPU},
            [(start, "9223372036854775794"), (start + 60, "68.5")],
        ),
        ({"__name__": "DCGM_FI_DEV_MEMORY_TEMP", **GPU}, [(start, "40")]),
    )
    path = write(tmp_path, "export.txt", content)
    report = inspect(path)
    assert (report.format, report.rows_read, report.values_kept, report.values_missing) == (
        "prometheus-json", 10, 6, 3,
    )  # fmt: skip
    assert report.ignored == (("DCGM_FI_DEV_MEMORY_TEMP", 1),)
    assert report.first_at == datetime(2024, 5, 1, 12)
    import_file(warehouse, path)
    assert values(warehouse, "gpu_util_ratio", "GPU-1") == pytest.approx([0.98, 0.99, 0.97])
    assert values(warehouse, "fb_used_bytes", "GPU-1") == [74812 * MIB]
    assert values(warehouse, "sm_active_ratio", "GPU-1") == [0.25]
    assert values(warehouse, "power_w", "GPU-1") == [68.5]
    assert times(warehouse, "gpu_util_ratio", "GPU-1")[-1] == datetime(2024, 5, 1, 12, 3)
    assert warehouse.rows("SELECT coverage FROM usage_series WHERE metric = 'gpu_util_ratio'") == [(0.75,)]


def test_renamed_dcgm_fields_mean_the_same(tmp_path: Path, warehouse: Warehouse) -> None:
    content = matrix(
        ({"__name__": "DCGM_FI_PROF_SM_UTIL_RATIO", **GPU}, [(1714564800, "0.5")]),
        ({"__name__": "DCGM_FI_PROF_DRAM_UTIL_RATIO", **GPU}, [(1714564800, "0.4")]),
        ({"__name__": "DCGM_FI_DEV_BOARD_POWER_WATTS", **GPU}, [(1714564800, "300")]),
        ({"__name__": "DCGM_FI_DEV_GPU_UTIL_RATIO", **GPU}, [(1714564800, "98")]),
    )
    import_file(warehouse, write(tmp_path, "a.json", content))
    found = dict(
        warehouse.rows("SELECT metric, value FROM usage_samples JOIN usage_series USING (series_id)")
    )
    assert found == pytest.approx(
        {"sm_active_ratio": 0.5, "dram_active_ratio": 0.4, "power_w": 300.0, "gpu_util_ratio": 0.98}
    )


def test_the_workloads_own_labels_win_over_the_exporters(tmp_path: Path, warehouse: Warehouse) -> None:
    labels = {**GPU, "pod": "dcgm-exporter-x7", "namespace": "monitoring", "exported_pod": "llm-0",
              "exported_namespace": "prod"}  # fmt: skip
    alone = {**GPU, "UUID": "GPU-2", "pod": "dcgm-exporter-x7", "namespace": "monitoring"}
    content = matrix(
        ({"__name__": "DCGM_FI_PROF_SM_ACTIVE", **labels}, [(1714564800, "0.5")]),
        ({"__name__": "DCGM_FI_PROF_SM_ACTIVE", **alone}, [(1714564800, "0.5")]),
    )
    import_file(warehouse, write(tmp_path, "a.json", content))
    found = warehouse.rows("SELECT entity, replica FROM usage_series ORDER BY entity")
    assert found == [("GPU-1", "prod/llm-0"), ("GPU-2", None)]


def test_counters_become_increases_across_a_restart(tmp_path: Path, warehouse: Warehouse) -> None:
    replica = {"model_name": "m", "pod": "p", "namespace": "n", "engine": "0"}
    at = 1714564800.125
    content = matrix(
        (
            {"__name__": "vllm:generation_tokens_total", **replica},
            [(at, "1000"), (at + 60, "1600"), (at + 120, "90"), (at + 180, "8.9e+02")],
        ),
        ({"__name__": "vllm:kv_cache_usage_perc", **replica}, [(at, "0.91")]),
        ({"__name__": "vllm:gpu_cache_usage_perc", **(replica | {"pod": "old"})}, [(at, "0.5")]),
    )
    path = write(tmp_path, "a.json", content)
    import_file(warehouse, path)
    assert values(warehouse, "generation_tokens", "n/p") == [600, 90, 800]
    assert values(warehouse, "generation_tokens_per_s", "n/p") == pytest.approx([10, 1.5, 800 / 60])
    assert values(warehouse, "kv_cache_usage_ratio", "n/p") == [0.91]
    assert values(warehouse, "kv_cache_usage_ratio", "n/old") == [0.5]
    assert times(warehouse, "kv_cache_usage_ratio", "n/p") == [datetime(2024, 5, 1, 12, 0, 0, 125000)]
    assert inspect(path).values_kept == 5


def test_series_that_differ_in_unknown_labels_are_told(tmp_path: Path, warehouse: Warehouse) -> None:
    content = matrix(
        *(
            ({"__name__": "vllm:num_requests_running", "cluster": name, "pod": "a"}, [(1714564800, value)])
            for name, value in (("east", "1"), ("west", "5"))
        )
    )
    report = import_file(warehouse, write(tmp_path, "a.json", content)).parsed
    assert any("differ only in cluster are taken for one" in note for note in report.notes)


def test_tokens_below_zero_are_refused(tmp_path: Path, warehouse: Warehouse) -> None:
    rows = "2024-05-01T12:00:00Z,-5,6\n2024-05-01T12:00:01Z,5,6\n"
    path = write(tmp_path, "a.csv", "time,input_tokens,output_tokens\n" + rows)
    report = import_file(warehouse, path).parsed
    assert (report.rows_refused, report.problems[0].line) == (1, 2)
    sums = "SELECT metric, value FROM usage_samples JOIN usage_series USING (series_id)"
    assert {("prompt_tokens", 5.0), ("generation_tokens", 12.0)} <= set(warehouse.rows(sums))


def test_a_rate_is_no_counter(tmp_path: Path, warehouse: Warehouse) -> None:
    rates = [(1714564800.0 + 60 * n, str(50 + (-1) ** n)) for n in range(20)]
    running = ({"__name__": "vllm:num_requests_running", "pod": "a"}, [(1714564800.0, "1")])
    path = write(
        tmp_path, "a.json", matrix(({"__name__": "vllm:prompt_tokens_total", "pod": "a"}, rates), running)
    )
    report = import_file(warehouse, path).parsed
    assert (report.values_kept, report.rows_refused) == (1, 20)
    assert "falls in 10 of 19 steps" in report.problems[0].reason


def test_a_slice_is_an_entity_of_its_own(tmp_path: Path, warehouse: Warehouse) -> None:
    slice_labels = {**GPU, "GPU_I_PROFILE": "1g.10gb", "GPU_I_ID": "7"}
    content = matrix(({"__name__": "DCGM_FI_PROF_GR_ENGINE_ACTIVE", **slice_labels}, [(1714564800, "0.4")]))
    import_file(warehouse, write(tmp_path, "a.json", content))
    assert warehouse.rows("SELECT entity_kind, entity, mig_profile FROM usage_series") == [
        ("mig", "GPU-1/7", "1g.10gb")
    ]


def test_a_query_without_a_metric_name_asks(tmp_path: Path, warehouse: Warehouse) -> None:
    path = write(tmp_path, "a.json", matrix(({"Hostname": "n1", "gpu": "0"}, [(1714564800, "0.5")])))
    assert [question.option for question in inspect(path).questions] == ["metric"]
    with pytest.raises(NeedsAnswerError, match="metric"):
        import_file(warehouse, path)
    import_file(warehouse, path, ReadOptions(metric="sm_active_ratio"))
    assert values(warehouse, "sm_active_ratio", "n1/0") == [0.5]


def test_an_error_of_prometheus_is_no_data(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", '{"status":"error","errorType":"bad_data","error":"parse error"}')
    with pytest.raises(InferplanError, match="parse error"):
        inspect(path)


EXPOSITION = """# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).
# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",modelName="NVIDIA \\"odd\\" name",hostname="n1"} 98
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-1",hostname="n1"} 5120 1714564860000
process_cpu_seconds_total 12.5
not a sample
"""


def test_exposition_text_asks_when_it_was_scraped(tmp_path: Path, warehouse: Warehouse) -> None:
    path = write(tmp_path, "metrics", EXPOSITION)
    assert [question.option for question in inspect(path).questions] == ["start"]
    options = ReadOptions(start=datetime(2024, 5, 1, 14), time_zone="Europe/Berlin")
    report = inspect(path, options)
    assert (report.values_kept, report.rows_refused, report.problems[0].line) == (2, 1, 6)
    import_file(warehouse, path, options)
    assert times(warehouse, "gpu_util_ratio", "GPU-1") == [datetime(2024, 5, 1, 12)]
    assert times(warehouse, "fb_used_bytes", "GPU-1") == [datetime(2024, 5, 1, 12, 1)]
    assert warehouse.rows("SELECT gpu_name FROM usage_series WHERE metric = 'gpu_util_ratio'") == [
        ('NVIDIA "odd" name',)
    ]


NVIDIA_SMI = (
    "timestamp, name, uuid, utilization.gpu [%], memory.used [MiB], memory.total [MiB], power.draw [W]\n"
    "2024/05/01 12:00:00.003, NVIDIA H100 80GB HBM3, GPU-1, 98 %, 74812 MiB, 81559 MiB, 641.20 W\n"
    "2024/05/01 12:00:00.003, NVIDIA H100 80GB HBM3, GPU-2, [N/A], 6208 MiB, 81559 MiB, [Not Supported]\n"
    "2024/05/01 12:01:00.003, NVIDIA H100 80GB HBM3, GPU-1, [Unknown Error], 74812 MiB, 81559 MiB, 655 W\n"
    "2024/05/01 12:01:00.007, NVIDIA H100 80GB HBM3, GPU-2, [N/A], 6208 MiB\n"
    "timestamp, name, uuid, utilization.gpu [%], memory.used [MiB], memory.total [MiB], power.draw [W]\n"
)


def test_nvidia_smi_units_in_cells_and_no_zone(tmp_path: Path, warehouse: Warehouse) -> None:
    path = write(tmp_path, "log", NVIDIA_SMI)
    assert [question.option for question in inspect(path).questions] == ["time_zone"]
    report = inspect(path, UTC)
    assert (report.rows_read, report.rows_refused, report.values_missing) == (4, 1, 3)
    assert report.problems[0] == (5, "5 cells where the header has 7")
    import_file(warehouse, path, ReadOptions(time_zone="America/New_York"))
    assert times(warehouse, "gpu_util_ratio", "GPU-1") == [datetime(2024, 5, 1, 16, 0, 0, 3000)]
    assert values(warehouse, "fb_used_bytes", "GPU-2") == [6208 * MIB]
    assert values(warehouse, "power_w", "GPU-1") == [641.2, 655.0]


def test_a_table_without_header_is_mapped_by_place(tmp_path: Path, warehouse: Warehouse) -> None:
    path = write(
        tmp_path, "log.csv", "2024/05/01 12:00:00.003, 0, 98, 74812\n2024/05/01 12:00:00.007, 1, 0, 512\n"
    )
    assert [question.option for question in inspect(path).questions] == ["columns", "start", "interval_s"]
    columns = {"0": "time", "1": "gpu_index", "2": "gpu_util_ratio", "3": "fb_used_bytes"}
    import_file(warehouse, path, ReadOptions(time_zone="UTC", columns=columns, host="n1"))
    assert values(warehouse, "gpu_util_ratio", "n1/0") == [0.98]
    assert values(warehouse, "fb_used_bytes", "n1/1") == [512 * MIB]


DMON = """#Entity         GPUTL       POWER        FBUSD        SMACT
ID                            W
GPU 0           98          641.200      74812        0.861
GPU-I 7         N/A         N/A          6208         0.161
GPU 0           99          655.800      74812        0.874
GPU-I 7         N/A         N/A          6208         0.158
#Entity         GPUTL       POWER        FBUSD        SMACT
ID                            W
GPU 0           N/A         N/A          N/A          N/A
"""


def test_dcgmi_dmon_counts_rounds_from_the_told_start(tmp_path: Path, warehouse: Warehouse) -> None:
    path = write(tmp_path, "dmon.txt", DMON)
    assert [question.option for question in inspect(path).questions] == ["start", "interval_s"]
    options = ReadOptions(start=datetime(2024, 5, 1, 12), interval_s=60, host="n1")
    assert inspect(path, options).values_missing == 8
    import_file(warehouse, path, options)
    assert times(warehouse, "sm_active_ratio", "n1/0") == [
        datetime(2024, 5, 1, 12),
        datetime(2024, 5, 1, 12, 1),
    ]
    assert values(warehouse, "sm_active_ratio", "n1/7") == [0.161, 0.158]


GRAFANA = {
    "labels": '"Time","{gpu=""0"", pod=""a""}","{gpu=""0"", pod=""b""}"\r\n'
    "2024-05-01 12:00:00,98,0\r\n2024-05-01 12:01:00,99,\r\n",
    "semicolon": '"Time";"a";"b"\r\n1714564800000;0,98;0\r\n1714564860000;0,99;\r\n',
    "rows": '"Time","Metric","Value"\r\n2024-05-01 12:00:00,a,98\r\n2024-05-01 12:00:00,b,0\r\n'
    "2024-05-01 12:01:00,a,99\r\n",
    "frames": '"Time","a"\r\n2024-05-01 12:00:00,98\r\n2024-05-01 12:01:00,99\r\n\r\n"Time","b"\r\n'
    "2024-05-01 12:00:00,0\r\n\r\n",
}


@pytest.mark.parametrize("variant", GRAFANA)
def test_grafana_variants_say_the_same(variant: str, tmp_path: Path, warehouse: Warehouse) -> None:
    path = write(tmp_path, "panel.csv", GRAFANA[variant])
    import_file(warehouse, path, ReadOptions(time_zone="UTC", metric="gpu_util_ratio"))
    keys = ("a/0", "b/0") if variant == "labels" else ("a", "b")
    assert values(warehouse, "gpu_util_ratio", keys[0]) == pytest.approx([0.98, 0.99])
    assert values(warehouse, "gpu_util_ratio", keys[1]) == [0.0]


def test_grafana_formatted_cells_carry_their_unit(tmp_path: Path, warehouse: Warehouse) -> None:
    content = 'sep=,\r\n"Time","n1 GPU 0","n2 GPU 1"\r\n2024-05-01 12:00:00,73.1 GiB,512 MiB\r\n'
    path = write(tmp_path, "panel.csv", content)
    assert [question.option for question in inspect(path, UTC).questions] == ["metric"]
    import_file(warehouse, path, ReadOptions(time_zone="UTC", metric="fb_used_bytes"))
    assert values(warehouse, "fb_used_bytes", "n1/0") == [73.1 * 1024**3]
    assert values(warehouse, "fb_used_bytes", "n2/1") == [512 * MIB]


def test_cloudwatch_is_newest_first_with_its_place_in_the_label(tmp_path: Path, warehouse: Warehouse) -> None:
    result = {
        "Id": "a", "Label": "i-0a11111111111111a p5.48xlarge nvidia_smi_utilization_gpu",
        "Timestamps": ["2024-05-01T12:10:00+00:00", "2024-05-01T12:00:00+00:00"], "Values": [99.1, 98.6],
        "StatusCode": "PartialData",
    }  # fmt: skip
    memory = {"Id": "b", "Label": "i-0a11111111111111a nvidia_smi_memory_used", "Timestamps": [1714564800],
              "Values": [75036.0]}  # fmt: skip
    path = write(tmp_path, "cw.json", json.dumps({"MetricDataResults": [result, memory]}))
    assert any("only part" in note for note in inspect(path).notes)
    import_file(warehouse, path)
    assert values(warehouse, "gpu_util_ratio", "i-0a11111111111111a") == pytest.approx([0.986, 0.991])
    assert values(warehouse, "fb_used_bytes", "i-0a11111111111111a") == [75036 * MIB]


def test_a_request_log_is_added_up_by_minute(tmp_path: Path, warehouse: Warehouse) -> None:
    lines = [
        {"timestamp": "2024-05-01T12:00:05Z", "model": "m", "input_tokens": 100, "output_tokens": 10},
        {"timestamp": "2024-05-01T12:00:55Z", "model": "m", "input_tokens": 300, "output_tokens": 20},
        {"timestamp": "2024-05-01T12:02:01Z", "model": "m", "input_tokens": 50, "output_tokens": 5},
    ]
    import_file(warehouse, write(tmp_path, "log.jsonl", "\n".join(map(json.dumps, lines))))
    assert values(warehouse, "prompt_tokens", "m") == [400, 0, 50]
    assert values(warehouse, "generation_tokens_per_s", "m") == [0.5, 0.0, 5 / 60]
    assert values(warehouse, "requests", "m") == [2, 0, 1]


def test_a_format_is_found_by_content_whatever_its_name(tmp_path: Path) -> None:
    content = matrix(({"__name__": "DCGM_FI_PROF_SM_ACTIVE", **GPU}, [(1714564800, "0.5")]))
    assert inspect(write(tmp_path, "photo.png", content)).format == "prometheus-json"
