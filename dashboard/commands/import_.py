"""`inferplan import`: read exports of other tools into the warehouse."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from typing import Literal

import click

from inferplan.dashboard.command_line.import_reports import print_refusal, print_report
from inferplan.dashboard.command_line.warehouse_at_hand import awaited_warehouse, warehouse_at_hand
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import (
    ImportReport,
    NeedsAnswerError,
    ParseReport,
    ReadOptions,
    archived,
    forget,
    formats,
    import_file,
    inspect,
    remembered,
    undo_import,
)
from inferplan.datasets.scratch import scratch_folder

WRONG_INPUT = 2


@click.command()
@click.argument("paths", metavar="FILE...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--time-zone", help="IANA zone of times without one, such as Europe/Berlin.")
@click.option("--start", type=click.DateTime(), help="Time of the first sample, for a file without times.")
@click.option("--interval-s", type=float, help="Seconds between samples, for a file without times.")
@click.option(
    "--date-order",
    type=click.Choice(["day first", "month first"]),
    help="How dates such as 05/04/2024 are meant, where the file does not tell.",
)
@click.option(
    "--elapsed-unit",
    type=click.Choice(["s", "ms"]),
    help="Unit of times that count from --start, as those of request traces do.",
)
@click.option("--metric", help="What the values are, where the file does not say.")
@click.option("--host", help="The machine that the file is of, where it does not say.")
@click.option(
    "--map",
    "--column",
    "columns",
    multiple=True,
    metavar="COLUMN=MEANING",
    help="Say what a column means; repeat. Kept for the next file with the same header.",
)
@click.option(
    "--forget-map",
    is_flag=True,
    help="Forget what columns of such a header were said to mean; without a FILE, of every header.",
)
@click.option("--dry-run", is_flag=True, help="Report what is in the files and import nothing.")
@click.option("--undo", type=int, metavar="IMPORT_ID", help="Take an earlier import out, whole.")
@click.option("--formats", "list_formats", is_flag=True, help="List the formats that are understood.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(
    paths: tuple[Path, ...],
    time_zone: str | None,
    start: datetime | None,
    interval_s: float | None,
    date_order: Literal["day first", "month first"] | None,
    elapsed_unit: Literal["s", "ms"] | None,
    metric: str | None,
    host: str | None,
    columns: tuple[str, ...],
    forget_map: bool,
    dry_run: bool,
    undo: int | None,
    list_formats: bool,
    as_json: bool,
) -> None:
    """Import utilization exports, bills and other tools' advice.

    A FILE may be a directory, a zip archive of several, or - for standard input. Each lands whole or not at
    all; the same file twice changes nothing; a file that is refused does not stop the others.
    """
    if list_formats:
        for known in formats():
            click.echo(known.title)
        return
    if undo is not None:
        with awaited_warehouse() as warehouse:
            undo_import(warehouse, undo)
        click.echo(f"Import {undo} was taken out.")
        return
    if forget_map and not paths:
        _forget_all()
        return
    if not paths:
        raise click.UsageError("Name at least one file.")
    options = ReadOptions(
        time_zone=time_zone,
        start=start,
        interval_s=interval_s,
        date_order=date_order,
        elapsed_unit=elapsed_unit,
        metric=metric,
        host=host,
        columns=dict(_pair(column) for column in columns) or ({} if forget_map else None),
    )
    refused = False
    with _taking(dry_run=dry_run) as take, scratch_folder() as folder:
        for path, name, member in _files(paths, folder):
            try:
                shown = f"{path.name}/{member}" if member else path.name
                told = options.model_copy(update={"file_name": shown, "member": member})
                print_report(name, take(path, told), as_json=as_json)
            except InferplanError as error:
                refused = True
                print_refusal(name, f"{error}{_hint(error)}", as_json=as_json)
    if refused:
        sys.exit(WRONG_INPUT)


def _forget_all() -> None:
    with awaited_warehouse() as warehouse:
        for one in remembered(warehouse):
            forget(warehouse, one.signature)
            columns = ", ".join(f"{column} = {meaning}" for column, meaning in one.columns.items())
            click.echo(f"Forgot what was said for {one.file_name}: {columns}")


def _files(paths: Iterable[Path], folder: Path) -> Iterator[tuple[Path, str, str | None]]:
    """Yield path, name and member of each file: of a directory all, of an archive its members, of - stdin."""
    for path in paths:
        if str(path) == "-":
            stored = folder / "stdin"
            with stored.open("wb") as copy:
                copyfileobj(sys.stdin.buffer, copy)
            yield stored, "stdin", None
        elif path.is_dir():
            yield from _files(sorted(found for found in path.rglob("[!.]*") if found.is_file()), folder)
        elif path.is_file() and (members := _members(path)):
            yield from ((path, f"{path}/{member}", member) for member in members)
        else:
            yield path, str(path), None


def _members(path: Path) -> tuple[str, ...]:
    with path.open("rb") as stream:
        return archived(stream)


@contextmanager
def _taking(*, dry_run: bool) -> Iterator[Callable[[Path, ReadOptions], ParseReport | ImportReport]]:
    """Yield what is done with each file: it is imported, or only read, which needs no warehouse."""
    if dry_run:
        with warehouse_at_hand("what was said of columns") as known:
            yield lambda path, options: inspect(path, options, warehouse=known)
    else:
        with awaited_warehouse() as warehouse:
            yield partial(import_file, warehouse)


def _pair(text: str) -> tuple[str, str]:
    column, equals, meaning = text.rpartition("=")
    if not equals or not column:
        raise click.UsageError(f"--map takes COLUMN=MEANING, not {text!r}.")
    return column, meaning


def _hint(error: InferplanError) -> str:
    if not isinstance(error, NeedsAnswerError):
        return ""
    flags = (question.option.replace("columns", "map").replace("_", "-") for question in error.questions)
    return f" Answer with {', '.join(f'--{flag}' for flag in flags)}."
