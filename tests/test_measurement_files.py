"""Results of load generators: read by content, refused in words, landed whole or not at all."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.measurements import (
    Deployed,
    UnansweredError,
    agreed,
    answered,
    complete,
    files,
    land,
    own_measurements,
    read_file,
    remove,
    template,
    varied,
)
from inferplan.datasets.uploads.reading import UnreadableError
from inferplan.datasets.warehouse import Warehouse

SAMPLES = Path(__file__).parent / "data" / "measurements"
FILES = sorted(path.name for path in SAMPLES.iterdir() if path.suffix != ".md")
OF_ONE_RUN = {"aiperf.csv", "aiperf.json", "genai_perf.csv", "genai_perf.json", "vllm_bench_serve.json"}
FIGURES = ((8, 200, 0.095, 0.0165, 450.0), (64, 640, 0.410, 0.0241, 2450.0))
MODEL = "meta-llama/Llama-3.3-70B-Instruct"
NOW = datetime(2026, 11, 21, 12)
ANSWERS = Deployed(model=MODEL, gpu="H200 SXM", engine="vllm", tp=2, weights_dtype="fp8")


def vllm_run(**changes: object) -> dict[str, Any]:
    return {**json.loads((SAMPLES / "vllm_bench_serve.json").read_text()), **changes}


def written(folder: Path, content: object, name: str = "result.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("name", FILES)
def test_every_tool_tells_the_same_runs(name: str) -> None:
    found = read_file(SAMPLES / name)
    for run, (concurrency, requests, ttft_s, tpot_s, per_s) in zip(found.runs, FIGURES, strict=False):
        load = run.load
        assert (load.input_tokens, load.output_tokens) == (1000, 500)
        # A file without the limit tells how many were in flight on average, which is a little less.
        assert load.concurrency == pytest.approx(concurrency, rel=0.07)
        assert (load.requests, load.at_once, load.request_rate_per_s) == (requests, False, None)
        assert (load.ttft_s, load.tpot_s) == pytest.approx((ttft_s, tpot_s), abs=1e-9)
        assert load.output_tokens_per_s == pytest.approx(per_s)
    assert len(found.runs) == (1 if name in OF_ONE_RUN else 2)
    assert not found.refused


SAID = {
    "vllm_bench_serve.json": Deployed(
        model=MODEL, gpu="H200 SXM", engine="vllm", engine_version="0.11.0", tp=2, weights_dtype="fp8"
    ),
    "vllm_sweep_summary.csv": Deployed(model=MODEL, engine="vllm", tp=2),
    "sglang_bench_serving.jsonl": Deployed(engine="sglang"),
    "guidellm_0_2.json": Deployed(model=MODEL),
    "guidellm_0_5.csv": Deployed(model=MODEL),
    "aiperf.json": Deployed(model=MODEL, gpu="H200 SXM"),
    "aiperf.csv": Deployed(gpu="H200 SXM"),
    "genai_perf.json": Deployed(model=MODEL, engine="vllm"),
    "genai_perf.csv": Deployed(),
}


@pytest.mark.parametrize("name", SAID)
def test_what_a_file_says_of_the_deployment_is_recognised_and_nothing_else(name: str) -> None:
    assert agreed(read_file(SAMPLES / name).runs) == SAID[name]


def test_what_newer_layouts_say_elsewhere_is_found(tmp_path: Path) -> None:
    lines = (SAMPLES / "sglang_bench_serving.jsonl").read_text().splitlines()
    server = {"tp_size": 4, "model_path": MODEL, "quantization": "fp8", "version": "0.5.6", "dp_size": 1}
    found = read_file(written(tmp_path, {**json.loads(lines[0]), "server_info": server}))
    assert agreed(found.runs) == Deployed(
        model=MODEL, engine="sglang", engine_version="0.5.6", tp=4, dp=1, weights_dtype="fp8"
    )
    report = json.loads((SAMPLES / "guidellm_0_5.json").read_text())
    for benchmark in report["benchmarks"]:
        del benchmark["config"]["backend"]
    report = {"config": {"backend": {"kind": "openai_http", "model": MODEL}}, **report}
    assert agreed(read_file(written(tmp_path, report)).runs).model == MODEL


def test_content_counts_and_not_the_name_and_gzip_is_read(tmp_path: Path) -> None:
    for name in FILES:
        plain = read_file(SAMPLES / name)
        renamed = tmp_path / "results.txt.bin"
        renamed.write_bytes(gzip.compress((SAMPLES / name).read_bytes()))
        assert read_file(renamed, name) == plain


def test_a_sweep_over_the_deployment_says_so(tmp_path: Path) -> None:
    found = read_file(written(tmp_path, [vllm_run(tp="2"), vllm_run(tp="4")]))
    assert (agreed(found.runs).tp, varied(found.runs)) == (None, ("tp",))
    assert [one.tp for one in complete(found, Deployed(), NOW)] == [2, 4]
    assert [one.tp for one in complete(found, Deployed(tp=8), NOW)] == [8, 8]


def test_the_template_is_a_table_that_is_read(tmp_path: Path) -> None:
    found = read_file(written(tmp_path, template(), "template.csv"))
    assert [run.load.concurrency for run in found.runs] == [8, 64]
    assert complete(found, Deployed(), NOW)[1].measured_at == datetime(2026, 11, 20)


def test_a_table_with_decimal_commas_is_read(tmp_path: Path) -> None:
    table = "input_tokens;output_tokens;concurrency;ttft_ms;tpot_ms\n1000;500;8;95,5;16,25\n"
    load = read_file(written(tmp_path, table, "t.csv")).runs[0].load
    assert (load.ttft_s, load.tpot_s) == pytest.approx((0.0955, 0.01625))


PRINTED = """INFO 11-22 09:00:00 server is up
============ Serving Benchmark Result ============
Successful requests:                     640
Failed requests:                         0
Maximum request concurrency:             64
Benchmark duration (s):                  316.36
Total input tokens:                      661224
Total generated tokens:                  641529
Request throughput (req/s):              2.02
Output token throughput (tok/s):         2027.82
---------------Time to First Token----------------
Mean TTFT (ms):                          313.27
Median TTFT (ms):                        192.92
P99 TTFT (ms):                           1529.61
-----Time per Output Token (excl. 1st token)------
Mean TPOT (ms):                          29.24
Median TPOT (ms):                        29.63
==================================================
"""
"""As vllm bench serve printed it: ROCm/ATOM pull request 466."""


def test_a_summary_that_was_printed_is_read(tmp_path: Path) -> None:
    one = read_file(written(tmp_path, PRINTED, "terminal.txt"))
    [run] = one.runs
    load = run.load
    assert (load.concurrency, load.requests, load.output_tokens_per_s) == (64, 640, 2027.82)
    assert (load.ttft_s, load.tpot_s) == pytest.approx((0.19292, 0.02963))
    assert (load.input_tokens, load.output_tokens) == pytest.approx((661224 / 640, 641529 / 640))
    named = f"Namespace(backend='vllm', model='{MODEL}', request_rate=2.1)\n{PRINTED}"
    both = read_file(written(tmp_path, named + PRINTED.replace("         64\n", "         32\n"), "two.txt"))
    assert [run.deployed.model for run in both.runs] == [MODEL, None]
    assert (both.runs[0].load.request_rate_per_s, both.runs[1].load.concurrency) == (2.1, 32)


def test_a_printed_load_that_is_not_said_is_not_taken_for_all_at_once(tmp_path: Path) -> None:
    silent = PRINTED.replace("Maximum request concurrency:             64\n", "")
    with pytest.raises(UnreadableError, match="no steady rate that is stated"):
        read_file(written(tmp_path, silent, "terminal.txt"))


REFUSED = {
    "failed": ({"completed": 100, "failed": 60}, "60 of 160 requests failed"),
    "nothing": ({"completed": 0}, "no request completed"),
    "drafts": ({"accept_length": 2.7}, "speculative decoding (2.7 tokens"),
    "queue": ({"request_rate": 9.0, "max_concurrency": None, "request_throughput": 0.9}, "queue without end"),
    "ramp": ({"ramp_up_strategy": "linear"}, "no steady rate"),
    "trace": ({"request_rate": "trace"}, "no steady rate"),
    "huge": ({"total_input_tokens": 1e300}, "input_tokens is"),
    "lengths": ({"total_output_tokens": None}, "output_tokens is 0"),
    "empty": ({"output_throughput": None, "median_ttft_ms": 0, "mean_ttft_ms": 0, "median_tpot_ms": "nan",
               "mean_tpot_ms": None}, "none of TTFT, TPOT"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_run_that_cannot_be_compared_is_left_out_with_its_reason(name: str, tmp_path: Path) -> None:
    changes, reason = REFUSED[name]
    text = "\n".join(json.dumps(run) for run in (vllm_run(), vllm_run(**changes)))
    found = read_file(written(tmp_path, text))
    assert len(found.runs) == 1
    [(line, why)] = found.refused
    assert line == 2
    assert reason in why
    with pytest.raises(UnreadableError, match="holds no run that can be used: line 1"):
        read_file(written(tmp_path, vllm_run(**changes), "alone.json"))


def test_loads_are_a_rate_that_was_kept_a_limit_in_flight_or_all_at_once(tmp_path: Path) -> None:
    loads = (
        ({"request_rate": 0.9, "max_concurrency": None}, (None, 0.9, False)),
        ({"request_rate": 9.0, "max_concurrency": 8}, (8, None, False)),
        ({"request_rate": "inf", "max_concurrency": 8}, (8, None, False)),
        ({"request_rate": float("inf"), "max_concurrency": None}, (200, None, True)),
        ({"request_rate": None, "max_concurrency": 500}, (200, None, True)),
    )
    found = read_file(written(tmp_path, [vllm_run(**changes) for changes, _ in loads]))
    for run, (_, expected) in zip(found.runs, loads, strict=True):
        assert (run.load.concurrency, run.load.request_rate_per_s, run.load.at_once) == expected
    assert any("sent all requests at once" in note for note in found.notes)


LOAD = "input_tokens,output_tokens,concurrency"
BROKEN = {
    "cut off": ((SAMPLES / "guidellm_0_5.json").read_text()[:5000], "broken.json, line 1: found"),
    "second line": (json.dumps(vllm_run()) + "\n{'a': 1}", "broken.json, line 2: found \"'a': 1"),
    "nested": ("[" * 200_000, "nested too deeply"),
    "digits": ('{"completed": ' + "9" * 5000 + "}", "line 1: Exceeds the limit"),
    "another kind": ('{"latency": 3}', "is no result that we read. We read: AIPerf"),
    "scalars": ("[1, 2, null]", "is no result that we read"),
    "empty": ("   \n", "broken.json is empty"),
    "no figures": (f"{LOAD}\n10,10,1\n", "none of TTFT, TPOT"),
    "column": (f"{LOAD},ttft_s\n1,1,1,1\n", "line 1: found the column 'ttft_s'.*Did you mean ttft_ms"),
    "comma": (f"{LOAD},ttft_ms\n1000,500,8,95,5\n", "line 2: found 5 cells, the header has 4"),
    "cell": (f"{LOAD},ttft_ms\n1,1,1,fast\n", "line 2: 'fast' is not a number"),
    "unit": (f"{LOAD},ttft_ms\n1,1,1,5 s\n", "line 2: ttft_ms holds '5 s', allowed is a number"),
    "GPU": (f"gpu,{LOAD},ttft_ms\nH300,1,1,1,5\n", "line 2: There is no GPU named 'H300'"),
    "size": (f"tp,{LOAD},ttft_ms\n-2,1,1,1,5\n", "line 2: tp is '-2'"),
    "day": (f"measured_on,{LOAD},ttft_ms\n20/11,1,1,1,5\n", "allowed is a day"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_error_that_says_where_and_what(name: str, tmp_path: Path) -> None:
    content, said = BROKEN[name]
    with pytest.raises(UnreadableError, match=said):
        read_file(written(tmp_path, content, "broken.json"))


def test_a_binary_or_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"\x00\x01\x02" * 1000)
    with pytest.raises(UnreadableError, match="binary data"):
        read_file(path)
    path.write_bytes(gzip.compress(json.dumps(vllm_run()).encode())[:-20])
    with pytest.raises(UnreadableError, match="damaged or was cut off"):
        read_file(path)


def test_a_file_with_every_request_in_it_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inferplan.datasets.measurements.document.MAX_BYTES", 100)
    with pytest.raises(UnreadableError, match="without --save-detailed"):
        read_file(SAMPLES / "vllm_bench_serve.json")


def test_a_file_lands_once_whole_and_goes_out_whole(tmp_path: Path) -> None:
    found = read_file(SAMPLES / "guidellm_0_5.json")
    with Warehouse.open(tmp_path / "w.duckdb") as warehouse:
        rows = complete(found, ANSWERS, NOW)
        number = land(warehouse, found, rows)
        assert own_measurements(warehouse) == rows
        assert land(warehouse, found, complete(found, ANSWERS, datetime(2027, 1, 1))) == number
        assert own_measurements(warehouse) == rows
        other = read_file(SAMPLES / "sglang_bench_serving.jsonl")
        land(warehouse, other, complete(other, ANSWERS, NOW))
        assert [(one.file_name, one.measurements) for one in files(warehouse)] == [
            ("sglang_bench_serving.jsonl", 2),
            ("guidellm_0_5.json", 2),
        ]
        remove(warehouse, number)
        assert {one.file_name for one in own_measurements(warehouse)} == {"sglang_bench_serving.jsonl"}
        with pytest.raises(InferplanError, match="no file of measurements number"):
            remove(warehouse, number)
        assert land(warehouse, found, rows) != number


def test_the_same_file_from_many_at_once_lands_once(tmp_path: Path) -> None:
    found = read_file(SAMPLES / "guidellm_0_5.json")
    rows = complete(found, ANSWERS, NOW)
    with Warehouse.open(tmp_path / "w.duckdb") as warehouse, ThreadPoolExecutor(8) as pool:
        numbers = set(pool.map(lambda _: land(warehouse, found, rows), range(24)))
        assert numbers == {files(warehouse)[0].file_id}
        assert own_measurements(warehouse) == rows


def test_nothing_lands_of_a_file_of_which_one_row_cannot(tmp_path: Path) -> None:
    found = read_file(SAMPLES / "guidellm_0_5.json")
    good, bad = complete(found, ANSWERS, NOW)
    with Warehouse.open(tmp_path / "w.duckdb") as warehouse:
        with pytest.raises(Exception, match="Constraint"):
            land(warehouse, found, [good, bad.model_copy(update={"tp": 0})])
        assert own_measurements(warehouse) == ()
        assert files(warehouse) == ()


def test_what_nobody_said_is_asked_and_never_guessed() -> None:
    found = read_file(SAMPLES / "guidellm_0_5.json")
    with pytest.raises(UnansweredError) as caught:
        complete(found, Deployed(), NOW)
    assert caught.value.fields == ("gpu", "engine", "tp", "weights_dtype")


def test_a_model_that_the_catalog_calls_otherwise_is_asked_with_the_nearest(tmp_path: Path) -> None:
    found = read_file(written(tmp_path, vllm_run(model_id="RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic")))
    with pytest.raises(
        UnansweredError, match=r"no model named 'RedHatAI/.*Did you mean .*Llama-3.3-70B-Instruct"
    ):
        complete(found, Deployed(), NOW)


def test_answers_are_taken_in_any_spelling_and_refused_with_the_nearest() -> None:
    assert answered(
        {"model": "llama-3.3-70b-instruct", "gpu": "h200 sxm5", "engine": "vLLM", "tp": None}
    ) == (Deployed(model=MODEL, gpu="H200 SXM", engine="vllm"))
    with pytest.raises(UnknownNameError, match="B300"):
        answered({"gpu": "H300"})
    with pytest.raises(UnknownNameError, match="vllm"):
        answered({"engine": "vlm"})
    with pytest.raises(InferplanError, match="tp is 0"):
        answered({"tp": 0})
