"""Demand by the hour, what a replica serves of it, and the mixes and commitments that follow."""

import contextlib
import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferplan.datasets import catalog, samples
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.uploads.landing import import_file
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.case import Case
from inferplan.planner.commitment_choice import choose
from inferplan.planner.demand import Demand, read_demand, weekly
from inferplan.planner.hosted_api import choices
from inferplan.planner.performance import estimate
from inferplan.planner.planned import cheapest_machine, planned
from inferplan.planner.usage_demand import served_demands
from inferplan.pricing.conditions import NegotiatedTerms
from inferplan.pricing.machine_terms import SpotUse, flexible_hour, machine_terms

P5 = "aws/p5.48xlarge/us-east-1/on_demand/H100 SXM"

TODAY = date(2026, 11, 21)


def a_case(**fields: object) -> Case:
    given_fields: dict[str, object] = {
        "model": "meta-llama/Llama-3.3-70B-Instruct", "gpu": "H100 SXM", "tp": 4, "weights_dtype": "fp8",
        "input_tokens": 2000, "output_tokens": 400, "max_model_len": 32768, "usd_per_gpu_hour": 3.0,
    }  # fmt: skip
    return Case.read(given_fields | fields)


def test_a_week_has_sixty_busy_hours_at_the_peak() -> None:
    week = weekly(1000, night_share=0.1, weekend_share=0.5)
    assert week.per_hour.count(Decimal(1000)) == 5 * 12
    assert week.per_hour.count(Decimal(100)) == 5 * 12
    assert week.per_hour.count(Decimal(500)) == week.per_hour.count(Decimal(50)) == 2 * 12


@pytest.mark.parametrize(
    ("text", "per_hour"),
    [
        ("5\n6.5\n", ["5", "6.5"]),
        ("time;requests\n2026-01-01 00:00;7\n2026-01-01 01:00;8\n", ["7", "8"]),
        ("\ufeffrequests\n1e3\n\n0\n", ["1000", "0"]),
        ('h,"n"\n0,"12"\n', ["12"]),
    ],
)
def test_numbers_are_read_from_the_last_column(text: str, per_hour: list[str]) -> None:
    assert read_demand(text).per_hour == tuple(map(Decimal, per_hour))


@pytest.mark.parametrize(
    "text", ["requests\n", "1\nNaN\n", "1\ninf\n", "1\n-2\n", "0\n", "1\n2 000\n", "1\n" * 9000]
)
def test_what_is_no_demand_is_refused(text: str) -> None:
    with pytest.raises(InferplanError):
        read_demand(text)


@given(st.text(max_size=60))
def test_any_text_is_a_demand_or_an_error_in_words(text: str) -> None:
    with contextlib.suppress(InferplanError):
        assert all(hour >= 0 for hour in read_demand(text).per_hour)


def test_the_demand_of_uploaded_usage_is_every_whole_hour(tmp_path: Path) -> None:
    # A counter that grows by 10 each minute: 600 requests an hour; the cut hours at both ends are left out.
    lines = ["time,model_name,pod,vllm:request_success_total"]
    lines += [
        f"2026-11-02T{minute // 60:02d}:{minute % 60:02d}:00Z,m,p,{minute * 10}" for minute in range(30, 300)
    ]
    place = tmp_path / "requests.csv"
    place.write_text("\n".join(lines))
    with Warehouse.open(":memory:") as warehouse:
        import_file(warehouse, place)
        [found] = served_demands(warehouse)
    assert found.demand.per_hour == (Decimal(600),) * 3
    assert "3 hours from 2026-11-02" in found.demand.basis


def counted(folder: Path, name: str, step_s: int, *, first_h: int = 0, last_h: int = 24, gap=(0, 0)) -> Path:
    """Return readings of a counter that grows by 600 an hour, without those between two hours."""
    times = [second for second in range(first_h * 3600, last_h * 3600 + 1, step_s)
             if not gap[0] * 3600 < second < gap[1] * 3600]  # fmt: skip
    start = datetime(2026, 11, 2)
    rows = [f"{start + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ},m,p,{second // 6}" for second in times]
    (folder / name).write_text("\n".join(["time,model_name,pod,vllm:request_success_total", *rows]))
    return folder / name


