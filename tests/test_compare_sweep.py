"""A sweep over engines, sizes and formats: nothing tried is lost, and the reduction in SQL is exact."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from inferplan.datasets import catalog
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.case import Case
from inferplan.planner.compare import Comparison, RankBy, Search, Sweep, compare, contest
from inferplan.planner.economics import HOURS_PER_MONTH, deployment_usd_per_hour
from inferplan.planner.memory import fit
from inferplan.planner.performance import estimate

TODAY = date(2026, 11, 21)
CASE = Case(
    model="Qwen/Qwen3-32B", gpu="H100 SXM", max_model_len=8192, input_tokens=2000, output_tokens=300,
    request_rate=9.0, slo={"ttft_s": 1.5, "tpot_s": 0.04, "e2e_s": 11.0},
)  # fmt: skip
SEARCH = Search(
    engines=("vllm", "sglang"),
    weights_dtypes=("fp8", "bf16"),
    tensor_parallel=(1, 2),
    pipeline_parallel=(1, 2),
    concurrencies=(1, 8, 64),
)


def an_offer(name: str, gpu: str, gpu_count: float, usd_per_hour: str, **changed: Any) -> Offer:
    return Offer(
        provider="test", instance_type=name, gpu=gpu, gpu_count=gpu_count, region="here",
        purchase_option="on_demand", usd_per_hour=Decimal(usd_per_hour), observed_on=TODAY,
        date_basis="test", source="a test",
    ).model_copy(update=changed)  # fmt: skip


OFFERS = (
    an_offer("h100", "H100 SXM", 1, "3.10"),
    an_offer("h100x8", "H100 SXM", 8, "23.99"),
    an_offer("l40s", "L40S", 4, "5.50"),
    an_offer("b200x8", "B200", 8, "41.00"),
)


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse.open(":memory:") as opened:
        yield opened


def by_hand(offer: Offer, rank_by: RankBy) -> tuple[float, ...] | None:
    """Return the best figure of ``SEARCH`` on ``offer``, one scalar estimate after the other."""
    figures = []
    for engine in SEARCH.engines:
        for dtype in SEARCH.weights_dtypes:
            for tp in SEARCH.tensor_parallel:
                for pp in SEARCH.pipeline_parallel:
                    if tp * pp > offer.gpu_count:
                        continue
                    changed = {"gpu": offer.gpu, "engine": engine, "weights_dtype": dtype, "tp": tp, "pp": pp}
                    case = CASE.model_copy(update=changed)
                    if fit(case.deployment()).fits:
                        figures += list(_figures_of(case, offer, tp * pp, rank_by))
    return min(figures, default=None)


def _figures_of(case: Case, offer: Offer, gpus: int, rank_by: RankBy) -> Iterator[float]:
    rate, slo = CASE.request_rate or 0, CASE.slo
    for load in SEARCH.concurrencies:
        one = case.model_copy(update={"concurrency": load, "request_rate": None})
        found = estimate(one.deployment(), one.workload())
        ttft_s, tpot_s = found.ttft_s.expected, found.tpot_s.expected
        e2e_s = ttft_s + 299 * tpot_s
        if ttft_s > (slo.ttft_s or 0) or tpot_s > (slo.tpot_s or 0) or e2e_s > (slo.e2e_s or 0):
            continue
        replicas = -(-rate // found.requests_per_s)
        usd = float(deployment_usd_per_hour(offer, offer.gpu, gpus)) * replicas / 3600 / rate
        yield {"tpot_s": tpot_s, "e2e_s": e2e_s}.get(rank_by, usd)


@pytest.mark.parametrize("rank_by", ["usd_per_request", "e2e_s"])
def test_the_best_on_each_offer_is_that_of_trying_everything_by_hand(
    warehouse: Warehouse, rank_by: RankBy
) -> None:
    found = compare(warehouse, [CASE], OFFERS, SEARCH.model_copy(update={"rank_by": rank_by}))
    got = found.ranked.set_index("offer_id")[rank_by].to_dict()
    wanted = {offer.offer_id: by_hand(offer, rank_by) for offer in OFFERS}
    assert got == pytest.approx({name: value for name, value in wanted.items() if value is not None})
    assert len(got) > 1


def test_every_configuration_has_one_outcome(warehouse: Warehouse) -> None:
    sweep = Sweep([CASE], OFFERS, SEARCH)
    while sweep.step():
        pass
    found = sweep.comparison(warehouse)
    assert found.outcomes["configurations"].sum() == sweep.configurations
    assert len(found.tried) == sweep.deployments
    assert found.tried["loads"].sum() == sweep.configurations
    outcomes = found.outcomes.set_index("outcome")["configurations"]
    assert outcomes["serves it"] == found.tried["kept"].sum()
    assert (
        outcomes["does not fit"] == found.tried.loc[found.tried["outcome"] == "does not fit", "loads"].sum()
    )
    assert (found.tried.loc[found.tried["kept"] == 0, "reason"].str.len() > 10).all()


def test_impossible_splits_are_told_apart_from_too_little_memory(warehouse: Warehouse) -> None:
    search = SEARCH.model_copy(update={"tensor_parallel": (1, 3), "expert_parallel": (1, 3)})
    tried = compare(warehouse, [CASE], OFFERS[1:2], search).tried
    outcome = tried.groupby(["tp", "ep"])["outcome"].unique()
    assert list(outcome[(3, 1)]) == ["cannot be split so"]  # 64 query heads do not divide by 3
    assert list(outcome[(1, 3)]) == ["cannot be split so"]  # a dense model has no experts


def test_half_of_the_steps_rank_what_they_have_and_the_rest_completes_it(warehouse: Warehouse) -> None:
    offers = catalog.offers()
    whole = compare(warehouse, [CASE], offers, SEARCH)
    sweep = Sweep([CASE], offers, SEARCH)
    shares = []
    while sweep.step():
        shares.append(sweep.share_done)
    assert shares == sorted(set(shares))
    assert len(shares) >= 2
    pd.testing.assert_frame_equal(sweep.comparison(warehouse).ranked, whole.ranked)


def test_money_is_exact_and_totals_reconcile(warehouse: Warehouse) -> None:
    found = compare(warehouse, [CASE], catalog.offers(), SEARCH)
    prices = {offer.offer_id: offer for offer in catalog.offers()}
    for frame in (found.ranked, found.sizes, found.points):
        for row in frame.itertuples():
            offer = prices[row.offer_id]
            assert row.machine_usd_per_hour == offer.usd_per_hour
            exact = deployment_usd_per_hour(offer, row.gpu, row.gpus)
            if row.machines_per_replica == 1:
                assert abs(row.usd_per_replica_hour - exact) <= Decimal("5e-11")
            assert row.usd_per_hour == row.usd_per_replica_hour * int(row.replicas)
            assert row.usd_per_month == (row.usd_per_hour * HOURS_PER_MONTH).quantize(Decimal("0.01"))
            per_hour = row.usd_per_request * row.served_requests_per_s * 3600
            assert per_hour == pytest.approx(float(row.usd_per_hour), rel=1e-12)
            tokens = row.usd_per_mtok_input * row.input_tokens + row.usd_per_mtok_output * row.output_tokens
            assert tokens == pytest.approx(row.usd_per_request * 1e6, rel=1e-12)


def test_stages_may_span_machines_of_eight_and_whole_machines_are_paid(warehouse: Warehouse) -> None:
    case = CASE.model_copy(
        update={"model": "deepseek-ai/DeepSeek-V3", "slo": type(CASE.slo)(), "request_rate": 1.0}
    )
    search = Search(tensor_parallel=(8,), pipeline_parallel=(1, 2))
    found = compare(warehouse, [case], OFFERS[:2], search)
    (row,) = found.ranked.to_dict("records")
    assert (row["gpus"], row["machines_per_replica"]) == (16, 2)
    assert row["usd_per_replica_hour"] == 2 * Decimal("23.99")
    assert found.refused["instance_type"].tolist() == ["h100"]


def test_old_prices_rank_behind_until_they_are_let_in(warehouse: Warehouse) -> None:
    old = an_offer("old", "H100 SXM", 1, "1.00", observed_on=date(2026, 3, 1))
    offers = (*OFFERS, old)
    behind = compare(warehouse, [CASE], offers, SEARCH, TODAY).ranked
    assert behind["set_aside"].tolist() == [False] * (len(behind) - 1) + [True]
    assert behind.iloc[-1]["offer_id"] == old.offer_id
    let_in = SEARCH.model_copy(update={"stale_prices": True})
    first = compare(warehouse, [CASE], offers, let_in, TODAY).ranked.iloc[0]
    assert (first["offer_id"], first["stale"], first["set_aside"]) == (old.offer_id, True, False)
    assert not compare(warehouse, [CASE], offers, SEARCH).ranked["stale"].any()
    (older,) = [one for one in contest(behind, "usd_per_request") if one.role == "an older price"]
    assert older.other["offer_id"] == old.offer_id
    assert older.lead < 0


def test_points_leave_old_prices_out_unless_there_are_no_others(warehouse: Warehouse) -> None:
    old = an_offer("old", "H100 SXM", 1, "0.10", observed_on=date(2026, 3, 1))
    points = compare(warehouse, [CASE], (*OFFERS, old), SEARCH, TODAY).points
    assert old.offer_id not in set(points["offer_id"])
    assert set(compare(warehouse, [CASE], [old], SEARCH, TODAY).points["offer_id"]) == {old.offer_id}


def test_energy_is_power_times_time_and_unknown_power_ranks_last(warehouse: Warehouse) -> None:
    offers = [an_offer(gpu, gpu, 8, "20") for gpu in _gpus_of_both_kinds()]
    search = Search(rank_by="kwh_per_mtok", concurrencies=(8,), tensor_parallel=(8,))
    case = Case(
        model="Qwen/Qwen3-8B", gpu="H100 SXM", max_model_len=4096, input_tokens=500, output_tokens=100
    )
    ranked = compare(warehouse, [case], offers, search).ranked
    assert ranked["kwh_per_mtok"].isna().tolist() == [False, True]
    known, unknown = ranked.to_dict("records")
    assert "not known" in unknown["no_power_reason"]
    watts = (catalog.gpu(known["gpu"]).tdp_w or 0) * 8
    tokens_per_s = known["requests_per_s"] * 600
    pue = known["gpu_kw"] * 1000 / (catalog.gpu(known["gpu"]).tdp_w or 0)
    assert 1.0 <= pue < 2.0
    assert known["kwh_per_mtok"] == pytest.approx(watts * pue / 1000 / 3600 / tokens_per_s * 1e6)


def _gpus_of_both_kinds() -> tuple[str, str]:
    small = Case(model="Qwen/Qwen3-8B", gpu="H100 SXM", max_model_len=4096, tp=8)
    unknown = (gpu.name for gpu in catalog.gpus() if gpu.tdp_w is None and gpu.bf16_flops_per_s)
    fitting = (gpu for gpu in unknown if fit(small.model_copy(update={"gpu": gpu}).deployment()).fits)
    return "H100 SXM", next(fitting)


def duel(
    warehouse: Warehouse, first: Offer, second: Offer, rank_by: RankBy = "usd_per_request"
) -> Comparison:
    search = SEARCH.model_copy(update={"rank_by": rank_by})
    return compare(warehouse, [CASE], [first, second], search)


def test_the_price_at_which_the_runner_up_draws_level_is_the_price_that_does_so(warehouse: Warehouse) -> None:
    (one,) = contest(duel(warehouse, OFFERS[0], OFFERS[3]).ranked, "usd_per_request")
    assert not one.same_speed
    assert one.level_usd_per_hour is not None
    winner, other = sorted((OFFERS[0], OFFERS[3]), key=lambda offer: offer.offer_id == one.other["offer_id"])
    changed = other.model_copy(update={"usd_per_hour": one.level_usd_per_hour})
    level = duel(warehouse, winner, changed).ranked["usd_per_request"]
    to_the_cent = 0.01 / float(one.level_usd_per_hour)
    assert level.iloc[0] == pytest.approx(level.iloc[1], rel=to_the_cent)


def test_the_same_deployment_elsewhere_is_decided_by_price_however_wide_the_interval(
    warehouse: Warehouse,
) -> None:
    dearer = an_offer("dear", "H100 SXM", 1, "3.11")
    (one,) = contest(duel(warehouse, OFFERS[0], dearer).ranked, "usd_per_request")
    assert one.same_speed
    assert not one.too_close
    assert one.lead == pytest.approx(3.11 / 3.10 - 1)
    assert one.level_usd_per_hour == Decimal("3.10")


def test_overlapping_intervals_are_too_close_to_call_and_apart_ones_are_not(warehouse: Warehouse) -> None:
    (apart,) = contest(duel(warehouse, OFFERS[0], OFFERS[3]).ranked, "usd_per_request")
    winner, other = sorted(
        (OFFERS[0], OFFERS[3]), key=lambda offer: offer.offer_id == apart.other["offer_id"]
    )
    level = other.model_copy(update={"usd_per_hour": apart.level_usd_per_hour})
    (near,) = contest(duel(warehouse, winner, level).ranked, "usd_per_request")
    assert near.winner_figure.high > near.other_figure.low
    assert near.too_close
    far_offer = an_offer("far", "B200", 8, "4100")
    (far,) = contest(duel(warehouse, OFFERS[0], far_offer).ranked, "usd_per_request")
    assert not far.too_close


def test_a_latency_has_no_price_that_would_level_it(warehouse: Warehouse) -> None:
    (one,) = contest(duel(warehouse, OFFERS[0], OFFERS[3], "tpot_s").ranked, "tpot_s")
    assert one.level_usd_per_hour is None
    assert one.winner_figure.expected < one.other_figure.expected


def test_people_who_compare_at_once_get_their_own_answers(warehouse: Warehouse) -> None:
    cases = [CASE.model_copy(update={"output_tokens": tokens}) for tokens in (100, 200, 300, 400)]
    alone = [compare(warehouse, [case], OFFERS, SEARCH).ranked for case in cases]
    with ThreadPoolExecutor(len(cases)) as people:
        together = list(people.map(lambda case: compare(warehouse, [case], OFFERS, SEARCH).ranked, cases))
    for one, other in zip(alone, together, strict=True):
        pd.testing.assert_frame_equal(one, other)


@pytest.fixture
def ctrl_c_is_heard() -> Iterator[None]:
    """Undo for a while that what a shell runs in the background, and its children, ignore Ctrl-C."""
    found = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, found)


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_stops_the_command_with_130_and_leaves_the_warehouse_usable(own_warehouse: Path) -> None:
    arguments = ["compare", "--model", "Qwen/Qwen3-32B", "--input-tokens", "2000", "--output-tokens", "300"]
    for engine in ("vllm", "sglang", "tensorrt-llm", "llama.cpp"):
        arguments += ["--engine", engine]
    for dtype in ("bf16", "fp8", "int8", "awq-int4", "gptq-int4", "nvfp4", "bnb-4bit"):
        arguments += ["--weights-dtype", dtype]
    for size in (1, 2, 4, 8):
        arguments += ["--tp", str(size), "--pp", str(size)]
    leader, follower = pty.openpty()  # standard error is a terminal, so the command shows its progress
    with subprocess.Popen(
        [sys.executable, "-m", "inferplan.dashboard", *arguments], stdout=subprocess.DEVNULL, stderr=follower
    ) as process:
        os.close(follower)
        said = b""
        while not re.search(rb"[1-9]%", said):  # in the middle of its work, not while modules are loaded
            said += os.read(leader, 1024)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    said += os.read(leader, 65536)
    os.close(leader)
    assert b"Stopped." in said
    assert b"Traceback" not in said
    with Warehouse.open(own_warehouse) as warehouse:
        assert warehouse.rows("SELECT count(*) > 100 FROM current_prices") == [(True,)]
