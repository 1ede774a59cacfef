"""Times, units and odd cells of tables, and the order of their rows."""

from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from sample_uploads import HEADER, write

from inferplan.datasets.exports import ReadOptions, import_file, inspect
from inferplan.datasets.warehouse import Warehouse


def test_repeated_and_backward_times_are_put_in_order(tmp_path: Path, warehouse: Warehouse) -> None:
    content = HEADER + "".join(
        f"2024-05-01T12:0{minute}:00Z,n1,0,{value}\n"
        for minute, value in ((2, 0.2), (0, 0.1), (2, 0.9), (1, 0.3))
    )
    report = import_file(warehouse, write(tmp_path, "a.csv", content)).parsed
    assert any("not in order" in note for note in report.notes)
    found = warehouse.rows("SELECT measured_at, value FROM usage_samples ORDER BY 1")
    assert found == [
        (datetime(2024, 5, 1, 12, minute), value) for minute, value in ((0, 0.1), (1, 0.3), (2, 0.9))
    ]
    assert warehouse.rows("SELECT samples FROM usage_series") == [(3,)]


def test_the_hour_that_comes_twice_and_the_one_that_is_skipped(tmp_path: Path, warehouse: Warehouse) -> None:
    local = ["2024-10-27 01:30", "2024-10-27 02:30", "2024-10-27 02:30", "2024-10-27 03:30"]
    content = HEADER + "".join(f"{at}:{second:02d},n1,0,0.5\n" for second, at in enumerate(local))
    import_file(warehouse, write(tmp_path, "autumn.csv", content), ReadOptions(time_zone="Europe/Berlin"))
    found = [row[0] for row in warehouse.rows("SELECT measured_at FROM usage_samples ORDER BY 1")]
    assert found == [datetime(2024, 10, 26, 23, 30), datetime(2024, 10, 27, 0, 30, 1),
                     datetime(2024, 10, 27, 0, 30, 2), datetime(2024, 10, 27, 2, 30, 3)]  # fmt: skip
    spring = HEADER + "2024-03-31 02:30:00,n1,0,0.5\n2024-03-31 03:30:00,n1,0,0.5\n"
    report = inspect(write(tmp_path, "spring.csv", spring), ReadOptions(time_zone="Europe/Berlin"))
    assert (report.values_kept, report.rows_refused) == (1, 1)
    assert "does not exist" in report.problems[0].reason


def test_a_second_hour_02_is_told_by_going_back(tmp_path: Path, warehouse: Warehouse) -> None:
    clock = [f"2024-10-27 02:{minute:02d}:00" for minute in (0, 20, 40)] * 2
    content = HEADER + "".join(f"{at},n1,0,0.5\n" for at in clock)
    import_file(warehouse, write(tmp_path, "a.csv", content), ReadOptions(time_zone="Europe/Berlin"))
    found = [row[0] for row in warehouse.rows("SELECT measured_at FROM usage_samples ORDER BY 1")]
    assert found == [datetime(2024, 10, 27, hour, minute) for hour in (0, 1) for minute in (0, 20, 40)]


@pytest.mark.parametrize("at", ["9223372036854775794", "9" * 400, "12"])
def test_a_time_that_cannot_be_is_refused_with_its_line(tmp_path: Path, at: str) -> None:
    path = tmp_path / "metrics.prom"
    good = 'DCGM_FI_PROF_SM_ACTIVE{gpu="0",UUID="GPU-1"} 0.5'
    path.write_text(f"# TYPE DCGM_FI_PROF_SM_ACTIVE gauge\n{good} 1791158400000\n{good} {at}\n")
    report = inspect(path)
    assert (report.values_kept, report.rows_refused) == (1, 1)
    assert report.problems[0] == (3, "the time is not between the years 2000 and 2100")


def test_shares_and_percents_are_told_apart_by_the_whole_table(tmp_path: Path, warehouse: Warehouse) -> None:
    content = "time,host,util\n" + "".join(
        f"2024-05-01T12:0{minute}:00Z,{host},{value}\n"
        for minute in range(3)
        for host, value in (("quiet", 1), ("busy", 97))
    )
    import_file(warehouse, write(tmp_path, "a.csv", content))
    found = warehouse.rows(
        "SELECT host, max(value) FROM usage_samples JOIN usage_series USING (series_id) GROUP BY 1 ORDER BY 1"
    )
    assert found == [("busy", 0.97), ("quiet", 0.01)]


def test_odd_cells_of_a_long_table_are_told_by_line(tmp_path: Path) -> None:
    lines = ["time,gpu_uuid,metric,value"]
    for minute in range(50):
        unit = " MiB" if minute < 3 else ""
        for gpu in ("A", "B"):
            lines.append(f"2024-05-01 12:{minute:02d}:00,{gpu},DCGM_FI_PROF_SM_ACTIVE,0.{minute:02d}")
            lines.append(f"2024/05/01 12:{minute:02d}:00,{gpu},DCGM_FI_DEV_FB_USED,{1000 + minute}{unit}")
            lines.append(f"2024-05-01 12:{minute:02d}:00,{gpu},power.draw,N/A")
    lines += ["2024-05-01 12:50:00,A,DCGM_FI_PROF_SM_ACTIVE,many", "soon,A,DCGM_FI_PROF_SM_ACTIVE,0.5"]
    report = inspect(write(tmp_path, "a.csv", "\n".join(lines)), ReadOptions(time_zone="UTC"))
    assert (report.rows_read, report.rows_refused, report.values_missing) == (302, 8, 100)
    assert report.values_kept == 100 + 94
    assert [problem.line for problem in report.problems] == [3, 6, 9, 12, 15, 18, 302, 303]
    assert report.problems[0].reason == "put the unit mib into the column's name"


def test_a_large_table_keeps_the_order_of_its_file(tmp_path: Path, warehouse: Warehouse) -> None:
    size = 700_000  # above DuckDB's buffer of 32 MB, so that several threads read
    path = tmp_path / "a.csv"
    duckdb.sql(
        "SELECT strftime(TIMESTAMP '2024-05-01' + INTERVAL (i) SECOND, '%Y-%m-%dT%H:%M:%SZ') AS timestamp, "
        "'a-rather-long-name-of-a-host' AS host, i % 1000 / 1000 AS sm_active_ratio, "
        f'i AS "vllm:prompt_tokens_total" FROM range({size}) AS t(i)'
    ).write_csv(str(path))
    report = import_file(warehouse, path).parsed
    assert not any("order" in note for note in report.notes)
    assert dict(report.metrics) == {"sm_active_ratio": size, "prompt_tokens": size - 1}
    increases = "SELECT min(value), max(value) FROM usage_samples JOIN usage_series USING (series_id) "
    assert warehouse.rows(f"{increases} WHERE metric = 'prompt_tokens'") == [(1.0, 1.0)]
