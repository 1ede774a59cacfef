"""Own GPUs beside a hosted API."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferplan.datasets.schema import ApiPrice
from inferplan.planner.hosted_api import beside, usd_per_request
from inferplan.planner.workload import Workload

USD = st.decimals(min_value="0.01", max_value="100", places=3)


def price(input_usd: str, output_usd: str, cached_usd: str | None = None) -> ApiPrice:
    return ApiPrice(
        provider="host",
        model_id="model",
        canonical_model="model",
        input_usd_per_mtok=Decimal(input_usd),
        output_usd_per_mtok=Decimal(output_usd),
        cached_input_usd_per_mtok=None if cached_usd is None else Decimal(cached_usd),
        observed_on=date(2026, 10, 17),
        date_basis="stated",
        source="a price list",
    )


def load(prefix_cache_hit_rate: float = 0.0) -> Workload:
    return Workload(
        input_tokens=2000, output_tokens=400, concurrency=1, prefix_cache_hit_rate=prefix_cache_hit_rate
    )


def test_a_request_costs_its_tokens_at_the_host_s_prices() -> None:
    # 2,000 x 0.10 + 400 x 0.32 USD per million
    assert usd_per_request(price("0.10", "0.32"), load()) == Decimal("0.000328")


@pytest.mark.parametrize(("cached_usd", "expected"), [("0.02", "0.000168"), (None, "0.000328")])
def test_cached_input_has_its_own_price_where_the_host_has_one(cached_usd: str | None, expected: str) -> None:
    assert usd_per_request(price("0.10", "0.32", cached_usd), load(1.0)) == Decimal(expected)


@given(USD, USD, USD)
def test_at_the_break_even_load_an_hour_costs_the_same_in_both_ways(
    input_usd: Decimal, output_usd: Decimal, usd_per_hour: Decimal
) -> None:
    hosted = beside(price(str(input_usd), str(output_usd)), load(), usd_per_hour)
    at_the_host = hosted.break_even_requests_per_s * 3600 * hosted.usd_per_request
    assert at_the_host == pytest.approx(usd_per_hour, rel=Decimal("1e-20"))
