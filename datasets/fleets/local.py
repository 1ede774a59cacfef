"""The reduction by DuckDB on this machine, over files: for a month of a few thousand GPUs that is enough."""

from pathlib import Path

import duckdb

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.fleets.reduction import reduction_sql
from inferplan.datasets.fleets.sample_table import SampleTable
from inferplan.datasets.scratch import scratch_folder
from inferplan.datasets.warehouse import Warehouse


def reduce_on_this_machine(samples: SampleTable, target: Path) -> None:
    """Reduce the files of ``samples.path`` and write the histogram to ``target`` as Parquet.

    Raises
    ------
    InferplanError
        If no path is named, no file is there, or a column is missing.
    """
    if samples.path is None:
        raise InferplanError("Say 'path' in the description, or which engine holds the table.")
    path = samples.path
    with (
        scratch_folder() as folder,  # where DuckDB puts what memory does not hold
        Warehouse.open(folder / "engine.duckdb") as engine,
        engine.transaction() as cursor,
    ):
        try:
            files = (
                cursor.read_csv(path, header=True, all_varchar=True)
                if samples.is_csv
                else cursor.read_parquet(path)
            )
            files.create_view(samples.table)
            cursor.from_query(reduction_sql(samples)).write_parquet(str(target), compression="zstd")
        except duckdb.Error as error:
            raise InferplanError(f"{samples.path}: {str(error).splitlines()[0]}") from error
