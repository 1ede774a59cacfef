"""The command line keeps its contract: fields, order, one line per case, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from inferplan.datasets.warehouse import Warehouse

FIT_FIELDS = {
    "id", "parameters", "active_parameters", "weights_gib_per_gpu", "activation_gib_per_gpu",
    "overhead_gib_per_gpu", "kv_pool_gib_per_gpu", "kv_bytes_per_token_per_gpu",
    "kv_window_bytes_per_sequence_per_gpu", "state_bytes_per_sequence_per_gpu", "kv_pool_tokens",
    "max_concurrency", "fits", "reason",
}  # fmt: skip
ESTIMATE_FIELDS = {
    "id", "ttft_ms", "tpot_ms", "output_tokens_per_s", "requests_per_s", "running_sequences", "bound_by",
    "usd_per_mtok_input", "usd_per_mtok_output", "tokens_per_usd", "basis",
}  # fmt: skip
LLAMA_8B = {"model": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "H100 SXM", "max_model_len": 8192}
LOAD = {"input_tokens": 1000, "output_tokens": 200, "concurrency": 16}


def inferplan(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "inferplan.dashboard", *arguments],
        input=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_dashboard_that_cannot_listen_says_so_in_a_line(own_warehouse: Path) -> None:
    Warehouse.open(own_warehouse).close()
    done = inferplan("dashboard", "--server.headless", "true", "--server.port", "70000")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: The dashboard cannot listen (")
    assert done.stderr.count("\n") == 1


def test_fit_prints_every_field_of_the_contract() -> None:
    done = inferplan(
        "fit", "--model", LLAMA_8B["model"], "--gpu", "H100 SXM", "--max-model-len", "8192", "--json"
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer.keys() >= FIT_FIELDS
    assert answer["parameters"] == 8_030_261_248  # the Hub's count of meta-llama/Llama-3.1-8B-Instruct
    assert answer["language_model_parameters"] == answer["parameters"]
    assert answer["kv_bytes_per_token_per_gpu"] == 131_072  # 2 x 32 layers x 8 heads x 128 x 2 bytes
    assert answer["fits"] is True


def test_cases_answer_in_order_and_a_bad_one_does_not_stop_the_rest() -> None:
    cases = [
        {"id": "a", **LLAMA_8B},
        {"id": "b", **LLAMA_8B, "gpu": "H1000 SXM"},
        {"id": "c", **LLAMA_8B, "gpu_memory_utilisation": 0.8},
        {"id": "d", **LLAMA_8B, "tp": 0},
        {"id": "e", **LLAMA_8B, "engine_version": None},
    ]
    lines = [json.dumps(case) for case in cases]
    lines.insert(2, "{not json")
    done = inferplan("fit", "--cases", "-", stdin="\n".join(lines))
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == ["a", "b", None, "c", "d", "e"]
    assert [("error" in answer) for answer in answers] == [False, True, True, True, True, False]
    assert "H100 SXM" in answers[1]["error"]
    assert "gpu_memory_utilization" in answers[3]["error"]
    assert "tp" in answers[4]["error"]
    assert {key: answers[0][key] for key in FIT_FIELDS - {"id"}} == {
        key: answers[5][key] for key in FIT_FIELDS - {"id"}
    }


def test_estimate_prices_tokens_so_that_they_add_up_to_the_hour() -> None:
    case = {"id": 1, **LLAMA_8B, **LOAD, "usd_per_gpu_hour": 2.5}
    done = inferplan("estimate", "--cases", "-", stdin=json.dumps(case))
    answer = json.loads(done.stdout)
    assert answer.keys() >= ESTIMATE_FIELDS, answer
    for name in ("ttft_ms", "tpot_ms", "output_tokens_per_s"):
        interval = answer[name]
        assert 0 < interval["low"] <= interval["expected"] <= interval["high"]
    requests_per_hour = answer["output_tokens_per_s"]["expected"] / LOAD["output_tokens"] * 3600
    usd_per_request = (
        answer["usd_per_mtok_input"] * LOAD["input_tokens"]
        + answer["usd_per_mtok_output"] * LOAD["output_tokens"]
    ) / 1e6
    assert requests_per_hour * usd_per_request == pytest.approx(2.5, rel=1e-3)
    assert answer["tokens_per_usd"] == pytest.approx(1200 / usd_per_request, rel=1e-3)


def test_estimate_without_a_price_says_so() -> None:
    done = inferplan("estimate", "--cases", "-", stdin=json.dumps({"id": 1, **LLAMA_8B, **LOAD}))
    answer = json.loads(done.stdout)
    assert answer["usd_per_mtok_output"] is None
    assert answer["price"].startswith("no price: ")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["fit", "--model", "meta-llama/Llama-3.1-8B-Instruct", "--gpu", "H100 SXM"], 0, "fits"),
        (["fit", "--model", "deepseek-ai/DeepSeek-V3", "--gpu", "L4", "--check"], 1, "does not fit"),
        (["fit", "--model", "meta-llama/Lama-3.1-8B", "--gpu", "L4"], 2, "Did you mean"),
        (["fit", "--gpu", "L4"], 2, "give either 'model'"),
        (["fit", "--config", "absent.json", "--gpu", "L4"], 2, "absent.json: No such file"),
        (["fit", "--cases", "absent.jsonl"], 2, "absent.jsonl: No such file"),
        (["nonsense"], 2, "No such command"),
        (["--version"], 0, "inferplan"),
    ],
)
def test_exit_codes_and_messages(arguments: list[str], code: int, said: str) -> None:
    done = inferplan(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["[1, 2]", "not json", "[" * 100_000, "\ufeff"])
def test_config_file_that_is_no_config_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, encoding="utf-8")
    done = inferplan("fit", "--config", str(path), "--gpu", "L4")
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {path}: ")
    assert len(done.stderr.splitlines()) == 1
