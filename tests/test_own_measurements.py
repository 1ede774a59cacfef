"""Own measurements draw estimates to them: by how much, how surely, how far, and never without any."""

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from inferplan.dashboard.__main__ import cli
from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.measurements import OwnMeasurement, template
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.case import Case
from inferplan.planner.compare import Search, compare
from inferplan.planner.interval import Interval
from inferplan.planner.performance import Estimate, OwnEvidence, estimate, estimate_many, serve
from inferplan.planner.performance.own_evidence import compared, own_evidence, usable
from inferplan.planner.performance.own_measurements import NEAR, RERUN, Traits

DEPLOYED = {
    "model": "meta-llama/Llama-3.3-70B-Instruct", "gpu": "H200 SXM", "engine": "vllm", "tp": 2,
    "weights_dtype": "fp8",
}  # fmt: skip
FIGURES = ("ttft_s", "tpot_s", "output_tokens_per_s")


def a_case(concurrency: object = 16, **changes: object) -> Case:
    load = {"input_tokens": 1000, "output_tokens": 500, "concurrency": concurrency}
    return Case.read({**DEPLOYED, **load, **changes})


def estimated(own: OwnEvidence | None, concurrency: object = 16, **changes: object) -> Estimate:
    case = a_case(concurrency, **changes)
    return estimate(case.deployment(), case.workload(), own)


def measured(concurrency: int, factor: float, **changes: object) -> OwnMeasurement:
    """Return a run that is ``factor`` times slower than the estimate in every respect."""
    expected = estimated(None, concurrency)
    return OwnMeasurement(
        **DEPLOYED, input_tokens=1000, output_tokens=500, concurrency=concurrency, run_number=1,
        ttft_s=expected.ttft_s.expected * factor, tpot_s=expected.tpot_s.expected * factor,
        output_tokens_per_s=expected.output_tokens_per_s.expected / factor,
        file_name="runs.json", tool="test", imported_at=datetime(2026, 11, 20),
    ).model_copy(update=changes)  # fmt: skip


def evidence(*runs: OwnMeasurement) -> OwnEvidence:
    found = own_evidence(compared(runs))
    assert found is not None
    return found


def moves(own: OwnEvidence, concurrency: object = 16, **changes: object) -> list[float]:
    """Return how many times slower each figure became."""
    before, after = (estimated(one, concurrency, **changes) for one in (None, own))
    ratios = [getattr(after, name).expected / getattr(before, name).expected for name in FIGURES]
    return [ratios[0], ratios[1], 1 / ratios[2]]


def widths(own: OwnEvidence | None, concurrency: object = 16, **changes: object) -> list[float]:
    found = estimated(own, concurrency, **changes)
    intervals: Sequence[Interval] = [getattr(found, name) for name in FIGURES]
    return [math.log(one.high / one.low) for one in intervals]


def test_without_measurements_nothing_changes() -> None:
    assert own_evidence(()) is None
    case = a_case()
    assert estimate(case.deployment(), case.workload(), None) == estimate(case.deployment(), case.workload())


@settings(max_examples=15, deadline=None)
@given(factor=st.floats(0.5, 2.0), loads=st.sets(st.sampled_from([2, 8, 32, 128]), min_size=2))
def test_runs_that_are_one_factor_off_move_every_load_by_most_of_that_factor(
    factor: float, loads: set[int]
) -> None:
    own = evidence(*(measured(load, factor) for load in sorted(loads)))
    for load in (4, 16, 64):
        for moved in moves(own, load):
            share = math.log(moved) / math.log(factor) if abs(math.log(factor)) > 0.01 else 1.0
            assert 0.6 < share < 1.05


def test_the_very_load_that_was_measured_is_nearly_what_was_measured() -> None:
    assert moves(evidence(measured(16, 1.4))) == pytest.approx([1.4, 1.4, 1.4], rel=0.03)


def test_each_measurement_narrows_the_interval_to_no_less_than_reruns_differ() -> None:
    none, one, more = (
        widths(own, 32)
        for own in (
            None,
            evidence(measured(8, 1.2)),
            evidence(*(measured(load, 1.2) for load in (8, 16, 64))),
        )
    )
    assert all(few < nothing for few, nothing in zip(one, none, strict=True))
    assert all(several < few for several, few in zip(more, one, strict=True))
    # 2.563 standard deviations of a rerun span 80 %
    assert all(width > 2.5 * RERUN for width in widths(evidence(*(measured(16, 1.2) for _ in range(20)))))


def test_runs_that_contradict_each_other_widen_the_interval() -> None:
    agreeing = widths(evidence(measured(16, 1.25), measured(16, 1.2)))
    contradicting = widths(evidence(measured(16, 1.7), measured(16, 0.8)))
    assert all(wide > 1.5 * narrow for wide, narrow in zip(contradicting, agreeing, strict=True))


