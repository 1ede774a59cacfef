"""Unit costs add up to the bill, and whole machines are paid for."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.planner.economics import deployment_usd_per_hour, unit_cost
from inferplan.planner.interval import Interval
from inferplan.planner.performance import Estimate
from inferplan.planner.workload import Workload


def an_estimate(tokens_per_s: float, prefill_share: float = 0.25) -> Estimate:
    return Estimate(
        ttft_s=Interval(0.1, 0.2, 0.4),
        tpot_s=Interval(0.01, 0.02, 0.04),
        output_tokens_per_s=Interval(tokens_per_s / 2, tokens_per_s, tokens_per_s * 2),
        requests_per_s=1.0,
        running_sequences=1.0,
        prefill_share=prefill_share,
        bound_by="compute",
        saturated=False,
        basis="a test",
    )


def an_offer(gpu_count: float, usd_per_hour: str | None) -> Offer:
    return Offer(
        provider="p", instance_type="t", gpu="H100 SXM", gpu_count=gpu_count, region="r",
        purchase_option="on_demand", usd_per_hour=None if usd_per_hour is None else Decimal(usd_per_hour),
        observed_on=date(2026, 11, 1), date_basis="test", source="test",
        no_price_reason="a quote is needed" if usd_per_hour is None else None,
    )  # fmt: skip


def test_unit_cost_by_hand() -> None:
    # 8 USD/h at 1,000 output tokens/s and 100 per request: 36,000 requests an hour, 0.000222 USD each.
    # A quarter goes to 400 input tokens: 0.0000556/400 = 0.13889 USD per million; three quarters to 100
    # output tokens: 0.00016667/100 = 1.66667 USD per million.
    workload = Workload(input_tokens=400, output_tokens=100, concurrency=1)
    cost = unit_cost(an_estimate(1000), workload, Decimal(8))
    assert cost.usd_per_mtok_input.expected == Decimal("0.138889")
    assert cost.usd_per_mtok_output.expected == Decimal("1.666667")
    assert cost.usd_per_mtok_output.low == Decimal("0.833333")  # twice the throughput
    assert cost.usd_per_mtok_output.high == Decimal("3.333333")
    assert cost.tokens_per_usd.expected == Decimal(36_000 * 500) / 8


def test_a_quarter_of_the_utilization_makes_tokens_four_times_as_dear() -> None:
    workload = Workload(input_tokens=400, output_tokens=100, concurrency=1)
    full = unit_cost(an_estimate(1000), workload, Decimal(8))
    quarter = unit_cost(an_estimate(1000), workload, Decimal(8), utilization=0.25)
    assert float(quarter.usd_per_request.expected) == pytest.approx(
        4 * float(full.usd_per_request.expected), abs=1e-5
    )


@given(
    tokens_per_s=st.floats(1, 1e6),
    share=st.floats(0.001, 0.999),
    inputs=st.integers(1, 200_000),
    outputs=st.integers(1, 50_000),
    cents=st.integers(1, 10**7),
)
def test_input_and_output_sum_to_the_hour(
    tokens_per_s: float, share: float, inputs: int, outputs: int, cents: int
) -> None:
    usd_per_hour = Decimal(cents) / 100
    workload = Workload(input_tokens=inputs, output_tokens=outputs, concurrency=1)
    cost = unit_cost(an_estimate(tokens_per_s, share), workload, usd_per_hour)
    per_request = (
        cost.usd_per_mtok_input.expected * inputs + cost.usd_per_mtok_output.expected * outputs
    ) / 10**6
    requests_per_hour = Decimal(repr(tokens_per_s)) / outputs * 3600
    rounding = Decimal("0.000001") * (inputs + outputs) / 10**6 * requests_per_hour
    assert abs(per_request * requests_per_hour - usd_per_hour) <= rounding


@pytest.mark.parametrize(
    ("machine_gpus", "needed", "expected"),
    [(8, 8, "80"), (8, 4, "40"), (8, 3, "40"), (8, 5, "80"), (1, 4, "320"), (8, 16, "160")],
)
def test_whole_machines_are_paid_for(machine_gpus: int, needed: int, expected: str) -> None:
    assert deployment_usd_per_hour(an_offer(machine_gpus, "80"), "H100 SXM", needed) == Decimal(expected)


@pytest.mark.parametrize(
    ("offer", "gpu", "said"),
    [
        (an_offer(8, None), "H100 SXM", "a quote is needed"),
        (an_offer(0.5, "1"), "H100 SXM", "0.5 of a GPU"),
        (an_offer(8, "80"), "L4", "is of H100 SXM"),
    ],
)
def test_an_offer_that_cannot_price_a_deployment_says_why(offer: Offer, gpu: str, said: str) -> None:
    with pytest.raises(InferplanError, match=said):
        deployment_usd_per_hour(offer, gpu, 8)
