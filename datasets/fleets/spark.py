"""The reduction on Spark, classic or Connect, over files in a folder or bucket or a table of its catalog."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.fleets.reduction import reduction_sql
from inferplan.datasets.fleets.sample_table import SampleTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@contextmanager
def spark_session(master: str) -> Iterator["SparkSession"]:
    """Yield a session on a cluster, stopped afterwards.

    Parameters
    ----------
    master
        ``local[*]``, ``spark://host:7077``, ``yarn``, ``k8s://...`` for classic Spark;
        ``sc://host:15002`` for Spark Connect.

    Raises
    ------
    InferplanError
        If PySpark is not installed, the cluster does not answer, or refuses what the block asks of it: Spark
        may say only when it works that a path, a table or a column is not there.
    """
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        msg = "Spark needs PySpark: pip install 'inferplan[spark]' (and Java 17 for a cluster of your own)."
        raise InferplanError(msg) from error
    builder = SparkSession.builder.appName("inferplan")
    builder = builder.remote(master) if master.startswith("sc://") else builder.master(master)
    try:
        session = builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    except (PySparkException, RuntimeError, OSError) as error:
        raise InferplanError(f"Spark at {master} does not answer: {error}") from error
    try:
        yield session
    except PySparkException as error:
        raise InferplanError(f"Spark refused: {str(error).splitlines()[0]}") from error
    finally:
        session.stop()


def reduce_on_spark(session: "SparkSession", samples: SampleTable) -> "DataFrame":
    """Return the histogram of ``samples`` as a Spark frame; Spark does the work when it is written."""
    if samples.path is not None:
        read = session.read
        found = read.csv(samples.path, header=True) if samples.is_csv else read.parquet(samples.path)
        found.createOrReplaceTempView(samples.table)
    return session.sql(reduction_sql(samples, "spark"))


def write_histogram(histogram: "DataFrame", target: str) -> None:
    """Write a histogram as Parquet: a local file that ends in ``.parquet``, else a folder of Spark's."""
    if target.endswith(".parquet") and "://" not in target:
        import pyarrow.parquet

        pyarrow.parquet.write_table(histogram.toArrow(), Path(target))
    else:
        histogram.write.mode("overwrite").parquet(target)
