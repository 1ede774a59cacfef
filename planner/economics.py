"""What served tokens cost: from an hourly price and a throughput to dollars per million tokens.

A deployment that costs C USD per hour and serves R requests per second of I input and O output tokens
spends C / 3600 / R on a request. The GPUs' busy time says how much of it is prompts: with p the share of the
time that prefill takes, a request's input costs p and its output 1 - p of that, so that I tokens at the input
price plus O tokens at the output price are the request's cost exactly.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.planner.performance import Estimate
from inferplan.planner.workload import Workload

SECONDS_PER_HOUR = 3600
HOURS_PER_MONTH = Decimal(730)  # 8,760 hours a year / 12, the month of AWS's pricing calculator
TOKENS_PER_MTOK = 1_000_000
_SIXTH_DECIMAL = Decimal("0.000001")


class UsdInterval(NamedTuple):
    """An amount of money as an 80 % interval."""

    low: Decimal
    expected: Decimal
    high: Decimal


@dataclass(frozen=True)
class UnitCost:
    """USD for served tokens at the estimated load, rounded to a millionth of a dollar."""

    usd_per_hour: Decimal
    """Of the whole deployment."""
    usd_per_mtok_input: UsdInterval
    usd_per_mtok_output: UsdInterval
    usd_per_request: UsdInterval
    tokens_per_usd: UsdInterval
    """Input and output tokens together."""


def unit_cost(
    estimate: Estimate, workload: Workload, usd_per_hour: Decimal, utilization: float = 1.0
) -> UnitCost:
    """Return what tokens cost on a deployment that costs ``usd_per_hour`` in all.

    Parameters
    ----------
    utilization
        Share of the estimated throughput that is really used over the hours paid for (0-1]; a deployment that
        is busy a quarter of the time makes each token four times as dear.

    Raises
    ------
    ValueError
        If ``utilization`` is outside (0, 1] or the price is not positive.
    """
    if not 0 < utilization <= 1:
        msg = f"utilization must be above 0 and at most 1, not {utilization}"
        raise ValueError(msg)
    if usd_per_hour <= 0:
        msg = f"the price must be positive, not {usd_per_hour} USD per hour"
        raise ValueError(msg)
    rate = estimate.output_tokens_per_s.scaled(utilization / workload.output_tokens)
    request = UsdInterval(
        *(usd_per_hour / SECONDS_PER_HOUR / Decimal(repr(rate_per_s)) for rate_per_s in reversed(rate))
    )
    prefill = Decimal(repr(estimate.prefill_share))
    served_tokens = workload.input_tokens + workload.output_tokens
    return UnitCost(
        usd_per_hour=usd_per_hour,
        usd_per_mtok_input=_scaled(request, prefill * TOKENS_PER_MTOK / workload.input_tokens),
        usd_per_mtok_output=_scaled(request, (1 - prefill) * TOKENS_PER_MTOK / workload.output_tokens),
        usd_per_request=_scaled(request, Decimal(1)),
        tokens_per_usd=UsdInterval(*(_rounded(served_tokens / usd) for usd in reversed(request))),
    )


def deployment_usd_per_hour(offer: Offer, gpu: str, gpu_count: int) -> Decimal:
    """Return the USD per hour of a deployment of ``gpu_count`` GPUs on machines of ``offer``.

    Whole machines are paid for. A machine that holds several such deployments is shared by them; GPUs left
    over on it are paid for by those that run.

    Raises
    ------
    InferplanError
        If the offer is of another GPU, has no public price, or is a fraction of a GPU.
    """
    if offer.gpu != gpu:
        msg = f"offer {offer.offer_id} is of {offer.gpu}, the deployment is on {gpu}"
        raise InferplanError(msg)
    if offer.usd_per_hour is None:
        msg = f"offer {offer.offer_id} has no public price: {offer.no_price_reason or 'a quote is needed'}"
        raise InferplanError(msg)
    if offer.gpu_count < 1:
        msg = f"offer {offer.offer_id} is {offer.gpu_count:g} of a GPU; a deployment needs whole ones"
        raise InferplanError(msg)
    gpus_per_machine = int(offer.gpu_count)
    if gpus_per_machine >= gpu_count:
        return offer.usd_per_hour / (gpus_per_machine // gpu_count)
    return offer.usd_per_hour * -(-gpu_count // gpus_per_machine)


def _scaled(interval: UsdInterval, factor: Decimal) -> UsdInterval:
    return UsdInterval(*(_rounded(value * factor) for value in interval))


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_SIXTH_DECIMAL)
