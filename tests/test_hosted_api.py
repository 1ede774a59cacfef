"""Own machines, a hosted API or both: against brute force and against the hosts' own arithmetic."""

import random
from decimal import Decimal

import pytest

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.pricing.hosted import break_even_requests_per_hour, cheapest_hybrid, request_usd


@pytest.mark.parametrize("seed", range(60))
def test_the_hybrid_is_the_cheapest_of_all_replica_counts(seed: int) -> None:
    drawn = random.Random(seed)
    demand = [drawn.choice((0, drawn.randint(0, 5000), drawn.randint(0, 20000))) for _ in range(48)]
    replica, api = Decimal(drawn.randint(1, 30)), Decimal(drawn.randint(1, 90)) / 10_000
    capacity = drawn.choice((700, 1000, 3333))

    def cost(replicas: int) -> Decimal:
        spilled = sum(max(0, requests - replicas * capacity) for requests in demand)
        return replicas * replica * len(demand) + spilled * api

    found = cheapest_hybrid(demand, replica, capacity, api)
    assert found.total_usd == min(cost(replicas) for replicas in range(35))
    assert found.total_usd <= min(found.only_api_usd, found.only_own_usd)
    assert found.only_api_usd == cost(0)


def test_cached_input_is_charged_at_its_own_price() -> None:
    [price] = [
        found for found in catalog.api_prices() if (found.provider, found.model_id) == ("openai", "gpt-6-sol")
    ]  # 2 in, 0.2 cached, 10 out
    assert request_usd(price, 10_000, 1_000) == Decimal("0.03")
    assert request_usd(price, 10_000, 1_000, cached_share=Decimal("0.5")) == Decimal("0.021")
    with pytest.raises(InferplanError, match="between 0 and 1"):
        request_usd(price, 1, 1, cached_share=2)


def test_at_the_break_even_both_cost_the_same() -> None:
    own, api = Decimal("55.04"), Decimal("0.0043")
    requests = break_even_requests_per_hour(own, api)
    assert (requests * api).quantize(Decimal("1e-12")) == own
    with pytest.raises(InferplanError, match="above 0"):
        break_even_requests_per_hour(own, Decimal(0))


def test_hosts_of_one_model_are_told_apart() -> None:
    prices = catalog.hosted_prices("gpt-oss-120b")
    assert len({price.provider for price in prices}) >= 8
    dearest, cheapest = (pick(request_usd(price, 3000, 1000) for price in prices) for pick in (max, min))
    assert dearest / cheapest > 4, "never 'the API price' without naming the host"
    assert catalog.hosted_prices("facebook/opt-175b") == ()
