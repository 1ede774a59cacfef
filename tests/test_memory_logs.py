"""What engines printed at start, and what we say of the same deployments."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from inferplan.datasets import catalog
from inferplan.datasets.schema import GIB
from inferplan.planner.architecture import parse
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory import MemoryOptions, held_by

COMMAND = Path(__file__).parent / "benchmarks" / "memory_logs.py"
EXPLAINED = {
    "MT001": "1.1 % more bytes per token than the model has; a cache connector was on, nothing else is known",
    "MT018": "an EAGLE draft model adds a 33rd layer to the pool",
}


@pytest.fixture(scope="module")
def logs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("memory_logs", COMMAND)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["memory_logs"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(logs):
    return [row for row in logs.rows() if not row.weak]


def test_cache_bytes_per_token_agree_with_every_log(rows):
    errors = {row.id: row.token_error for row in rows if row.token_error is not None}
    assert len(errors) >= 25
    assert {name for name, error in errors.items() if abs(error) > 0.005} == set(EXPLAINED)


def test_weights_agree_within_two_percent_and_five_at_the_ninetieth_percentile(logs, rows):
    errors = [row.weights_error for row in rows if row.weights_error is not None]
    assert len(errors) >= 50
    assert logs.quantile(errors, 0.5) < 0.02
    assert logs.quantile(errors, 0.9) < 0.05


def test_predicted_pools_agree_within_four_percent_at_the_median(logs, rows):
    errors = [row.pool_error for row in rows if row.pool_error is not None]
    assert len(errors) >= 30
    assert logs.quantile(errors, 0.5) < 0.04
    assert logs.quantile(errors, 0.8) < 0.12


def test_nearly_full_cards_agree_too(rows):
    by_id = {row.id: row for row in rows}
    for name in ("MT062", "MT068", "MT058"):  # 0.3 to 4.5 GiB left beside 61 to 72 GiB of weights
        memory = by_id[name].fit.memory
        logged = by_id[name].logged("kv_gib")
        assert memory.kv_pool_bytes / GIB == pytest.approx(logged, abs=0.2), name


def test_printed_concurrency_follows_from_the_printed_pool(rows):
    checked = 0
    for row in rows:
        ours = row.concurrency_in_pool
        if ours is None or row.id in {
            "MT155",
            *EXPLAINED,
        }:  # MT155 drafts with a model that the log does not name
            continue
        assert ours == pytest.approx(row.logged("concurrency"), rel=0.005), row.id
        checked += 1
    assert checked >= 12


@pytest.mark.parametrize(
    ("model", "version", "kv_gib", "options", "fields", "tokens", "concurrency"),
    [
        # gpt-oss-120b: half of the layers see 128 tokens (start-up log MT071)
        ("openai/gpt-oss-120b", "0.10.1.1", 45.32, {}, {"tp": 4, "max_model_len": 16384,
         "max_num_batched_tokens": 2048}, 2640144, 284.25),
        # Qwen3.6: 30 of 40 layers keep a state; FP8 cache, prefix caching on (MT096, MT097)
        ("Qwen/Qwen3.6-35B-A3B", "0.24.0", 5.98, {"prefix_caching": True}, {"kv_dtype": "fp8",
         "max_model_len": 131072}, 567978, 4.33),
        ("Qwen/Qwen3.6-35B-A3B", "0.24.0", 6.01, {"prefix_caching": True}, {"kv_dtype": "fp8",
         "max_model_len": 131072}, 569878, 4.35),
    ],
)  # fmt: skip
def test_hybrids_hold_what_the_engine_printed(model, version, kv_gib, options, fields, tokens, concurrency):
    architecture = parse(catalog.model_config(model), name=model)
    deployment = Deployment(
        architecture,
        catalog.gpu("H100 SXM"),
        engine_version=version,
        options=MemoryOptions(**options),
        **fields,
    )
    held = held_by(deployment, round(kv_gib * GIB))
    assert held.tokens == pytest.approx(tokens, rel=5e-5)  # the log rounds the pool to 0.01 GiB
    assert round(held.concurrency, 2) == concurrency


def test_drafted_tokens_take_pages_of_their_own():
    """Start-up log MT098: 620,944 tokens at 262,144 a sequence are 424 blocks of 179 a sequence, exactly."""
    architecture = parse(catalog.model_config("Qwen/Qwen3.5-27B"), name="Qwen/Qwen3.6-27B")
    deployment = Deployment(
        architecture,
        catalog.gpu("RTX 3090"),
        engine_version="0.22",
        tp=2,
        kv_dtype="fp8",
        max_model_len=262144,
        options=MemoryOptions(prefix_caching=True, mtp=True, draft_tokens=3),
    )
    block_bytes = 17 * 1600 * 1024  # layers of a group x tokens of a page x bytes of a token and GPU
    assert held_by(deployment, 424 * block_bytes).tokens == 620944


def test_version_decides_what_the_printed_tokens_mean():
    """vLLM #40691: 290,864 tokens beside 33.04 sequences of 32,768; 371 blocks of 784 in four groups."""
    architecture = parse(catalog.model_config("Qwen/Qwen3.5-27B"), name="Qwen/Qwen3.5-27B")
    pool_bytes = 1487 * 16 * 784 * 4096
    for version, tokens in (("0.19.0", 290864), ("0.24.0", 1082800)):
        deployment = Deployment(
            architecture, catalog.gpu("H20"), engine_version=version, max_model_len=32768, max_num_seqs=16
        )
        held = held_by(deployment, pool_bytes)
        assert round(held.concurrency, 2) == 33.04
        assert held.tokens == pytest.approx(tokens, abs=1)


def test_the_command_prints_a_line_per_log_and_the_quantiles(logs, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["memory_logs.py"])
    logs.main()
    printed = capsys.readouterr().out
    assert printed.count("\nMT") == len(logs.rows())
    assert "KV bytes per token: " in printed


def test_the_documentation_shows_every_comparison_and_names_every_miss(logs, rows):
    text = logs.DOCS.read_text(encoding="utf-8")
    for row in rows:
        errors = [row.weights_error, row.token_error, row.pool_error]
        if any(error is not None for error in errors):
            assert f"| {row.id} |" in text
        if row.pool_error is not None and abs(row.pool_error) > 0.12:
            assert f"**{row.id}**" in text, f"{row.id} misses the pool and no reason is given"
