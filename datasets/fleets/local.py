"""The reduction by DuckDB on this machine, over files: for a month of a few thousand GPUs that is enough."""

from pathlib import Path

import duckdb

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.fleets.reduction import reduction_sql
from inferplan.datasets.fleets.sample_table import SampleTable
from inferplan.datasets.warehouse import MEMORY, Warehouse


def reduce_on_this_machine(samples: SampleTable, target: Path) -> None:
    """Reduce the files of ``samples.path`` and write the histogram to ``target`` as Parquet.

    Raises
    ------
    InferplanError
        If no path is named, no file is there, or a column is missing.
    """
    if samples.path is None:
        raise InferplanError("Say 'path' in the description, or which engine holds the table.")
    reader = "read_csv(?, header = true, all_varchar = true)" if samples.is_csv else "read_parquet(?)"
    with Warehouse.open(MEMORY) as engine, engine.transaction() as cursor:
        try:
            relation = cursor.sql(f"FROM {reader}", params=[samples.path])
            histogram = relation.query(samples.table, reduction_sql(samples))
            histogram.write_parquet(str(target), compression="zstd")
        except duckdb.Error as error:
            raise InferplanError(f"{samples.path}: {str(error).splitlines()[0]}") from error
