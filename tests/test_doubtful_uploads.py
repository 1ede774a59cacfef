"""Uploads that could be read two ways, or that look like something else: asked or refused, never guessed."""

import json
from pathlib import Path

import duckdb
import pytest

from inferplan.datasets.exports import ReadOptions, UnreadableError, import_file, inspect
from inferplan.datasets.warehouse import Warehouse

AT = "2024-05-01T12:0{}:00Z"
GIB = 1024.0**3


def write(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "export"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def landed(warehouse: Warehouse) -> dict[str, list[float]]:
    rows = warehouse.rows(
        "SELECT metric, list(value ORDER BY host, gpu_index, measured_at) FROM usage_series "
        "JOIN usage_samples USING (series_id) GROUP BY metric"
    )
    return dict(rows)


def test_a_second_header_with_other_columns_is_another_table(tmp_path: Path) -> None:
    first, second = f"{AT.format(0)},45,30", f"{AT.format(1)},31,47"
    path = write(tmp_path, "time,power_w,temperature_c", first, "time,temperature_c,power_w", second)
    with pytest.raises(UnreadableError, match="row 2 is another header"):
        inspect(path)
    moved = write(tmp_path, "time,power_w,temperature_c", first, "power_w,time,temperature_c", second)
    with pytest.raises(UnreadableError, match="row 2 is another header"):
        inspect(moved)


def test_rows_that_sum_up_others_are_no_gpu(tmp_path: Path, warehouse: Warehouse) -> None:
    rows = (f"{AT.format(0)},{gpu},{watts}" for gpu, watts in (("0", 45), ("1", 47), ("Total", 92)))
    report = import_file(warehouse, write(tmp_path, "time,gpu,power_w", *rows)).parsed
    assert (landed(warehouse), report.ignored) == ({"power_w": [45, 47]}, (("rows of Total", 1),))


def test_a_series_that_sums_up_others_is_no_machine(tmp_path: Path, warehouse: Warehouse) -> None:
    path = write(tmp_path, "Time,GPU 0,GPU 1,Total", f"{AT.format(0)},45,47,92")
    import_file(warehouse, path, ReadOptions(metric="power_w", host="n"))
    assert landed(warehouse) == {"power_w": [45, 47]}


def test_memory_without_a_unit_is_asked_where_it_may_be_gib(tmp_path: Path, warehouse: Warehouse) -> None:
    path = write(tmp_path, "time,gpu,memory_used", f"{AT.format(0)},0,70.2", f"{AT.format(1)},0,45")
    [question] = inspect(path).questions
    assert (question.option, question.choices) == ("metric", ("fb_used_gib", "fb_used_mib"))
    import_file(warehouse, path, ReadOptions(metric="fb_used_gib"))
    assert landed(warehouse) == {"fb_used_bytes": pytest.approx([70.2 * GIB, 45 * GIB])}


@pytest.mark.parametrize(("total", "unit"), [(80, GIB), (81920, GIB / 1024), (83886080, 1024.0)])
def test_a_gpus_memory_tells_the_unit(tmp_path: Path, warehouse: Warehouse, total: int, unit: float) -> None:
    path = write(tmp_path, "time,gpu,memory_used,memory_total", f"{AT.format(0)},0,3,{total}")
    import_file(warehouse, path)
    assert landed(warehouse) == {"fb_used_bytes": [3 * unit], "fb_total_bytes": [80 * GIB]}


@pytest.mark.parametrize(("column", "value"), [("power", 68000), ("gpu_temp", 180)])
def test_what_no_gpu_reaches_is_in_another_unit(tmp_path: Path, column: str, value: int) -> None:
    path = write(tmp_path, f"time,gpu,{column}", f"{AT.format(0)},0,{value}", f"{AT.format(1)},0,60")
    report = inspect(path)
    assert (report.values_kept, report.rows_refused) == (1, 1)
    assert f"of {value} is impossible" in report.problems[0].reason


@pytest.mark.parametrize("count", ["requests", "num_model_requests"])
def test_sums_of_requests_are_no_requests(tmp_path: Path, warehouse: Warehouse, count: str) -> None:
    path = write(tmp_path, f"time,{count},input_tokens,output_tokens", f"{AT.format(0)},500,9,8")
    with pytest.raises(UnreadableError, match=f"column {count}"):
        inspect(path)
    import_file(warehouse, path, ReadOptions(columns={count: "ignore"}))
    assert landed(warehouse)["generation_tokens"] == [8]


def test_tokens_beside_other_metrics_are_told(tmp_path: Path) -> None:
    path = write(tmp_path, "time,gpu,power_w,output_tokens", f"{AT.format(0)},0,60,8")
    assert inspect(path).notes[0].startswith("output_tokens beside other metrics: not used")


def test_a_count_with_fractions_is_a_rate(tmp_path: Path) -> None:
    rows = (f"{AT.format(n)},a,{count}" for n, count in enumerate((1.5, 2, 3)))
    path = write(tmp_path, "time,pod,total,power_w", *(f"{row},5" for row in rows))
    report = inspect(path, ReadOptions(columns={"total": "prompt_tokens"}))
    assert (dict(report.metrics), report.rows_refused) == ({"power_w": 3}, 3)
    assert report.problems[0].reason == (
        "prompt_tokens of 1.5 is a rate or a mean and no count: export the counter itself"
    )


@pytest.mark.parametrize(
    "cell",
    ['"host=n,index=0"', "{host=n; index=0}", '"{""host"": ""n"", ""index"": ""0""}"', '"host:n,index:0"'],
)
def test_a_cell_of_labels_tells_the_place(tmp_path: Path, warehouse: Warehouse, cell: str) -> None:
    other = cell.replace("0", "1")
    path = write(tmp_path, "time,tags,power_w", f"{AT.format(0)},{cell},60", f"{AT.format(0)},{other},70")
    import_file(warehouse, path)
    assert warehouse.rows("SELECT host, gpu_index FROM usage_series ORDER BY ALL") == [("n", "0"), ("n", "1")]


@pytest.mark.parametrize("said", ["Statistic,Sum", "Statistic,Minimum"])
def test_sums_and_minima_of_cloudwatch_are_no_use(tmp_path: Path, said: str) -> None:
    path = write(tmp_path, "Label,CPUUtilization i-0123456789abcdef0", said, "2024/05/01 12:00:00,45")
    report = inspect(path, ReadOptions(time_zone="UTC"))
    assert report.values_kept == 0
    assert "ask for Maximum" in report.ignored[0][0]


def test_data_points_without_maximum_or_average_are_refused(tmp_path: Path) -> None:
    points = [{"Timestamp": AT.format(0), "Sum": 45.0}, {"Timestamp": AT.format(1), "Average": 5.0}]
    report = inspect(write(tmp_path, json.dumps({"Label": "CPUUtilization", "Datapoints": points})))
    assert (report.values_kept, report.rows_refused) == (1, 1)
    assert "neither Maximum nor Average" in report.problems[0].reason


def test_a_warning_behind_much_data_is_told(tmp_path: Path) -> None:
    samples = [[1714564800 + n, "0.5"] for n in range(10_000)]
    series = {"metric": {"__name__": "DCGM_FI_PROF_SM_ACTIVE", "gpu": "0"}, "values": samples}
    answer = {
        "status": "success",
        "data": {"resultType": "matrix", "result": [series]},
        "warnings": ["store down"],
    }
    assert "Prometheus warns: store down" in inspect(write(tmp_path, json.dumps(answer))).notes


@pytest.mark.parametrize("values", [[[1714564800000], [1, 2]], [[1714564800000]], [None, [1]]])
def test_a_frame_whose_fields_have_no_one_length_is_refused(tmp_path: Path, values: list[object]) -> None:
    fields = [{"name": "Time", "type": "time"}, {"name": "DCGM_FI_DEV_GPU_UTIL", "type": "number"}]
    report = inspect(
        write(tmp_path, json.dumps([{"schema": {"fields": fields}, "data": {"values": values}}]))
    )
    assert (report.values_kept, report.rows_refused) == (0, 1)


def counted(**labels: str) -> dict[str, object]:
    series = {"__name__": "vllm:prompt_tokens_total", "pod": "a", **labels}
    return {"metric": series, "values": [[1714564800 + 60 * n, str(100 * n)] for n in range(3)]}


@pytest.mark.parametrize(
    ("other", "tokens"),
    [({"lora": "y"}, 400), ({"prometheus_replica": "1"}, 200), ({"__replica__": "b"}, 200)],
)
def test_counters_of_two_kinds_add_up_and_those_scraped_twice_do_not(
    tmp_path: Path, warehouse: Warehouse, other: dict[str, str], tokens: float
) -> None:
    first = dict.fromkeys(other, "x")
    content = {"data": {"resultType": "matrix", "result": [counted(**first), counted(**other)]}}
    import_file(warehouse, write(tmp_path, json.dumps(content)))
    assert sum(landed(warehouse)["prompt_tokens"]) == tokens


def test_bytes_under_a_name_of_mib_are_impossible(tmp_path: Path) -> None:
    path = write(
        tmp_path, "time,gpu,DCGM_FI_DEV_FB_USED", f"{AT.format(0)},0,73014444032", f"{AT.format(1)},0,9"
    )
    assert (inspect(path).values_kept, inspect(path).rows_refused) == (1, 1)


def test_an_aligned_row_with_an_empty_cell_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "time  gpu  power_w", f"{AT.format(0)}  0    61", f"{AT.format(1)}       62")
    report = inspect(path)
    assert (report.format, report.values_kept, report.problems[0].line) == ("aligned-table", 1, 3)