def test_a_faster_deployment_keeps_up_with_every_rate_below_its_own_capacity() -> None:
    own = evidence(*(measured(load, 1 / 1.5) for load in (4, 16, 64)))
    most = [estimated(one, None, request_rate=1).largest_request_rate_per_s or 0.0 for one in (None, own)]
    assert most[1] > 1.2 * most[0]
    found = [estimated(own, None, request_rate=share * most[1]) for share in (0.3, 0.8, 0.95, 1.05)]
    assert [one.saturated for one in found] == [False, False, False, True]
    for one, share in zip(found[:3], (0.3, 0.8, 0.95), strict=True):
        assert one.output_tokens_per_s.expected == pytest.approx(share * most[1] * 500)
        in_flight = share * most[1] * 500 * one.tpot_s.expected  # Little's law
        assert one.running_sequences == pytest.approx(in_flight, rel=0.15)
    assert found[3].requests_per_s == pytest.approx(most[1], rel=1e-3)
    assert [one.ttft_s.expected for one in found] == sorted(one.ttft_s.expected for one in found)


def test_the_nearer_the_more_it_moves() -> None:
    own = evidence(*(measured(load, 1.5) for load in (8, 32, 128)))
    order = [
        moves(own)[1],
        moves(own, weights_dtype="bf16")[1],
        moves(own, tp=4)[1],
        moves(own, engine="sglang")[1],
        moves(own, gpu="B200")[1],
        moves(own, model="Qwen/Qwen3-32B")[1],
    ]
    assert order == sorted(order, reverse=True)
    assert 1 < order[-1] < 1.1
    # Nothing in common but the GPU
    far = moves(own, model="Qwen/Qwen3-32B", engine="sglang", tp=8, weights_dtype="bf16")
    assert far == pytest.approx([1, 1, 1], rel=0.02)


def test_a_time_per_token_alone_moves_throughput_too() -> None:
    moved = moves(evidence(measured(16, 1.4, ttft_s=None, output_tokens_per_s=None)))
    assert moved[1:] == pytest.approx([1.4, 1.4], rel=0.05)
    assert moved[0] < 1.2


def test_the_first_tokens_of_a_queue_are_not_learnt_from() -> None:
    queued = measured(16, 1.0, ttft_s=90.0, at_once=True)
    assert moves(evidence(queued)) == pytest.approx([1, 1, 1], rel=0.01)


def test_a_rate_that_is_kept_up_with_stays_that_rate() -> None:
    own = evidence(measured(16, 1.4))
    found = estimated(own, None, request_rate=0.5)
    assert found.output_tokens_per_s.expected == pytest.approx(250)
    assert found.requests_per_s == pytest.approx(0.5)
    assert found.tpot_s.expected > 1.2 * estimated(None, None, request_rate=0.5).tpot_s.expected
    most = [estimated(one, None, request_rate=0.5).largest_request_rate_per_s for one in (own, None)]
    assert 0.71 < most[0] / most[1] < 0.95
    at_a_rate = measured(16, 1.0).model_copy(update={"concurrency": None, "request_rate_per_s": 0.5})
    assert math.isnan(compared([at_a_rate])[0].ratios[2])


def test_a_column_of_estimates_is_corrected_as_single_ones_are() -> None:
    own = evidence(measured(8, 1.4), measured(64, 0.9))
    cases = [a_case(16), a_case(128, tp=4), a_case(1, gpu="H100 SXM"), a_case(32, engine="sglang")]
    found = estimate_many(
        [serve(case.deployment()) for case in cases],
        range(len(cases)),
        input_tokens=1000,
        output_tokens=500,
        concurrency=[16, 128, 1, 32],
        own=own,
    )
    for place, case in enumerate(cases):
        single = estimate(case.deployment(), case.workload(), own)
        assert found.tpot_s[place] == pytest.approx(single.tpot_s.expected)
        assert found.ttft_high_s[place] == pytest.approx(single.ttft_s.high)
        assert found.requests_per_s[place] == pytest.approx(single.requests_per_s)
    assert all(np.all(np.isfinite(getattr(found, field.name))) for field in fields(found))


def test_a_comparison_ranks_by_what_was_measured() -> None:
    own = evidence(*(measured(load, 1.5) for load in (8, 16, 32)))
    offers = [offer for offer in catalog.offers() if offer.gpu == "H200 SXM" and offer.gpu_count == 8]
    search = Search(tensor_parallel=(2,), concurrencies=(16,))
    with Warehouse.open(":memory:") as warehouse:
        ranked = [compare(warehouse, [a_case("max")], offers, search, own=one).ranked for one in (None, own)]
    slower = ranked[1]["tpot_s"].iloc[0] / ranked[0]["tpot_s"].iloc[0]
    assert slower == pytest.approx(moves(own)[1])
    dearer = ranked[1]["usd_per_mtok_output"].min() / ranked[0]["usd_per_mtok_output"].min()
    assert dearer == pytest.approx(moves(own)[2], rel=0.01)


