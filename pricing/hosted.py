"""A hosted API instead of own machines, or for the peaks only: break-even and the cheapest mix."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from itertools import repeat

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import ApiPrice
from inferplan.pricing.commitments import Number, checked_demand

TOKENS_PER_MTOK = 1_000_000


def request_usd(
    price: ApiPrice, input_tokens: Number, output_tokens: Number, cached_share: Number = 0
) -> Decimal:
    """Return what a request costs at a host; cached input costs as much as new where no other price is known.

    >>> from inferplan.datasets.catalog import hosted_prices
    >>> groq = next(found for found in hosted_prices("openai/gpt-oss-20b") if found.provider == "groq")
    >>> groq.input_usd_per_mtok, groq.output_usd_per_mtok
    (Decimal('0.075'), Decimal('0.3'))
    >>> request_usd(groq, 2000, 500)
    Decimal('0.0003')
    """
    share = Decimal(str(cached_share))
    if not 0 <= share <= 1:
        msg = f"the share of cached input lies between 0 and 1 (found {share})"
        raise InferplanError(msg)
    cached_price = price.cached_input_usd_per_mtok or price.input_usd_per_mtok
    input_price = share * cached_price + (1 - share) * price.input_usd_per_mtok
    total = Decimal(str(input_tokens)) * input_price + Decimal(str(output_tokens)) * price.output_usd_per_mtok
    return total / TOKENS_PER_MTOK


def break_even_requests_per_hour(own_usd_per_hour: Decimal, api_usd_per_request: Decimal) -> Decimal:
    """Return the requests per hour above which own machines are cheaper than the API.

    >>> break_even_requests_per_hour(Decimal("18.75"), Decimal("0.0032")) == Decimal("5859.375")
    True
    """
    if api_usd_per_request <= 0:
        msg = f"the price of a request must be above 0 (found {api_usd_per_request})"
        raise InferplanError(msg)
    return own_usd_per_hour / api_usd_per_request


@dataclass(frozen=True, slots=True)
class Hybrid:
    """Own replicas for the base load and an API for what exceeds them, over a demand series."""

    replicas: int
    own_usd: Decimal
    api_usd: Decimal
    own_share: Decimal | None
    """Share of the requests that own replicas serve; ``None`` without requests."""
    only_api_usd: Decimal
    only_own_usd: Decimal
    """With as many replicas as the busiest hour needs."""

    @property
    def total_usd(self) -> Decimal:
        """Both parts."""
        return self.own_usd + self.api_usd


def cheapest_hybrid(
    requests_per_hour: Sequence[Number],
    replica_usd_per_hour: Decimal,
    requests_per_replica_hour: Number,
    api_usd_per_request: Decimal,
) -> Hybrid:
    """Return the number of replicas that makes the series cheapest when the API serves the overflow.

    cost(n) = hours x n x replica + API x sum of max(0, requests - n x capacity). Each further replica saves
    less than the one before, so the first that does not pay for its hours ends the search.

    Parameters
    ----------
    requests_per_replica_hour
        What one replica serves within its latency targets.
    """
    hours = checked_demand(requests_per_hour)
    capacity = Decimal(str(requests_per_replica_hour))
    if capacity <= 0 or replica_usd_per_hour <= 0 or api_usd_per_request <= 0:
        msg = (
            f"a replica's capacity and both prices must be above 0 (found {capacity} requests per hour, "
            f"{replica_usd_per_hour} USD per hour, {api_usd_per_request} USD per request)"
        )
        raise InferplanError(msg)
    wanted = sum(hours, Decimal(0))
    most = int((max(hours) / capacity).to_integral_value(ROUND_CEILING))
    replicas, served = 0, Decimal(0)
    while replicas < most:
        more = sum(map(min, hours, repeat((replicas + 1) * capacity)), Decimal(0))
        if (more - served) * api_usd_per_request <= replica_usd_per_hour * len(hours):
            break
        replicas, served = replicas + 1, more
    return Hybrid(
        replicas=replicas,
        own_usd=replicas * replica_usd_per_hour * len(hours),
        api_usd=(wanted - served) * api_usd_per_request,
        own_share=served / wanted if wanted else None,
        only_api_usd=wanted * api_usd_per_request,
        only_own_usd=most * replica_usd_per_hour * len(hours),
    )