def test_a_map_of_labels_in_parquet_tells_the_place(tmp_path: Path, warehouse: Warehouse) -> None:
    path = tmp_path / "a.parquet"
    labels = "MAP {'gpu': CAST(i AS VARCHAR), 'Hostname': 'n'} AS labels"
    duckdb.execute(
        f"COPY (SELECT TIMESTAMPTZ '2024-05-01 12:00:00Z' AS time, {labels}, 0.5 AS sm_active_ratio "
        f"FROM range(2) AS t(i)) TO '{path}'"
    )
    import_file(warehouse, path, ReadOptions(time_zone="UTC"))
    assert warehouse.rows("SELECT host, gpu_index FROM usage_series ORDER BY ALL") == [("n", "0"), ("n", "1")]


def test_a_column_gpu_may_hold_names_or_uuids(tmp_path: Path, warehouse: Warehouse) -> None:
    uuid = "GPU-01234567-89ab-cdef-0123-456789abcdef"
    rows = (
        f"{AT.format(0)},{gpu},5" for gpu in ("NVIDIA A100-SXM4-80GB", uuid, "nvidia3", "00000000:3B:00.0")
    )
    import_file(warehouse, write(tmp_path, "time,gpu,power_w", *rows))
    assert warehouse.rows("SELECT gpu_index, gpu_name, gpu_uuid FROM usage_series ORDER BY ALL") == [
        ("00000000:3B:00.0", None, None),
        ("3", None, None),
        (None, "NVIDIA A100-SXM4-80GB", None),
        (None, None, uuid),
    ]
