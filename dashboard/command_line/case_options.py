"""Command-line options made from the fields of ``Case``, so that a field is written down once."""

import json
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import click

from inferplan.datasets.errors import InferplanError, shown
from inferplan.planner import architecture
from inferplan.planner.case import LOAD_FIELDS, Case

NOT_OPTIONS = {"id", "config", "slo", "speculative"}
MILLISECONDS = 1000
TARGETS = {"ttft": "time to first token", "tpot": "time per output token", "e2e": "whole request"}


def case_options(
    *, load: bool, without: Collection[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds an option for each field of a case.

    ``load`` includes the fields of the load and its price; ``without`` names fields that the command asks
    for itself.
    """
    left_out = NOT_OPTIONS | (set() if load else LOAD_FIELDS) | set(without)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        options = [
            _option(name, field.annotation)
            for name, field in Case.model_fields.items()
            if name not in left_out
        ]
        options.append(
            click.option(
                "--config", type=click.Path(path_type=Path), help="A config.json, in place of --model"
            )
        )
        if load:
            drafting = (
                ("--acceptance-rate", "Share of --draft-tokens that is accepted"),
                ("--draft-step-share", "Time of drafting one token over that of a step of the model"),
            )
            options += [click.option(flag, type=float, help=words) for flag, words in drafting]
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def target_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each latency target, in milliseconds."""
    for name, words in reversed(TARGETS.items()):
        option = click.option(f"--slo-{name}-ms", type=float, help=f"Target for the {words}.")
        function = option(function)
    return function


def case_from_options(given: dict[str, Any]) -> Case:
    """Return the case that the given options describe."""
    fields = {name: value for name, value in given.items() if value not in (None, ())}
    if path := fields.pop("config", None):
        fields["config"] = read_config(path)
    drafting = {name: fields.pop(name) for name in ("acceptance_rate", "draft_step_share") if name in fields}
    if drafting:
        drafted = {"draft_tokens": fields["draft_tokens"]} if "draft_tokens" in fields else {}
        fields["speculative"] = {**drafted, **drafting}
    targets = {f"{name}_s": fields.pop(f"slo_{name}_ms", None) for name in TARGETS}
    if kept := {name: value / MILLISECONDS for name, value in targets.items() if value is not None}:
        fields["slo"] = kept
    return Case.read(fields)


def read_config(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``; raises ``InferplanError`` naming the file and what is wrong."""
    try:
        with path.open("rb") as file:
            content = file.read(architecture.LARGEST_CONFIG_BYTES + 1)
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise InferplanError(msg) from None
    return dict(architecture.read_config(content, source=str(path)))


def answer_cases(
    lines: Iterable[str], answer: Callable[[Case], dict[str, Any]], out: Callable[[str], None]
) -> None:
    """Answer JSON lines in order, one line each; a bad case gets ``{"id", "error"}`` and the rest go on."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        given, result = _answer_line(number, line, answer)
        case_id = given.get("id") if isinstance(given, dict) else None
        if not isinstance(case_id, str | int):
            case_id = None
        out(json.dumps({"id": case_id, **result}, allow_nan=False))


def _answer_line(
    number: int, line: str, answer: Callable[[Case], dict[str, Any]]
) -> tuple[object, dict[str, Any]]:
    """Return what the line holds, and its answer or why there is none."""
    try:
        given: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        return None, {"error": f"line {number} is not a JSON object: {error}"}
    if not isinstance(given, dict):
        return None, {
            "error": f"line {number} is not a JSON object but {shown(line.strip())}: write a case such as "
            '{"id": "a", "model": "Qwen/Qwen3-8B", "gpu": "L4"}'
        }
    try:
        return given, answer(Case.read(given))
    except InferplanError as error:
        return given, {"error": str(error)}
    except (ArithmeticError, RecursionError) as error:
        return given, {"error": f"the case's numbers are too large to compute with: {error}"}


def read_lines(source: str) -> Iterator[str]:
    """Yield the lines of the file ``source``, or of standard input for ``-``."""
    try:
        with click.open_file(source, encoding="utf-8-sig") as stream:
            yield from stream
    except OSError as error:
        msg = f"{source}: {error.strerror or error}"
        raise InferplanError(msg) from None
    except UnicodeDecodeError as error:
        msg = f"{source}: not UTF-8 text ({error.reason} at byte {error.start})"
        raise InferplanError(msg) from None


def _option(name: str, annotation: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = "--" + name.replace("_", "-")
    found = set(_plain_types(annotation))
    kinds = found - {type(None), ...}
    if kinds == {bool}:
        switch = f"{flag}/--no-{flag.removeprefix('--')}" if type(None) in found else flag
        return click.option(switch, is_flag=True, default=None)
    if choices := [kind for kind in kinds if isinstance(kind, str)]:
        if int in kinds:
            return click.option(flag, metavar=f"INTEGER|{'|'.join(choices)}", type=_integer_or(choices))
        return click.option(flag, type=click.Choice(sorted(choices)), multiple=... in found)
    return click.option(flag, type=float if float in kinds else int if int in kinds else str)


def _plain_types(annotation: Any) -> Iterator[Any]:
    """Yield the types in a union and the strings of a ``Literal``, looking through ``Annotated`` and tuples.

    A tuple of any length adds ``...``.
    """
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _plain_types(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType, tuple):
        for part in typing.get_args(annotation):
            yield from _plain_types(part)
    elif origin is Literal:
        yield from typing.get_args(annotation)
    else:
        yield annotation


def _integer_or(words: list[str]) -> Callable[[str], int | str]:
    def convert(text: str) -> int | str:
        return text if text in words else int(text)

    return convert
