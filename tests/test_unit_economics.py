"""What a useful token costs: every dollar of the month is somewhere, to the cent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.planner.case import Case
from inferplan.planner.deployment_energy import PowerInputs, month_of_energy
from inferplan.planner.economics import cached_input_weight, unit_cost
from inferplan.planner.interval import Interval
from inferplan.planner.performance import Estimate, estimate
from inferplan.planner.unit_economics import LOSSES, Use, in_cents, unit_economics
from inferplan.planner.workload import Workload
from inferplan.pricing.conditions import NegotiatedTerms

LOAD = Workload(input_tokens=400, output_tokens=100, concurrency=1, prefix_cache_hit_rate=0.5)
SHARE = st.decimals(0, "0.24", places=4)


def speed(tokens_per_s: float = 1000) -> Estimate:
    return Estimate(
        ttft_s=Interval(0.1, 0.2, 0.4), tpot_s=Interval(0.01, 0.02, 0.04),
        output_tokens_per_s=Interval(tokens_per_s / 2, tokens_per_s, tokens_per_s * 2),
        requests_per_s=tokens_per_s / 100, running_sequences=1.0, prefill_share=0.25, bound_by="compute",
        saturated=False, basis="a test",
    )  # fmt: skip


def test_a_month_by_hand() -> None:
    # 8 USD/h, 730 hours: 5,840 USD. Half busy, a tenth of that retried, a tenth too late: 40 % useful.
    # 1,000 output tokens/s of 100 a request: 36,000 requests an hour, 14,400 of them useful.
    use = Use(
        busy_share=Decimal("0.5"),
        retried=Decimal("0.1"),
        off_slo=Decimal("0.1"),
        requests_per_user_month=Decimal(200),
    )
    load = LOAD.model_copy(update={"visible_output_tokens": 25, "calls_per_task": 5})
    found = unit_economics(speed(), load, Decimal(8), use)
    assert found.month_usd == 5840
    assert found.month_parts_usd == {
        "useful": 2336, "retried": 292, "cancelled": 0, "failed": 0, "off_slo": 292, "idle": 2920,
    }  # fmt: skip
    assert found.useful_requests_per_month == 14_400 * 730
    assert found.fully_loaded.usd_per_request.expected == Decimal("0.000556")  # 8 / 14,400
    assert found.floor.usd_per_request.expected == Decimal("0.000222")  # 8 / 36,000
    assert float(found.economic_utilization) == pytest.approx(0.4, rel=0.01)  # of rounded prices
    assert found.active_users == 14_400 * 730 / Decimal(200)
    assert found.usd_per_user_month is not None
    assert found.usd_per_user_month.expected == Decimal("0.1112")
    visible, task = found.fully_loaded.usd_per_mtok_visible_output, found.fully_loaded.usd_per_task
    assert visible is not None
    assert task is not None
    assert visible.expected == pytest.approx(4 * found.fully_loaded.usd_per_mtok_output.expected)
    assert float(task.expected) == pytest.approx(5 * 8 / 14_400, rel=1e-3)


def test_discount_support_and_fixed_costs_are_in_the_full_cost_only_where_they_belong() -> None:
    terms = NegotiatedTerms(Decimal(25), Decimal(10))
    found = unit_economics(speed(), LOAD, Decimal(8), Use(fixed_usd_per_month=Decimal(1000)), terms=terms)
    assert found.usd_per_hour == Decimal("6.6")  # 8 x 0.75 x 1.1
    assert found.month_usd == Decimal("6.6") * 730 + 1000
    assert found.floor.usd_per_hour == Decimal("6.6")


@given(
    busy=st.decimals("0.01", 1, places=3),
    losses=st.tuples(SHARE, SHARE, SHARE, SHARE),
    cents=st.integers(1, 10**7),
    fixed=st.integers(0, 10**6),
    tokens_per_s=st.floats(1, 1e6),
)
def test_the_parts_sum_to_the_month_and_the_useful_requests_pay_for_it(
    busy: Decimal, losses: tuple[Decimal, ...], cents: int, fixed: int, tokens_per_s: float
) -> None:
    use = Use(busy, *losses, fixed_usd_per_month=Decimal(fixed))
    found = unit_economics(speed(tokens_per_s), LOAD, Decimal(cents) / 100, use)
    assert sum(found.month_parts_usd.values()) == found.month_usd
    assert all(
        part >= 0 and part == part.quantize(Decimal("0.01")) for part in found.month_parts_usd.values()
    )
    paid = found.useful_requests_per_month * found.fully_loaded.usd_per_request.expected
    rounding = found.useful_requests_per_month * Decimal("0.000001")
    assert abs(paid - (Decimal(cents) / 100 * 730 + fixed)) <= rounding
    assert found.fully_loaded.usd_per_request.expected >= found.floor.usd_per_request.expected


@given(
    total=st.decimals("0.01", 10**9, places=6),
    weights=st.lists(st.integers(0, 1000), min_size=1, max_size=9).filter(any),
)
def test_cents_are_neither_lost_nor_made(total: Decimal, weights: list[int]) -> None:
    shares = {str(at): Decimal(weight) / sum(weights) for at, weight in enumerate(weights)}
    found = in_cents(total, shares)
    assert sum(found.values()) == total.quantize(Decimal("0.01"))
    assert all(abs(usd - total * shares[name]) <= Decimal("0.011") for name, usd in found.items())


@given(
    weight=st.floats(0, 1),
    hit=st.floats(0, 0.99),
    inputs=st.integers(1, 100_000),
    outputs=st.integers(1, 10_000),
)
def test_new_cached_and_output_tokens_sum_to_the_request(
    weight: float, hit: float, inputs: int, outputs: int
) -> None:
    load = Workload(input_tokens=inputs, output_tokens=outputs, concurrency=1, prefix_cache_hit_rate=hit)
    cost = unit_cost(speed(), load, Decimal(800), cached_weight=weight)
    assert cost.usd_per_mtok_new_input is not None
    assert cost.usd_per_mtok_cached_input is not None
    share = Decimal(repr(hit))
    request = (
        inputs * (1 - share) * cost.usd_per_mtok_new_input.expected
        + inputs * share * cost.usd_per_mtok_cached_input.expected
        + outputs * cost.usd_per_mtok_output.expected
    ) / 10**6
    rounding = Decimal("0.000001") * (1 + Decimal(inputs + outputs) / 10**6)
    assert abs(request - cost.usd_per_request.expected) <= rounding
    assert cost.usd_per_mtok_cached_input.expected <= cost.usd_per_mtok_new_input.expected


@pytest.mark.parametrize("load", [{"concurrency": 16}, {"request_rate": 1.0}])
def test_a_cached_token_is_a_small_part_of_a_new_one_s_work(load: dict[str, object]) -> None:
    case = Case.read(
        {"model": "meta-llama/Llama-3.3-70B-Instruct", "gpu": "H200 SXM", "weights_dtype": "fp8",
         "input_tokens": 2000, "output_tokens": 400, "prefix_cache_hit_rate": 0.8, **load}
    )  # fmt: skip
    weight = cached_input_weight(case.deployment(), case.workload())
    assert 0 < weight < 0.2
    # The definition: the prompt's busy time at this hit rate over that without a cache.
    if "concurrency" in load:
        with_cache = estimate(case.deployment(), case.workload())
        without = estimate(
            case.deployment(), case.workload().model_copy(update={"prefix_cache_hit_rate": 0.0})
        )
        ratio = (with_cache.prefill_share / with_cache.output_tokens_per_s.expected) / (
            without.prefill_share / without.output_tokens_per_s.expected
        )
        assert 0.2 + 0.8 * weight == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"busy_share": Decimal(0)}, "busy share"),
        ({"busy_share": Decimal("1.1")}, "busy share"),
        ({name: Decimal("0.25") for name in LOSSES}, "something useful"),
        ({"failed": Decimal(-1)}, "something useful"),
        ({"fixed_usd_per_month": Decimal(-1)}, "negative"),
        ({"requests_per_user_month": Decimal(0)}, "active user"),
    ],
)
def test_impossible_use_is_refused(fields: dict[str, Decimal], said: str) -> None:
    with pytest.raises(InferplanError, match=said):
        Use(**fields)


def test_energy_of_eight_h100_in_virginia_is_a_range_with_its_sources() -> None:
    given_power = PowerInputs(idle_w=Decimal(100), usd_per_kwh=Decimal("0.1"))
    found = month_of_energy(catalog.gpu("H100 SXM"), 8, Decimal("0.5"), "aws", "us-east-1", given_power)
    # 8 x (0.5 x 700 + 0.5 x 100) W x 730 h = 2,336 kWh before cooling; AWS states a PUE of 1.14 to 1.15.
    assert found.kwh.low == pytest.approx(2336 * Decimal("1.14"))
    assert found.kwh.high == pytest.approx(2336 * Decimal("1.15"))
    assert found.usd is not None
    assert found.usd.high == pytest.approx(2336 * Decimal("0.115"))
    assert found.kg_co2e is not None
    assert found.kg_co2e.low < found.kg_co2e.high
    assert found.busy_hour_kwh.high == pytest.approx(Decimal("4.8") * Decimal("1.15"))
    basis = dict(found.basis)
    assert "700 W per GPU, its rated power" in basis["Power at load"]
    assert basis["Tariff"] == "0.1 USD/kWh, given"
    assert "Google" in basis["Grid carbon"] or "http" in basis["Grid carbon"]


def test_without_idle_power_the_range_reaches_from_nothing_to_full_power() -> None:
    found = month_of_energy(
        catalog.gpu("H100 SXM"), 1, Decimal("0.5"), "owned", "nowhere", PowerInputs(pue=Decimal(1))
    )
    assert (found.kwh.low, found.kwh.high) == (Decimal("255.5"), Decimal(511))
    assert (found.usd, found.kg_co2e) == (None, None)