def test_what_a_counter_shows_after_a_gap_came_in_all_of_the_gap(tmp_path: Path) -> None:
    with Warehouse.open(":memory:") as warehouse:
        import_file(warehouse, counted(tmp_path, "gap.csv", 60, gap=(6.5, 16.25)))
        [found] = served_demands(warehouse)
    assert found.demand.per_hour == pytest.approx((Decimal(600),) * 22)
    assert "11 of them known on average only" in found.demand.basis


def test_exports_of_one_counter_that_overlap_count_once_whatever_their_steps(tmp_path: Path) -> None:
    with Warehouse.open(":memory:") as warehouse:
        import_file(warehouse, counted(tmp_path, "day.csv", 3600))
        import_file(warehouse, counted(tmp_path, "morning.csv", 30, first_h=3, last_h=9))
        import_file(warehouse, counted(tmp_path, "noon.csv", 60, first_h=8, last_h=15))
        [found] = served_demands(warehouse)
    assert found.demand.per_hour == pytest.approx((Decimal(600),) * 22)
    assert "average" not in found.demand.basis


def test_the_sample_fleet_s_demand_is_called_sample_data() -> None:
    with Warehouse.open(":memory:") as warehouse:
        samples.load(warehouse)
        found = served_demands(warehouse)
    assert all(one.demand.basis.startswith("sample data: ") and one.is_sample for one in found)
    assert found


def test_a_rate_is_a_part_of_full_load_and_a_target_lowers_what_that_is() -> None:
    plan = planned(a_case(request_rate=0.5), None)
    assert 0 < plan.planned_share < 1
    assert plan.requests_per_replica_hour * plan.planned_share == pytest.approx(Decimal(1800))
    most = estimate(plan.deployment, a_case(concurrency=1024).workload()).output_tokens_per_s.expected
    assert plan.estimate.output_tokens_per_s.expected >= most
    fast = planned(a_case(request_rate=0.5, slo={"tpot_s": 0.02}), None)
    assert fast.estimate.tpot_s.expected <= 0.02
    assert fast.requests_per_replica_hour < plan.requests_per_replica_hour


def test_replicas_share_a_machine_and_its_price() -> None:
    offer = catalog.offer(P5)
    one, two = (planned(a_case(concurrency=16 * dp, dp=dp), offer) for dp in (1, 2))
    assert (one.usd_per_hour, two.usd_per_hour) == (Decimal("27.52"), Decimal("55.04"))
    assert one.replica_usd_per_hour == two.replica_usd_per_hour == Decimal("27.52")
    assert two.requests_per_replica_hour == pytest.approx(one.requests_per_replica_hour, rel=Decimal("0.01"))


def test_the_cheapest_machine_is_big_enough_and_whole() -> None:
    for count in (1, 4, 8):
        found = cheapest_machine(catalog.offers(), "H100 SXM", count, TODAY)
        assert found is not None
        assert found.gpu_count >= count
        assert (found.purchase_option, found.price_covers) == ("on_demand", "machine")
    assert cheapest_machine(catalog.offers(), "H100 SXM", 1000, TODAY) is None


def test_an_old_price_is_taken_only_where_no_other_is_known() -> None:
    civo = next(one for one in catalog.offers() if (one.gpu, one.provider) == ("H200 SXM", "civo"))
    old = civo.model_copy(update={"observed_on": date(2025, 1, 1), "usd_per_hour": Decimal(1)})
    new = civo.model_copy(update={"observed_on": TODAY, "usd_per_hour": Decimal(3)})
    assert cheapest_machine([old, new], "H200 SXM", 1, TODAY) is new
    assert cheapest_machine([old], "H200 SXM", 1, TODAY) is old


