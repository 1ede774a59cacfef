"""From a result file to its runs: each module of ``tools/`` knows the files of one tool by their content."""

import importlib
import math
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from inferplan.datasets.measurements.document import Document, Value, document
from inferplan.datasets.measurements.result import RefusedRunError, Result
from inferplan.datasets.measurements.run import Deployed, Load, Run
from inferplan.datasets.uploads.opening import look
from inferplan.datasets.uploads.reading import Problem, UnreadableError

FEW_WAVES = 4
"""A run with fewer requests for each one in flight is mostly its beginning and its end."""


class Tool(Protocol):
    """What a module of the folder provides."""

    title: str

    def recognises(self, document: Document) -> bool:
        """Return whether the file is of this tool."""
        ...

    def runs(self, document: Document) -> Iterator[Value]:
        """Yield each run of the file with its line; raises ``UnreadableError``."""
        ...

    def read(self, run: Any) -> Result:
        """Return what a run says; raises ``RefusedRunError``."""
        ...


@dataclass(frozen=True)
class ResultFile:
    """What is in a file, and what is not taken from it."""

    file_name: str
    digest: str
    tool: str
    runs: tuple[Run, ...]
    refused: tuple[Problem, ...]
    notes: tuple[str, ...]


def agreed(runs: Iterable[Run]) -> Deployed:
    """Return what all ``runs`` say of the deployment alike."""
    found = [run.deployed for run in runs]
    values = {name: {getattr(one, name) for one in found} for name in Deployed.model_fields}
    return Deployed.model_validate({name: one.pop() for name, one in values.items() if len(one) == 1})


def varied(runs: Iterable[Run]) -> tuple[str, ...]:
    """Return the fields of the deployment in which ``runs`` differ, such as ``tp`` in a sweep."""
    found = [run.deployed for run in runs]
    return tuple(name for name in Deployed.model_fields if len({getattr(one, name) for one in found}) > 1)


@cache
def tools() -> tuple[Tool, ...]:
    """Return the modules of the folder."""
    folder = importlib.import_module("inferplan.datasets.measurements.tools")
    return tuple(
        importlib.import_module(f"{folder.__name__}.{module.name}")
        for module in pkgutil.iter_modules(folder.__path__)
    )


def read_file(path: Path | str, file_name: str | None = None) -> ResultFile:
    """Return the runs of a result file; nothing is stored.

    Raises
    ------
    UnreadableError
        If the file is damaged, hostile, of no known tool, or holds no run that can be used.
    """
    upload = look(Path(path), file_name)
    content = document(upload)
    tool = next((tool for tool in tools() if tool.recognises(content)), None)
    if tool is None:
        known = "; ".join(tool.title for tool in tools())
        msg = f"{upload.file_name} is no result that we read. We read: {known}."
        raise UnreadableError(msg)
    runs: list[Run] = []
    refused: list[Problem] = []
    for line, found in tool.runs(content):
        try:
            runs.append(_run(len(runs) + 1, tool.read(found)))
        except RefusedRunError as error:
            refused.append(Problem(line, str(error)))
    if not runs:
        why = "; ".join(f"line {problem.line}: {problem.reason}" for problem in refused[:3]) or "it is empty"
        msg = f"{upload.file_name} ({tool.title}) holds no run that can be used: {why}."
        raise UnreadableError(msg)
    return ResultFile(
        upload.file_name, upload.digest, tool.title, tuple(runs), tuple(refused), tuple(_notes(runs))
    )


def _run(run_number: int, result: Result) -> Run:
    try:
        load = Load.model_validate(result.load)
    except ValidationError as error:
        problem = error.errors()[0]
        words = problem["msg"].removeprefix("Value error, ")
        if problem["loc"]:
            field, given = problem["loc"][0], problem["input"]
            words = f"it does not state {field}" if given is None else f"{field} is {given!r:.40}: {words}"
        raise RefusedRunError(words) from None
    return Run(
        run_number=run_number, load=load, deployed=result.deployed, published_model=result.published_model
    )


def _notes(runs: list[Run]) -> Iterator[str]:
    short = [
        run
        for run in runs
        if not run.load.at_once and (run.load.requests or math.inf) < FEW_WAVES * (run.load.concurrency or 0)
    ]
    if short:
        yield (
            f"{len(short)} of {len(runs)} runs made fewer than {FEW_WAVES} requests for each one in flight: "
            "their beginning and end weigh on tokens per second."
        )
    if queued := sum(run.load.at_once for run in runs):
        yield (
            f"{queued} of {len(runs)} runs sent all requests at once: their time to first token is a queue "
            "and is not compared with the estimate."
        )
