"""Columns of Parquet that hold structures are read as if each value in them had a column."""

from pathlib import Path

import duckdb
import pytest

from inferplan.datasets.exports import import_file
from inferplan.datasets.uploads.reading import ReadOptions
from inferplan.datasets.warehouse import Warehouse

ROWS = "range(20) AS a(t), range(3) AS b(g)"
AT = "TIMESTAMP '2026-10-05' + INTERVAL 5 MINUTE * t AS timestamp"


def parquet(folder: Path, columns: str) -> Path:
    path = folder / "nested.parquet"
    duckdb.sql(f"COPY (SELECT {AT}, {columns} FROM {ROWS}) TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize(
    "columns",
    [
        "{'gpu_uuid': 'GPU-' || g, 'host': 'n1'} AS labels, 0.1 * g AS sm_active_ratio",
        "{'gpu_uuid': 'GPU-' || g} AS labels, {'tags': {'host': 'n1'}} AS resource, "
        "{'sm_active_ratio': 0.1 * g} AS values",
    ],
)
def test_gpus_that_a_structure_names_are_told_apart(
    tmp_path: Path, warehouse: Warehouse, columns: str
) -> None:
    path = parquet(tmp_path, columns)
    assert import_file(warehouse, path, ReadOptions(time_zone="UTC")).parsed.values_kept == 60
    found = warehouse.rows("SELECT entity, host, samples FROM usage_series ORDER BY entity")
    assert found == [(f"GPU-{number}", "n1", 20) for number in range(3)]