def test_a_host_cheaper_than_a_full_replica_has_no_break_even() -> None:
    prices = catalog.hosted_prices("meta-llama/Llama-3.3-70B-Instruct")
    load = a_case(concurrency=16).workload()
    demand = weekly(50_000, night_share=0.2, weekend_share=0.4)
    found = choices(prices, load, demand, Decimal(10), Decimal(5000))
    assert [one.hybrid.total_usd for one in found] == sorted(one.hybrid.total_usd for one in found)
    for one in found:
        cheaper = one.usd_per_request < Decimal(10) / 5000
        assert (one.break_even_requests_per_hour is None) == cheaper
        assert (one.hybrid.replicas == 0) == cheaper
        brute = min(
            sum((n * 10 + max(Decimal(0), hour - n * 5000) * one.usd_per_request for hour in demand.per_hour),
                Decimal(0))
            for n in range(11)
        )  # fmt: skip
        assert one.hybrid.total_usd == brute


def test_spot_serves_only_up_to_its_cap_and_pays_for_its_interruptions() -> None:
    [sold] = [one for one in machine_terms(catalog.offers()) if one.on_demand.offer_id == P5]
    assert sold.spot is not None
    assert sold.spot.usd_per_hour is not None
    on_demand, spot = Decimal("55.04"), sold.spot.usd_per_hour
    half = SpotUse(Decimal("0.5"), Decimal("0.1"), Decimal(2))
    by_hand = (on_demand + spot / Decimal("0.8")) / 2
    assert flexible_hour(sold, NegotiatedTerms(), half).usd == by_hand
    wasted = SpotUse(Decimal(1), Decimal("0.9"), Decimal(1))  # ten times spot's price is more than on demand
    assert flexible_hour(sold, NegotiatedTerms(), wasted).usd == on_demand
    with pytest.raises(InferplanError, match="share of spot"):
        flexible_hour(sold, NegotiatedTerms(), SpotUse(Decimal(2)))
    lost = SpotUse(Decimal("0.5"), Decimal("0.5"), Decimal(2))
    with pytest.raises(InferplanError, match="nothing useful"):
        flexible_hour(sold, NegotiatedTerms(), lost)
    steady = Demand((Decimal(4),) * 100, "four machines")
    found = choose(Demand((Decimal(4),) * 70 + (Decimal(9),) * 30, "a peak"), Decimal(1), sold, spot=half)
    parts = found.parts()
    assert [part.offer.purchase_option for part in parts] == ["reserved_3y", "spot", "on_demand"]
    assert [part.machines for part in parts] == [4, Decimal("0.75"), Decimal("0.75")]
    assert sum(part.usd_per_month for part in parts) == found.per_month(found.mix.bill.total_usd)
    assert sum(part.share_of_demand for part in parts) == 1
    [plain] = choose(steady, 1, sold).recommended
    assert plain.machines == 4
    assert choose(steady, 1, sold).per_month(plain.bill.total_usd) == pytest.approx(
        4 * plain.term.usd_per_hour * 730, abs=Decimal("0.01")
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_parts_of_a_mix_sum_to_the_cent_and_serve_everything(seed: int) -> None:
    drawn = random.Random(seed)
    [sold] = [one for one in machine_terms(catalog.offers()) if one.on_demand.offer_id == P5]
    hours = tuple(Decimal(drawn.randint(0, 500)) for _ in range(drawn.randint(24, 200)))
    spot = SpotUse(Decimal(drawn.randint(0, 100)) / 100, Decimal("0.02"), Decimal("0.25"))
    found = choose(
        Demand((*hours, Decimal(1)), "drawn"), Decimal(drawn.randint(3, 40)), sold,
        NegotiatedTerms(Decimal(drawn.randint(0, 30))), spot, Decimal(drawn.randint(0, 100)) / 100,
    )  # fmt: skip
    parts = found.parts()
    assert sum(part.usd_per_month for part in parts) == found.per_month(found.mix.bill.total_usd)
    assert abs(sum(part.share_of_demand for part in parts) - 1) < Decimal("1e-20")
    assert found.mix.bill.total_usd <= found.uncommitted.total_usd
    for part in parts:
        worth = part.machines * part.usd_per_hour * 730
        assert abs(part.usd_per_month - worth) <= Decimal("0.05")
