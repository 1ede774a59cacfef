"""What served tokens cost: from an hourly price and a throughput to dollars per million tokens.

A deployment that costs C USD per hour and serves R requests per second of I input and O output tokens
spends C / 3600 / R on a request. The GPUs' busy time says how much of it is prompts: with p the share of the
time that prefill takes, a request's input costs p and its output 1 - p of that, so that I tokens at the input
price plus O tokens at the output price are the request's cost exactly.

Prompt tokens found in the prefix cache take less of p than new ones. With w the work of a cached token as a
share of a new one's (``cached_input_weight``) and h the share of cached ones, a new token's price is that of
the average input token / (1 - h + h w), and a cached one's w times that.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.planner.deployment import Deployment
from inferplan.planner.performance import Estimate, estimate
from inferplan.planner.workload import Workload

SECONDS_PER_HOUR = 3600
HOURS_PER_MONTH = Decimal(730)  # 8,760 hours a year / 12, the month of AWS's pricing calculator
TOKENS_PER_MTOK = 1_000_000
_SIXTH_DECIMAL = Decimal("0.000001")
_PROBE_SHARE = 0.5
"""Share of the prompt taken as cached to find a cached token's work when the workload has none."""


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
    """On average over new and cached input."""
    usd_per_mtok_output: UsdInterval
    usd_per_request: UsdInterval
    tokens_per_usd: UsdInterval
    """Input and output tokens together."""
    usd_per_mtok_new_input: UsdInterval | None = None
    usd_per_mtok_cached_input: UsdInterval | None = None
    """``None`` where it was not asked how much less work a cached token is."""
    usd_per_mtok_visible_output: UsdInterval | None = None
    """Of the tokens after the reasoning, which bear its cost; ``None`` without reasoning."""
    usd_per_task: UsdInterval | None = None
    """Of all calls of a task; ``None`` where a request is one by itself."""


def unit_cost(
    found: Estimate,
    workload: Workload,
    usd_per_hour: Decimal,
    utilization: float = 1.0,
    cached_weight: float | None = None,
) -> UnitCost:
    """Return what tokens cost on a deployment that costs ``usd_per_hour`` in all.

    Parameters
    ----------
    utilization
        Share of the estimated throughput that is really used over the hours paid for (0-1]; a deployment that
        is busy a quarter of the time makes each token four times as dear.
    cached_weight
        Work of an input token found in the prefix cache as a share of a new one's (0-1), to price them apart.

    Raises
    ------
    ValueError
        If ``utilization`` is outside (0, 1], ``cached_weight`` outside [0, 1] or the price is not positive.
    """
    if not 0 < utilization <= 1:
        msg = f"utilization must be above 0 and at most 1, not {utilization}"
        raise ValueError(msg)
    if usd_per_hour <= 0:
        msg = f"the price must be positive, not {usd_per_hour} USD per hour"
        raise ValueError(msg)
    if cached_weight is not None and not 0 <= cached_weight <= 1:
        msg = f"a cached token's work must be 0 to 1 of a new one's, not {cached_weight}"
        raise ValueError(msg)
    rate = found.output_tokens_per_s.scaled(utilization / workload.output_tokens)
    request = UsdInterval(
        *(usd_per_hour / SECONDS_PER_HOUR / Decimal(repr(rate_per_s)) for rate_per_s in reversed(rate))
    )
    prefill = Decimal(repr(found.prefill_share))
    per_input = prefill * TOKENS_PER_MTOK / workload.input_tokens
    new, cached = _new_and_cached(request, per_input, workload.prefix_cache_hit_rate, cached_weight)
    served_tokens = workload.input_tokens + workload.output_tokens
    per_output = (1 - prefill) * TOKENS_PER_MTOK
    visible, calls = workload.visible_output_tokens, workload.calls_per_task
    return UnitCost(
        usd_per_hour=usd_per_hour,
        usd_per_mtok_input=_scaled(request, per_input),
        usd_per_mtok_output=_scaled(request, per_output / workload.output_tokens),
        usd_per_request=_scaled(request, Decimal(1)),
        tokens_per_usd=UsdInterval(*(_rounded(served_tokens / usd) for usd in reversed(request))),
        usd_per_mtok_new_input=new,
        usd_per_mtok_cached_input=cached,
        usd_per_mtok_visible_output=_scaled(request, per_output / visible) if visible else None,
        usd_per_task=_scaled(request, Decimal(calls)) if calls > 1 else None,
    )


def cached_input_weight(deployment: Deployment, workload: Workload) -> float:
    """Return the work of an input token found in the prefix cache as a share of a new one's (0-1).

    Both come from the estimate: T(h), the busy time that one request's prompt takes when the share h of it is
    cached, is T(0) (1 - h + h w), so w = (T(h) / T(0) - 1 + h) / h.
    """
    share = workload.prefix_cache_hit_rate or _PROBE_SHARE
    load: dict[str, object] = {}
    if workload.concurrency is None:  # at a fixed rate the GPUs' busy time changes, not the throughput
        running = estimate(deployment, workload).running_sequences
        load = {"concurrency": max(1, round(running)), "request_rate_per_s": None}

    def prompt_s(cached_share: float) -> float:
        asked = workload.model_copy(update={"prefix_cache_hit_rate": cached_share, **load})
        found = estimate(deployment, asked)
        return found.prefill_share / found.output_tokens_per_s.expected

    weight = (prompt_s(share) / prompt_s(0.0) - 1 + share) / share
    return min(1.0, max(0.0, weight))


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


def _new_and_cached(
    request: UsdInterval, per_input: Decimal, hit_rate: float, cached_weight: float | None
) -> tuple[UsdInterval, UsdInterval] | tuple[None, None]:
    if cached_weight is None:
        return None, None
    weight, hit = Decimal(repr(cached_weight)), Decimal(repr(hit_rate))
    work = 1 - hit + hit * weight
    if not work:  # everything is found in the cache and costs nothing there
        return None, None
    return _scaled(request, per_input / work), _scaled(request, per_input * weight / work)


def _scaled(interval: UsdInterval, factor: Decimal) -> UsdInterval:
    return UsdInterval(*(_rounded(value * factor) for value in interval))


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_SIXTH_DECIMAL)
