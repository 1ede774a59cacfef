"""Cases made to break the command: one clear error each, in bounded memory, and the rest are answered."""

import json
import resource
import subprocess
import sys
from typing import Any

import pytest

from inferplan.datasets import catalog

GOOD = catalog.model_config("meta-llama/Llama-3.1-8B")
MEMORY_BYTES = 1024**3
PATIENCE_S = 60  # a hang fails; how fast it is, is not measured here


def case(**fields: Any) -> str:
    return json.dumps({"id": "x", "gpu": "L4", "model": "Qwen/Qwen3-8B", **fields})


def config(**changed: Any) -> str:
    return json.dumps({"id": "x", "gpu": "L4", "config": {**GOOD, **changed}})


def raw(text: str) -> str:
    return f'{{"id": "x", "gpu": "L4", "config": {text}}}'


MANY_DIGITS = int("9" * 400)
HOSTILE = {
    "ten megabytes of text": (config(junk="x" * 10_000_000), "not a model's config.json"),
    "ten megabytes of numbers": (config(junk=list(range(1_300_000))), "not a model's config.json"),
    "half a million fields": (config(**{f"k{i}": i for i in range(500_000)}), "not a model's config.json"),
    "ten thousand levels": (raw('{"a":' * 10_000 + "1" + "}" * 10_000), "recursion"),
    "nine hundred levels": (raw('{"a":' * 900 + "1" + "}" * 900), "nested deeper than 40"),
    "lists in lists": (raw("[" * 100_000 + "]" * 100_000), "recursion"),
    "five thousand digits": (raw('{"hidden_size":' + "9" * 5000 + "}"), "limit"),
    "a number of 400 digits": (config(hidden_size=MANY_DIGITS), "must be between 1"),
    "a negative number": (config(num_hidden_layers=-1), "must be between 1"),
    "text for a number": (config(hidden_size="4096"), "Write it without quotes"),
    "not a number": (config(hidden_size=float("nan")), "hidden_size is nan"),
    "memory that is not a number": (case(gpu_memory_gib=float("nan")), "gpu_memory_gib"),
    "infinite memory": (case(gpu_memory_gib=float("inf")), "gpu_memory_gib"),
    "memory beyond floats": (case(gpu_memory_gib=1e308), "gpu_memory_gib"),
    "a hundred billion stages": (case(pp=10**11), "pp: Input should be less than or equal to 4096"),
    "a list for a config": (raw("[1]"), "config: Input should be a valid dictionary"),
    "text for a config": (raw('"llama"'), "config: Input should be a valid dictionary"),
    "a format of a million letters": (case(weights_dtype="x" * 1_000_000), "at most 500 characters"),
    "a version of a million numbers": (case(engine_version="9." * 500_000), "at most 500 characters"),
    "half a character": (case(model="\ud800"), "model: Input should be a valid string"),
} | {
    f"{field} of 400 digits": (case(**{field: MANY_DIGITS}), field)
    for field in (
        "tp", "pp", "dp", "ep", "max_model_len", "max_num_batched_tokens", "max_num_seqs", "lora_rank",
        "shared_prefix_tokens", "block_size", "decode_context_parallel_size", "nodes", "draft_tokens",
    )
}  # fmt: skip


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def answered(lines: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "inferplan.dashboard", "fit", "--cases", "-"],
        input="\n".join(lines), capture_output=True, text=True, timeout=PATIENCE_S, preexec_fn=limited,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def answers() -> list[dict[str, Any]]:
    return answered([*(line for line, _ in HOSTILE.values()), case()])


@pytest.mark.parametrize("name", HOSTILE)
def test_one_clear_error(answers: list[dict[str, Any]], name: str) -> None:
    found = answers[list(HOSTILE).index(name)]
    assert found.keys() == {"id", "error"}
    assert HOSTILE[name][1] in found["error"]
    assert len(found["error"]) < 700


def test_what_follows_them_is_answered(answers: list[dict[str, Any]]) -> None:
    assert len(answers) == len(HOSTILE) + 1
    assert answers[-1]["parameters"] == 8_190_735_360


def test_the_largest_numbers_that_are_taken_are_answered() -> None:
    billion = 10**9
    extremes: list[dict[str, Any]] = [
        {"tp": 4096}, {"pp": 36}, {"dp": 4096}, {"max_model_len": billion},
        {"max_num_batched_tokens": billion},
        {"max_num_seqs": billion}, {"lora_rank": billion, "max_loras": billion}, {"block_size": billion},
        {"shared_prefix_tokens": billion}, {"gpu_memory_gib": 1e9}, {"gpu_memory_gib": 1e-300},
        {"gpu_memory_utilization": 1e-300},
    ]  # fmt: skip
    for fields, found in zip(extremes, answered([case(**fields) for fields in extremes]), strict=True):
        assert found.get("reason"), (fields, found)
