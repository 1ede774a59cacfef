"""Own GPUs or a hosted API: what a request costs there, and from which load on own GPUs are cheaper."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from inferplan.datasets.schema import ApiPrice
from inferplan.planner.demand import Demand
from inferplan.planner.economics import SECONDS_PER_HOUR
from inferplan.planner.workload import Workload
from inferplan.pricing import hosted


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
    return hosted.request_usd(
        price, workload.input_tokens, workload.output_tokens, workload.prefix_cache_hit_rate
    )


def beside(price: ApiPrice, workload: Workload, usd_per_hour: Decimal) -> HostedRequest:
    """Return a request at a host beside a deployment that costs ``usd_per_hour`` whether it works or not."""
    usd = usd_per_request(price, workload)
    return HostedRequest(price, usd, usd_per_hour / SECONDS_PER_HOUR / usd)


@dataclass(frozen=True)
class HostedChoice:
    """One host beside replicas of one's own over a demand series."""

    price: ApiPrice
    usd_per_request: Decimal
    break_even_requests_per_hour: Decimal | None
    """Load from which one replica is cheaper; ``None`` where the host is cheaper even than a full replica."""
    hybrid: hosted.Hybrid
    """The cheapest number of own replicas with this host serving the rest."""


def choices(
    prices: Iterable[ApiPrice],
    workload: Workload,
    demand: Demand,
    replica_usd_per_hour: Decimal,
    requests_per_replica_hour: Decimal,
) -> tuple[HostedChoice, ...]:
    """Return each host with the cheapest mix of it and own replicas, the cheapest first.

    Parameters
    ----------
    demand
        Requests in each hour.
    requests_per_replica_hour
        What one replica serves at its planned load.

    Raises
    ------
    InferplanError
        If a price or the capacity is not positive.
    """
    found = []
    for price in prices:
        usd = usd_per_request(price, workload)
        hybrid = hosted.cheapest_hybrid(demand.per_hour, replica_usd_per_hour, requests_per_replica_hour, usd)
        even = hosted.break_even_requests_per_hour(replica_usd_per_hour, usd)
        reached = even <= requests_per_replica_hour
        found.append(HostedChoice(price, usd, even if reached else None, hybrid))
    return tuple(sorted(found, key=lambda choice: (choice.hybrid.total_usd, choice.usd_per_request)))


def own_usd_per_hour(
    requests_per_hour: Decimal, replica_usd_per_hour: Decimal, requests_per_replica_hour: Decimal
) -> Decimal:
    """Return what as many whole replicas as the load needs cost.

    >>> own_usd_per_hour(Decimal(1001), Decimal(5), Decimal(1000))
    Decimal('10')
    """
    replicas = (requests_per_hour / requests_per_replica_hour).to_integral_value(ROUND_CEILING)
    return replicas * replica_usd_per_hour
