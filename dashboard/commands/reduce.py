"""`inferplan reduce`: samples in files, on Spark or in a database become histograms, which are imported."""

from pathlib import Path

import click

from inferplan.dashboard.command_line.import_reports import print_report
from inferplan.datasets.exports import ReadOptions, import_file
from inferplan.datasets.fleets import SampleTable, read_sample_table, reduction_sql
from inferplan.datasets.scratch import scratch_folder
from inferplan.datasets.warehouse import Warehouse


@click.command()
@click.argument("description", type=click.Path(path_type=Path))
@click.option("--sql", "dialect", metavar="DIALECT", help="Print the query (spark, trino, ...) and stop.")
@click.option(
    "--spark", metavar="MASTER", help="Run on Spark: local[*], spark://..., or sc://... for Connect."
)
@click.option("--database", metavar="URL", help="Run on a database, by its SQLAlchemy URL.")
@click.option("--output", metavar="PATH", help="Write the histogram there (.parquet) and import nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(
    description: Path,
    dialect: str | None,
    spark: str | None,
    database: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Reduce the samples that DESCRIPTION (TOML) tells of to histograms.

    Only counts by value leave the engine; percentiles, findings and pages work on them as on samples.
    Without an engine, files are read on this machine.
    """
    if spark and database:
        raise click.UsageError("Name one engine: --spark or --database.")
    samples = read_sample_table(description)
    if dialect:
        click.echo(reduction_sql(samples, dialect))
        return
    if output:
        _reduce(samples, spark, database, output)
        click.echo(f"{output}: read it with 'inferplan import {output}'.")
        return
    with scratch_folder() as folder, Warehouse.open() as warehouse:
        histogram = folder / "histogram.parquet"
        _reduce(samples, spark, database, str(histogram))
        name = f"{samples.path or samples.table} (histogram)"
        print_report(name, import_file(warehouse, histogram, ReadOptions(file_name=name)), as_json=as_json)


def _reduce(samples: SampleTable, spark: str | None, database: str | None, target: str) -> None:
    if spark:
        from inferplan.datasets.fleets.spark import reduce_on_spark, spark_session, write_histogram

        with spark_session(spark) as session:
            write_histogram(reduce_on_spark(session, samples), target)
    elif database:
        from inferplan.datasets.fleets.database import reduce_on_database

        reduce_on_database(database, samples, Path(target))
    else:
        from inferplan.datasets.fleets.local import reduce_on_this_machine

        reduce_on_this_machine(samples, Path(target))
