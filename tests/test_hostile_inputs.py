"""Files that commands read, made to break them: one line that says what is wrong, and exit code 2."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inferplan.dashboard.__main__ import cli
from inferplan.datasets.errors import InferplanError

CASE = {"model": "Qwen/Qwen3-8B", "gpu": "L4"}
HOSTILE = {
    "nothing": b"",
    "zeros": b"\0" * 100,
    "noise": bytes(range(256)) * 20,
    "Latin-1": "grüße, 1 2\n".encode("latin-1"),
    "UTF-16": '{"id": 1}\n'.encode("utf-16"),
    "deep lists": b"[" * 20_000 + b"]" * 20_000,
    "deep objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "many digits": b'{"schema_version":' + b"9" * 5000 + b"}",
    "no numbers": b'{"schema_version": NaN, "requests_per_s": 1e999, "models": [NaN]}',
    "half a document": b'{"schema_version": 1, "models": [',
    "a list": b"[1, 2, 3]",
    "a text": b'"x"',
    "half a sign": b'{"schema_version": 1, "requests_per_s": 5, "models": [{"model": "\\ud800"}]}',
    "one long line": b"x" * 300_000,
    "an open quote": b'a,b\n"1,2\n3,4\n',
    "many columns": ",".join(f"c{n}" for n in range(5000)).encode(),
    "half a workbook": b"PK\x03\x04" + b"0" * 100,
}
COMMANDS = {
    "portfolio": ["compare", "--portfolio"],
    "config": ["fit", "--gpu", "L4", "--config"],
    "measurements": ["measurements", "import"],
    "prices": ["prices", "import"],
    "plans": ["plans", "import"],
    "links": ["spend", "--links"],
    "reduction": ["reduce"],
    "import": ["import"],
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


@pytest.mark.parametrize(
    ("command", "suffix"), [*((command, "") for command in COMMANDS), ("prices", ".xlsx")]
)
def test_a_hostile_file_is_refused_in_a_line(command: str, suffix: str, tmp_path: Path) -> None:
    for name, content in HOSTILE.items():
        path = tmp_path / f"hostile{suffix}"
        path.write_bytes(content)
        found = run(*COMMANDS[command], str(path))
        said = str(found.exception) if isinstance(found.exception, InferplanError) else found.stderr
        assert isinstance(found.exception, InferplanError | SystemExit), (name, found.exception)
        assert found.exit_code in (1, 2), name  # `main` makes 2 of an InferplanError
        assert "Traceback" not in said
        assert 20 < len(said) < 2000, (name, said)


@pytest.mark.parametrize("command", ["fit", "estimate"])
def test_a_bad_line_of_cases_is_named_and_the_rest_are_answered(command: str, tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    good = json.dumps({"id": "good", **CASE, "input_tokens": 9, "output_tokens": 9, "concurrency": 1})
    path.write_text(f"\ufeff{good}\n42\n\n{{\n{good}\n")
    first, number, half, last = map(json.loads, run(command, "--cases", str(path)).output.splitlines())
    assert first == last
    assert first["id"] == "good"
    assert number["error"].startswith("line 2 is not a JSON object but '42': write a case such as")
    assert half["error"].startswith("line 4 is not a JSON object: ")


@pytest.mark.parametrize("command", [["import"], ["measurements", "import"]])
def test_a_refusal_is_a_line_for_machines_too(command: list[str], tmp_path: Path) -> None:
    path = tmp_path / "prose.txt"
    path.write_text("Dear all\n")
    found = run(*command, str(path), "--json")
    assert found.exit_code == 2
    assert json.loads(found.stdout).keys() == {"path", "error"}
    assert found.stderr.startswith(f"Error: {path}: prose.txt is ")


def test_demand_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "demand.txt"
    path.write_text("1\n2\nmany\n")
    rates = ["--requests-per-replica-hour", "10", "--usd-per-replica-hour", "1"]
    found = run("modes", "--demand", str(path), *rates)
    assert "line 3 of the demand, 'many', ends in no number" in str(found.exception)
