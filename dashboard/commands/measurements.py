"""`inferplan measurements`: bring results of load generators, which estimates are then drawn to."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from inferplan.dashboard.command_line.import_reports import print_refusal
from inferplan.dashboard.command_line.printing import print_table
from inferplan.dashboard.measurements.importing import bring, doubts, preview
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.measurements import (
    Deployed,
    ResultFile,
    UnansweredError,
    answered,
    files,
    read_file,
    remove,
    template,
)
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.performance.own_evidence import Compared

MILLISECONDS = 1000
WRONG_INPUT = 2
HELP = {
    "model": "Catalog id of the model that was measured.",
    "gpu": "Catalog name of the GPU.",
    "engine": "vllm, sglang, tensorrt-llm or llama.cpp.",
    "tp": "Tensor parallel size.",
    "weights_dtype": "Format of the weights; 'checkpoint' for what the model's checkpoint has.",
}


@click.group()
def command() -> None:
    """Import, list and remove measurements of your own deployments.

    Results of vllm bench serve, SGLang's bench_serving, GuideLLM, AIPerf, GenAI-Perf and a plain CSV.
    """


def _answers(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each field of ``Deployed``."""
    for name in reversed(Deployed.model_fields):
        kind = int if name in ("tp", "pp", "dp", "ep") else str
        function = click.option(f"--{name.replace('_', '-')}", type=kind, help=HELP.get(name))(function)
    return function


@command.command("import")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@_answers
@click.option("--dry-run", is_flag=True, help="Report what is in the files and import nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines, one line for each file.")
def import_files(paths: tuple[Path, ...], dry_run: bool, as_json: bool, **given: Any) -> None:
    """Import result files; each lands whole or not at all, and the same file twice changes nothing.

    The options say what a file does not, and replace what it says.

    \b
    inferplan measurements import result.json --gpu "H200 SXM" --tp 2 --weights-dtype fp8
    """
    answers = answered(given)
    refused = False
    for path in paths:
        try:
            _one(path, answers, dry_run=dry_run, as_json=as_json)
        except InferplanError as error:
            refused = True
            fields = error.fields if isinstance(error, UnansweredError) else ()
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in fields)
            hint = f" Answer with {flags}." if flags else ""
            print_refusal(str(path), f"{error}{hint}", as_json=as_json)
    if refused:
        raise SystemExit(WRONG_INPUT)


def _one(path: Path, answers: Deployed, *, dry_run: bool, as_json: bool) -> None:
    found, at = read_file(path), datetime.now(UTC).replace(tzinfo=None)
    file_id, state = None, "looked at"
    if dry_run:
        runs = preview(found, answers, at)
    else:
        with Warehouse.open() as warehouse:
            done = bring(warehouse, found, answers, at)
        file_id, runs = done.file_id, done.runs
        state = f"{'already ' if done.already_there else ''}number {file_id}"
    rows = [_row(run) for run in runs]
    if as_json:
        answer = {
            "path": str(path), "tool": found.tool, "file_id": file_id, "runs": rows,
            "refused": [one._asdict() for one in found.refused], "notes": found.notes, "doubts": doubts(runs),
        }  # fmt: skip
        click.echo(json.dumps(answer))
        return
    click.echo(f"{path}: {found.tool}, {state}")
    print_table(rows)
    for line in (*_said(found), *doubts(runs)):
        click.echo(f"  {line}")


def _said(found: ResultFile) -> tuple[str, ...]:
    return (*(f"line {problem.line}: left out, {problem.reason}" for problem in found.refused), *found.notes)


def _row(run: Compared) -> dict[str, Any]:
    """Return a run with its figures, each followed by its ratio to the estimate."""
    one = run.measurement
    ttft, tpot, output = (None if math.isnan(ratio) else round(ratio, 3) for ratio in run.ratios)
    return {
        "run": one.run_number,
        "gpu": f"{one.tp * one.pp * one.dp} x {one.gpu}",
        "engine": one.engine,
        "input_tokens": round(one.input_tokens),
        "output_tokens": round(one.output_tokens),
        "load": _load(one.concurrency, one.request_rate_per_s),
        "ttft_ms": _milliseconds(one.ttft_s),
        "ttft_ratio": ttft,
        "tpot_ms": _milliseconds(one.tpot_s),
        "tpot_ratio": tpot,
        "output_tokens_per_s": None if one.output_tokens_per_s is None else round(one.output_tokens_per_s, 1),
        "output_ratio": output,
    }


def _load(concurrency: float | None, rate: float | None) -> str:
    return f"{rate:g}/s" if concurrency is None else f"{concurrency:g} in flight"


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * MILLISECONDS, 2)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def list_files(as_json: bool) -> None:
    """List the imported files, the newest first."""
    with Warehouse.open() as warehouse:
        rows = [
            {**one._asdict(), "imported_at": f"{one.imported_at:%Y-%m-%dT%H:%M:%S}Z"}
            for one in files(warehouse)
        ]
    if as_json:
        click.echo(json.dumps(rows))
    elif rows:
        print_table(rows)
    else:
        click.echo("No own measurements yet: bring them in with 'inferplan measurements import FILE'.")


@command.command("remove")
@click.argument("file_id", type=int)
def remove_file(file_id: int) -> None:
    """Take an imported file out again, whole."""
    with Warehouse.open() as warehouse:
        remove(warehouse, file_id)
    click.echo(f"File {file_id} was taken out.")


@command.command("template")
def print_template() -> None:
    """Print a CSV to fill in, with two invented runs."""
    click.echo(template(), nl=False)
