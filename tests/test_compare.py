"""The comparison ranks every offer, and its costs are those of ``unit_cost`` at the same load."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.case import Case
from inferplan.planner.compare import Search, compare
from inferplan.planner.economics import deployment_usd_per_hour, unit_cost
from inferplan.planner.performance import estimate

LOAD = {"input_tokens": 2000, "output_tokens": 300}
CASE = Case.model_validate(
    {"model": "Qwen/Qwen3-32B", "weights_dtype": "fp8", "gpu": "H100 SXM", "max_model_len": 8192, **LOAD}
)


def an_offer(name: str, gpu: str, gpu_count: float, usd_per_hour: str | None) -> Offer:
    return Offer(
        provider="test", instance_type=name, gpu=gpu, gpu_count=gpu_count, region="here",
        purchase_option="on_demand", usd_per_hour=None if usd_per_hour is None else Decimal(usd_per_hour),
        observed_on=date(2026, 11, 1), date_basis="test", source="a test",
        no_price_reason="a quote is needed" if usd_per_hour is None else None,
    )  # fmt: skip


H100 = an_offer("one", "H100 SXM", 1, "3.00")
H100X8 = an_offer("eight", "H100 SXM", 8, "20.00")
L4 = an_offer("small", "L4", 1, "0.70")
HALF = an_offer("half", "H100 SXM", 0.5, "1.00")
QUOTE = an_offer("quote", "H200 SXM", 8, None)


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse.open(":memory:") as opened:
        yield opened


def test_each_offer_is_ranked_or_refused_with_a_reason(warehouse: Warehouse) -> None:
    offers = catalog.offers()
    found = compare(warehouse, [CASE], offers)
    answered = [*found.ranked["offer_id"], *found.refused["offer_id"]]
    assert sorted(answered) == sorted(offer.offer_id for offer in offers)
    assert found.refused["reason"].str.len().min() > 10
    assert found.ranked["usd_per_request"].is_monotonic_increasing
    assert set(found.ranked["source"]) <= {offer.source for offer in offers}


def test_reasons_name_what_is_wrong(warehouse: Warehouse) -> None:
    refused = compare(warehouse, [CASE], [L4, HALF, QUOTE]).refused.set_index("instance_type")["reason"]
    assert "weights" in refused["small"]
    assert refused["half"] == "a fraction of a GPU"
    assert refused["quote"] == "no public price: a quote is needed"


def test_a_price_without_the_machine_is_ranked_only_when_asked_for(warehouse: Warehouse) -> None:
    gpu_only = H100.model_copy(update={"price_covers": "gpu_only"})
    found = compare(warehouse, [CASE], [gpu_only])
    assert found.refused["reason"].item() == "the price leaves out CPU and memory, which are billed on top"
    assert len(compare(warehouse, [CASE], [gpu_only], Search(partial_prices=True)).ranked) == 1


def test_costs_are_those_of_the_scalar_functions_at_the_same_load(warehouse: Warehouse) -> None:
    found = compare(warehouse, [CASE], [H100X8], Search(tensor_parallel=(2,), concurrencies=(16,)))
    (row,) = found.ranked.to_dict("records")
    case = CASE.model_copy(update={"tp": 2, "concurrency": 16})
    alone = estimate(case.deployment(), case.workload())
    cost = unit_cost(alone, case.workload(), deployment_usd_per_hour(H100X8, "H100 SXM", 2))
    assert row["tpot_s"] == pytest.approx(alone.tpot_s.expected)
    assert row["usd_per_replica_hour"] == 5.0  # four pairs share a machine of 20 USD per hour
    assert row["usd_per_mtok_output"] == pytest.approx(float(cost.usd_per_mtok_output.expected), rel=1e-4)
    assert row["usd_per_mtok_input"] == pytest.approx(float(cost.usd_per_mtok_input.expected), rel=1e-3)
    assert row["usd_per_mtok_output_low"] == pytest.approx(float(cost.usd_per_mtok_output.low), rel=1e-3)
    assert row["tokens_per_usd"] == pytest.approx(float(cost.tokens_per_usd.expected), rel=1e-3)


def test_the_load_kept_is_the_cheapest_within_the_target(warehouse: Warehouse) -> None:
    loose = compare(warehouse, [CASE], [H100]).ranked.iloc[0]
    target_s = float(loose["tpot_s"]) / 1.5
    strict_case = CASE.model_copy(update={"slo": CASE.slo.model_copy(update={"tpot_s": target_s})})
    found = compare(warehouse, [strict_case], [H100])
    strict = found.ranked.iloc[0]
    allowed = found.points[found.points["tpot_s"] <= target_s]
    assert strict["tpot_s"] <= target_s
    assert strict["usd_per_request"] == pytest.approx(allowed["usd_per_request"].min())
    assert strict["usd_per_request"] > loose["usd_per_request"]


def test_a_target_that_nobody_keeps_is_told_with_the_nearest(warehouse: Warehouse) -> None:
    case = CASE.model_copy(update={"slo": CASE.slo.model_copy(update={"tpot_s": 1e-6})})
    found = compare(warehouse, [case], [H100])
    assert found.ranked.empty
    assert found.refused["reason"].item().startswith("misses the latency target: at best TTFT ")


def test_demand_decides_the_replicas_and_idle_ones_are_paid_for(warehouse: Warehouse) -> None:
    best = compare(warehouse, [CASE], [H100]).ranked.iloc[0]
    rate = float(best["requests_per_s"])
    one, many = (
        compare(warehouse, [CASE.model_copy(update={"request_rate": rate * share})], [H100]).ranked.iloc[0]
        for share in (0.01, 2.5)
    )
    assert one["replicas"] == 1
    assert one["usd_per_hour"] == 3.0
    assert one["usd_per_request"] == pytest.approx(3.0 / 3600 / (rate * 0.01))
    assert many["replicas"] == 3
    assert many["usd_per_hour"] == 9.0


def test_pareto_rows_are_those_that_nothing_beats(warehouse: Warehouse) -> None:
    points = compare(warehouse, [CASE], catalog.offers()).points
    for row in points[points["pareto"]].itertuples():
        better = points[
            (points["tpot_s"] < row.tpot_s) & (points["usd_per_mtok_output"] < row.usd_per_mtok_output)
        ]
        assert better.empty
    assert 0 < points["pareto"].sum() < len(points)


def test_offers_without_any_price_are_all_refused_with_the_reason(warehouse: Warehouse) -> None:
    found = compare(warehouse, [CASE], [QUOTE])
    assert found.ranked.empty
    assert found.points.empty
    assert found.refused["reason"].tolist() == ["no public price: a quote is needed"]
    assert found.tried["kept"].sum() > 0


def test_filters_that_leave_nothing_are_an_error(warehouse: Warehouse) -> None:
    abroad = L4.model_copy(update={"region": "abroad"})
    with pytest.raises(InferplanError, match="No offer passes all filters at once"):
        compare(warehouse, [CASE], [H100, abroad], Search(gpus=("L4",), regions=("here",)))


@pytest.mark.parametrize(
    ("search", "says"),
    [
        (Search(gpus=("L4",)), "no gpu on offer named 'L4'"),
        (Search(gpus=("H1000",)), "no GPU named 'H1000'"),
        (Search(providers=("tset",)), "no provider on offer named 'tset' in the catalog. Did you mean test"),
        (Search(purchase_options=("spott",)), "no purchase option on offer named 'spott'"),
    ],
)
def test_a_name_that_no_offer_has_is_an_error_with_the_nearest(
    warehouse: Warehouse, search: Search, says: str
) -> None:
    with pytest.raises(InferplanError, match=says):
        compare(warehouse, [CASE], [H100], search)


def test_sizes_that_no_machine_holds_are_an_error(warehouse: Warehouse) -> None:
    with pytest.raises(InferplanError, match="holds tensor parallel 16 or 32"):
        compare(warehouse, [CASE], [H100X8], Search(tensor_parallel=(16, 32)))


def test_a_model_that_fits_nowhere_gives_an_empty_ranking(warehouse: Warehouse) -> None:
    case = CASE.model_copy(update={"model": "deepseek-ai/DeepSeek-V3", "weights_dtype": None})
    found = compare(warehouse, [case], [L4])
    assert found.ranked.empty
    assert found.points.empty
    assert len(found.refused) == 1
