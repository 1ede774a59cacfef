"""`inferplan pull`: ask a monitoring server for usage, and import what it answers."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inferplan.dashboard.command_line.import_reports import print_report
from inferplan.datasets.exports import ReadOptions, import_file, inspect
from inferplan.datasets.live.presets import CLOUDWATCH, PROMETHEUS, cloudwatch_metrics, prometheus_queries
from inferplan.datasets.live.pulling import pull
from inferplan.datasets.live.window import MOST_SAMPLES, Window, duration_s, last
from inferplan.datasets.scratch import scratch_folder
from inferplan.datasets.warehouse import Warehouse

if TYPE_CHECKING:
    from inferplan.datasets.live.pulling import LiveSource

SECRET = "INFERPLAN_PULL_SECRET"


@click.group()
def command() -> None:
    """Ask Prometheus or CloudWatch for usage; it is imported, reported and undone as a file is."""


def _window_options(function: Any) -> Any:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON for machines."),
        click.option("--dry-run", is_flag=True, help="Report what there is and import nothing."),
        click.option("--most-samples", type=click.IntRange(1), default=MOST_SAMPLES, show_default=True,
                     help="Stop, and import nothing, beyond so many."),
        click.option("--step", default="1m", show_default=True, help="Between two values: 30s, 1m, 5m."),
        click.option("--until", type=click.DateTime(), help="End of the time, UTC; now without it."),
        click.option("--last", "span", default="7d", show_default=True, help="Time to ask for: 12h, 7d, 4w."),
    ):  # fmt: skip
        function = option(function)
    return function


@command.command()
@click.argument("url")
@click.option("--preset", "presets", multiple=True, type=click.Choice(list(PROMETHEUS)),
              help="Exporter to ask for; repeat. Without one: dcgm and vllm.")  # fmt: skip
@click.option("--match", default="", help='Label matchers that narrow the presets, such as cluster="a".')
@click.option("--query", "queries", multiple=True, metavar="PROMQL", help="A query of your own; repeat.")
@click.option("--metric", help="What the values of --query are, where it drops the name.")
@click.option("--user", help=f"For basic authentication; the password stands in {SECRET}.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="Certificates to trust, PEM.")
@click.option("--timeout-s", type=click.FloatRange(1), default=60.0, show_default=True)
@_window_options
def prometheus(
    url: str,
    presets: tuple[str, ...],
    match: str,
    queries: tuple[str, ...],
    metric: str | None,
    user: str | None,
    ca_file: Path | None,
    timeout_s: float,
    **when: Any,
) -> None:
    """Pull from URL, the address of a server that answers as Prometheus does.

    A password for --user, or else a bearer token, is read from the environment: INFERPLAN_PULL_SECRET.

    \b
    inferplan pull prometheus https://prometheus.example:9090 --preset dcgm --preset vllm --last 14d
    """
    from inferplan.datasets.live.prometheus import Prometheus

    chosen = presets or (() if queries else ("dcgm", "vllm"))
    asked = [query for preset in chosen for query in prometheus_queries(preset, match)]
    secret = os.environ.get(SECRET)
    source = Prometheus(url, (*asked, *queries), user, secret, ca_file, timeout_s)
    _pull(source, metric=metric, **when)


@command.command()
@click.option("--region", help="As configured for the AWS CLI without it.")
@click.option("--preset", "presets", multiple=True, type=click.Choice(list(CLOUDWATCH)), default=("gpu",),
              show_default=True, help="Metrics to ask for; repeat.")  # fmt: skip
@click.option("--statistic", default="Maximum", show_default=True, help="Of each step: Maximum or Average.")
@_window_options
def cloudwatch(region: str | None, presets: tuple[str, ...], statistic: str, **when: Any) -> None:
    """Pull from Amazon CloudWatch, with the credentials of the AWS CLI.

    \b
    inferplan pull cloudwatch --region eu-west-1 --preset gpu --last 14d
    """
    from inferplan.datasets.live.cloudwatch import CloudWatch

    metrics = tuple(metric for preset in presets for metric in cloudwatch_metrics(preset))
    _pull(CloudWatch(metrics, region, statistic), **when)


def _pull(
    source: "LiveSource",
    *,
    span: str,
    step: str,
    until: datetime | None,
    most_samples: int,
    dry_run: bool,
    as_json: bool,
    metric: str | None = None,
) -> None:
    window = _window(span, step, until)
    options = ReadOptions(metric=metric, file_name=source.title)
    with scratch_folder() as folder:
        path = folder / "pulled.json.gz"
        pull(source, window, path, most_samples)
        if dry_run:
            print_report(source.title, inspect(path, options), as_json=as_json)
            return
        with Warehouse.open() as warehouse:
            done = import_file(warehouse, path, options)
    print_report(source.title, done, as_json=as_json)


def _window(span: str, step: str, until: datetime | None) -> Window:
    end = until.replace(tzinfo=UTC) if until else datetime.now(UTC)
    return last(timedelta(seconds=duration_s(span)), duration_s(step), end)
