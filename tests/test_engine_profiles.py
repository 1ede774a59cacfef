"""The facts of engines: every figure has a source, every version string finds its profile."""

import re

import pytest

from inferplan.datasets import engines
from inferplan.datasets.errors import UnknownNameError

FIGURE = re.compile(r"^\s*(?:[\w-]+ = |\[[\d.]+, )")


def test_every_figure_names_its_source_on_its_own_line():
    lines = engines.FACTS.read_text(encoding="utf-8").splitlines()
    exempt = ("since = ", "released = ", "label = ", "reserved_gib_from_gib = [")
    unsourced = [
        line
        for line in lines
        if FIGURE.match(line) and not line.startswith(exempt) and len(line.partition("#")[2]) < 8
    ]
    assert unsourced == []
    assert all("#" in line for line in lines if FIGURE.match(line) and not line.startswith(exempt))


def test_logs_that_the_sources_name_are_in_the_table():
    table = (engines.FACTS.parents[2] / "tests" / "data" / "memory_logs.csv").read_text(encoding="utf-8")
    known = set(re.findall(r"^MT\d+", table, re.MULTILINE))
    named = set(re.findall(r"MT\d+", engines.FACTS.read_text(encoding="utf-8")))
    assert named
    assert named <= known


@pytest.mark.parametrize("engine", ["vllm", "sglang", "tensorrt-llm", "llama.cpp"])
def test_profiles_are_in_order_of_version_and_time(engine):
    found = engines.profiles(engine)
    assert [entry.released for entry in found] == sorted(entry.released for entry in found)
    for entry in found:
        assert engines.profile(engine, entry.since)[0] == entry


@pytest.mark.parametrize(
    ("version", "since"),
    [
        ("0.6.3.post1", "0.1"),
        ("0.6.6", "0.6.5"),
        ("v0.11.0rc1", "0.10.2"),
        ("0.14-0.15 (log line numbers)", "0.11.1"),
        ("0.10.2-0.11", "0.10.2"),
        ("0.10.1.1", "0.10.0"),
        ("0.9.x", "0.9.0"),
        ("0.2x", "0.20.0"),
        ("0.22 (approx)", "0.21.0"),
        ("V0", "0.7.0"),
        ("main Dec 2025", "0.11.1"),
        ("0.1.dev1+gda1daf40b (main, Jun 2026)", "0.21.0"),
        ("1.4", "0.28.0"),
        (None, "0.28.0"),
        ("nobody knows", "0.28.0"),
    ],
)
def test_version_strings_as_logs_write_them(version, since):
    assert engines.profile("vllm", version)[0].since == since


def test_unknown_version_is_said():
    assert "not understood" in engines.profile("vllm", "nobody knows")[1]
    assert "newest known" in engines.profile("sglang")[1]


def test_gpus_without_bf16_ran_the_old_engine():
    assert engines.profile("vllm", "0.8.5", "Volta")[0].label.startswith("V0")
    assert engines.profile("vllm", "0.8.5", "Ampere")[0].label == "V1"
    assert engines.profile("vllm", "0.11.0", "Turing")[0].since == "0.10.2"


@pytest.mark.parametrize(
    ("version", "gpu", "gpu_gib", "tokens", "sequences"),
    [
        ("0.11.0", "H100 SXM", 79.2, 8192, 1024),
        ("0.11.0", "A100 SXM 80GB", 79.3, 2048, 256),  # vllm #17885
        ("0.11.0", "L40S", 44.4, 2048, 256),
        ("0.27.0", "B200", 178.4, 8192, 1024),
        ("0.28.0", "B200", 178.4, 16384, 1024),  # vllm #51726
    ],
)
def test_default_batches_by_gpu_and_version(version, gpu, gpu_gib, tokens, sequences):
    default = engines.profile("vllm", version)[0].batch_default(gpu, gpu_gib)
    assert (default.batched_tokens, default.sequences) == (tokens, sequences)


def test_unknown_engine_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="vllm"):
        engines.profile("vlm")
