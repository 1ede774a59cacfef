"""The reduction on a database that SQLAlchemy reaches; rows stream into a Parquet file."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.fleets.reduction import COLUMNS, reduction_sql
from inferplan.datasets.fleets.sample_table import LABELS, SampleTable

if TYPE_CHECKING:
    import pyarrow

_PIECE = 100_000
_DIALECTS = {"postgresql": "postgres", "mssql": "tsql", "awsathena": "athena", "spark": "databricks"}
"""SQLAlchemy's name -> SQLGlot's, where they differ."""


def reduce_on_database(url: str, samples: SampleTable, target: Path) -> None:
    """Run the reduction on the database at ``url`` and write it to ``target``: whole, or not at all.

    Raises
    ------
    InferplanError
        If SQLAlchemy or the driver is missing, the database does not answer or refuses the query.
    """
    try:
        import sqlalchemy
    except ImportError as error:
        raise InferplanError("A database needs SQLAlchemy: pip install 'inferplan[databases]'.") from error
    import pyarrow
    import pyarrow.parquet

    arriving = target.with_name(f"{target.name}.part")
    try:
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        query = reduction_sql(samples, _DIALECTS.get(engine.dialect.name, engine.dialect.name))
        connection = engine.connect().execution_options(
            stream_results=True,
            max_row_buffer=_PIECE,
            no_parameters=True,  # a % is a sign of the query's own
        )
        with (
            connection,
            pyarrow.parquet.ParquetWriter(arriving, _schema()) as writer,
        ):
            rows = iter(connection.exec_driver_sql(query))
            while piece := list(islice(rows, _PIECE)):
                columns = dict(zip(COLUMNS, map(list, zip(*piece, strict=True)), strict=True))
                writer.write_table(pyarrow.table(columns, schema=_schema()))
        arriving.replace(target)
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        raise InferplanError(f"The database refused: {str(error).splitlines()[0]}") from error
    finally:
        arriving.unlink(missing_ok=True)


def _schema() -> "pyarrow.Schema":
    import pyarrow

    texts = {*LABELS, "metric"}
    numbers = {"low", "high"}
    kinds = (
        (
            name,
            pyarrow.string() if name in texts else pyarrow.float64() if name in numbers else pyarrow.int64(),
        )
        for name in COLUMNS
    )
    return pyarrow.schema(list(kinds))