def test_the_basis_counts_the_measurements_of_this_deployment() -> None:
    own = evidence(measured(8, 1.1), measured(16, 1.1, measured_at=datetime(2026, 11, 12)))
    assert "; drawn to 2 own measurements of 2026-11-20" in estimated(own).basis
    assert "own measurement" not in estimated(own, model="Qwen/Qwen3-32B").basis
    traits = Traits.of(a_case().deployment())
    assert traits.likeness(traits) == 1
    assert traits.likeness(traits._replace(gpu="B200")) < NEAR


def test_a_deployment_that_cannot_have_been_is_refused_by_name() -> None:
    with pytest.raises(
        InferplanError, match=r"Run 1 of runs\.json cannot have run as described: .*does not fit|larger"
    ):
        compared([measured(16, 1.0, gpu="L4", tp=1)])
    with pytest.raises(InferplanError, match=r"Run 1 of runs\.json .*weights type"):
        compared([measured(16, 1.0, weights_dtype="fp7")])


def test_what_is_stored_and_not_known_any_more_is_left_out_with_its_reason() -> None:
    good, gone = measured(16, 1.2), measured(16, 1.2, model="acme/gone", run_number=2)
    runs, problems = usable([good, gone, gone])
    assert [run.measurement for run in runs] == [good]
    [problem] = problems
    assert problem.startswith(
        "Run 2 of runs.json cannot have run as described: There is no model named 'acme/gone'"
    )


def test_a_figure_beyond_belief_is_doubted() -> None:
    [run] = compared([measured(16, 1.0, tpot_s=16.5)])
    assert run.far_off is not None
    assert run.far_off.startswith("tpot_s is 9")
    assert compared([measured(16, 3.0)])[0].far_off is None


ESTIMATE = (
    "estimate", "--model", DEPLOYED["model"], "--gpu", "H200 SXM", "--tp", "2", "--weights-dtype", "fp8",
    "--input-tokens", "1000", "--output-tokens", "500", "--concurrency", "64", "--json",
)  # fmt: skip


def run(*arguments: object, fails: bool = False) -> str:
    done = CliRunner().invoke(cli, [str(one) for one in arguments])
    assert bool(done.exit_code) == fails, done.output
    return done.output


def test_the_command_imports_lists_and_removes_and_estimate_follows(tmp_path: Path) -> None:
    before = json.loads(run(*ESTIMATE))
    table = tmp_path / "runs.csv"
    table.write_text(template())
    looked = json.loads(run("measurements", "import", table, "--dry-run", "--json"))
    assert looked["file_id"] is None
    assert [one["tpot_ms"] for one in looked["runs"]] == [16.5, 24.1]
    assert json.loads(run(*ESTIMATE)) == before
    assert "number 1" in run("measurements", "import", table)
    assert "already number 1" in run("measurements", "import", table)
    after = json.loads(run(*ESTIMATE))
    assert after["tpot_ms"]["expected"] == pytest.approx(24.1, rel=0.05)
    assert "2 own measurements of 2026-11-20" in after["basis"]
    assert json.loads(run(*ESTIMATE, "--ignore-own-measurements")) == before
    [listed] = json.loads(run("measurements", "list", "--json"))
    assert (listed["file_id"], listed["measurements"], listed["tool"]) == (1, 2, "Table of runs")
    run("measurements", "remove", 1)
    assert json.loads(run(*ESTIMATE)) == before
    assert "No own measurements yet" in run("measurements", "list")


def test_the_command_asks_for_what_a_file_does_not_say(tmp_path: Path) -> None:
    sample = Path(__file__).parent / "data" / "measurements" / "guidellm_0_5.json"
    said = run("measurements", "import", sample, fails=True)
    assert "Answer with --gpu, --engine, --tp, --weights-dtype." in said
    assert "No own measurements yet" in run("measurements", "list")
    answers = ("--gpu", "H200 SXM", "--engine", "vllm", "--tp", 2, "--weights-dtype", "fp8")
    assert "number 1" in run("measurements", "import", sample, *answers)


HOLDER = """
import sys
from inferplan.datasets.warehouse import Warehouse
Warehouse.open()
print("open", flush=True)
sys.stdin.read()
"""


def test_estimate_answers_while_a_dashboard_holds_the_warehouse() -> None:
    before = json.loads(run(*ESTIMATE))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        done = CliRunner().invoke(cli, [str(one) for one in ESTIMATE])
        holder.communicate()
    assert json.loads(done.stdout) == before
    assert "Note: without own measurements. The warehouse" in done.stderr
    assert f"is open in process {holder.pid}" in done.stderr
