"""Own GPUs or a hosted API: what a request costs there, and from which load on own GPUs are cheaper."""

from dataclasses import dataclass
from decimal import Decimal

from inferplan.datasets.schema import ApiPrice
from inferplan.planner.economics import SECONDS_PER_HOUR, TOKENS_PER_MTOK
from inferplan.planner.workload import Workload


@dataclass(frozen=True)
class HostedRequest:
    """One request at a host, beside a deployment of one's own."""

    price: ApiPrice
    usd_per_request: Decimal
    break_even_requests_per_s: Decimal
    """Load at which the deployment's hours cost as much as the requests would at the host."""


def usd_per_request(price: ApiPrice, workload: Workload) -> Decimal:
    """Return what a host charges for one request of ``workload``, in USD.

    Prompt tokens found in the prefix cache cost the host's price of cached input, where it has one.

    >>> from inferplan.datasets import catalog
    >>> price = next(known for known in catalog.api_prices() if known.provider == "openai")
    >>> price.input_usd_per_mtok, price.output_usd_per_mtok
    (Decimal('10'), Decimal('50'))
    >>> usd_per_request(price, Workload(input_tokens=2000, output_tokens=400, concurrency=1))
    Decimal('0.04')
    """
    cached_price = price.cached_input_usd_per_mtok or price.input_usd_per_mtok
    cached = Decimal(repr(workload.prefix_cache_hit_rate))
    input_price = price.input_usd_per_mtok * (1 - cached) + cached_price * cached
    usd = workload.input_tokens * input_price + workload.output_tokens * price.output_usd_per_mtok
    return usd.normalize() / TOKENS_PER_MTOK


def beside(price: ApiPrice, workload: Workload, usd_per_hour: Decimal) -> HostedRequest:
    """Return a request at a host beside a deployment that costs ``usd_per_hour`` whether it works or not."""
    usd = usd_per_request(price, workload)
    return HostedRequest(price, usd, usd_per_hour / SECONDS_PER_HOUR / usd)
