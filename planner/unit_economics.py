"""What a useful token costs at the load that there really is, and where the rest of the money goes.

A deployment is paid for all hours. At full load it could serve so many tokens; ``busy_share`` says how
much of that is served, and the losses say how much of what is served was for nothing. So the useful share of
the paid capacity is busy x (1 - retried - cancelled - failed - too late), and everything paid, divided by the
useful tokens, is what a useful token costs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from inferplan.datasets.errors import InferplanError
from inferplan.planner.economics import HOURS_PER_MONTH, SECONDS_PER_HOUR, UnitCost, UsdInterval, unit_cost
from inferplan.planner.performance import Estimate
from inferplan.planner.workload import Workload
from inferplan.pricing.conditions import NegotiatedTerms

CENT = Decimal("0.01")
LOSSES = ("retried", "cancelled", "failed", "off_slo")
PARTS = ("useful", *LOSSES, "idle")
_NO_TERMS = NegotiatedTerms()


@dataclass(frozen=True)
class Use:
    """How a deployment is used; the losses are shares of the served tokens and do not overlap."""

    busy_share: Decimal = Decimal(1)
    """Served tokens as a share of what full load would serve (0-1], over all paid hours."""
    retried: Decimal = Decimal(0)
    """Sent again by a client, so that the first answer was for nothing."""
    cancelled: Decimal = Decimal(0)
    """Of streams that the user left."""
    failed: Decimal = Decimal(0)
    """Of requests that ended with an error."""
    off_slo: Decimal = Decimal(0)
    """Later than the latency target."""
    requests_per_user_month: Decimal | None = None
    """Useful requests of one active user; ``None`` where it is not known."""
    fixed_usd_per_month: Decimal = Decimal(0)
    """What is paid beside machines: staff, storage, traffic, software."""

    def __post_init__(self) -> None:
        """Refuse shares that cannot be."""
        losses = {name: getattr(self, name) for name in LOSSES}
        if not 0 < self.busy_share <= 1:
            msg = f"the busy share must be above 0 and at most 1 (found {self.busy_share})"
            raise InferplanError(msg)
        if min(losses.values()) < 0 or sum(losses.values()) >= 1:
            said = ", ".join(f"{name} {share}" for name, share in losses.items())
            msg = f"losses are shares of the served tokens and must leave something useful (found {said})"
            raise InferplanError(msg)
        if self.fixed_usd_per_month < 0:
            msg = "fixed costs cannot be negative"
            raise InferplanError(msg)
        if self.requests_per_user_month is not None and self.requests_per_user_month <= 0:
            msg = f"an active user sends more than {self.requests_per_user_month} requests a month"
            raise InferplanError(msg)

    @property
    def useful_share(self) -> Decimal:
        """Useful tokens as a share of what full load would serve: the economic utilization."""
        return self.busy_share * self.useful_of_served

    @property
    def useful_of_served(self) -> Decimal:
        """Served tokens that are useful, as a share."""
        return 1 - sum((getattr(self, name) for name in LOSSES), Decimal(0))

    def parts(self) -> dict[str, Decimal]:
        """Return the shares of the paid capacity by ``PARTS``, which sum to 1."""
        lost = {name: self.busy_share * getattr(self, name) for name in LOSSES}
        return {"useful": self.useful_share, **lost, "idle": 1 - self.busy_share}


@dataclass(frozen=True)
class UnitEconomics:
    """Costs of tokens at three depths, and the month's money by what became of it."""

    list_usd_per_hour: Decimal
    usd_per_hour: Decimal
    """After negotiated discounts and support."""
    floor: UnitCost
    """At full load with every token useful: also what the next replica's tokens cost."""
    fully_loaded: UnitCost
    """What a useful token costs, everything paid included."""
    month_usd: Decimal
    """Machines and what is paid beside them over 730 hours, in cents."""
    month_parts_usd: Mapping[str, Decimal]
    """By ``PARTS``, in cents; they sum to ``month_usd``."""
    useful_requests_per_month: Decimal
    usd_per_user_month: UsdInterval | None
    """Per active user; ``None`` where their requests are not known."""
    active_users: Decimal | None
    """Whom the useful requests are enough for."""

    @property
    def economic_utilization(self) -> Decimal:
        """Floor over what a useful token really costs."""
        return self.floor.usd_per_request.expected / self.fully_loaded.usd_per_request.expected


def unit_economics(
    estimate: Estimate,
    workload: Workload,
    list_usd_per_hour: Decimal,
    use: Use,
    *,
    terms: NegotiatedTerms = _NO_TERMS,
    cached_weight: float | None = None,
) -> UnitEconomics:
    """Return what tokens of a deployment cost at full load and as it is really used.

    Parameters
    ----------
    estimate
        Of the whole deployment at full load.
    list_usd_per_hour
        Of the whole deployment.
    cached_weight
        As in ``unit_cost``.

    Raises
    ------
    InferplanError
        If the negotiated terms are impossible.
    """
    usd_per_hour = terms.applied_to(list_usd_per_hour)
    month = usd_per_hour * HOURS_PER_MONTH + use.fixed_usd_per_month
    floor = unit_cost(estimate, workload, usd_per_hour, cached_weight=cached_weight)
    loaded = unit_cost(
        estimate, workload, month / HOURS_PER_MONTH, float(use.useful_share), cached_weight=cached_weight
    )
    requests_per_hour = (
        Decimal(repr(estimate.output_tokens_per_s.expected)) * SECONDS_PER_HOUR / workload.output_tokens
    )
    useful_requests = requests_per_hour * HOURS_PER_MONTH * use.useful_share
    per_user = use.requests_per_user_month
    return UnitEconomics(
        list_usd_per_hour=list_usd_per_hour,
        usd_per_hour=usd_per_hour,
        floor=floor,
        fully_loaded=loaded,
        month_usd=month.quantize(CENT),
        month_parts_usd=in_cents(month, use.parts()),
        useful_requests_per_month=useful_requests,
        usd_per_user_month=None if per_user is None else times(loaded.usd_per_request, per_user),
        active_users=None if per_user is None else useful_requests / per_user,
    )


def times(amount: UsdInterval, factor: Decimal) -> UsdInterval:
    """Return the interval with each end times ``factor``."""
    return UsdInterval(*(end * factor for end in amount))


def in_cents(total_usd: Decimal, shares: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return ``total_usd`` divided by ``shares`` (which sum to 1) into whole cents that sum to its cents.

    Cents left over by rounding down go to the largest remainders.

    >>> in_cents(Decimal("100"), {"a": Decimal(1) / 3, "b": Decimal(1) / 3, "c": Decimal(1) / 3})
    {'a': Decimal('33.34'), 'b': Decimal('33.33'), 'c': Decimal('33.33')}
    """
    exact = {name: total_usd * share for name, share in shares.items()}
    cents = {name: usd.quantize(CENT, ROUND_FLOOR) for name, usd in exact.items()}
    left = int((total_usd.quantize(CENT) - sum(cents.values(), Decimal(0))) / CENT)
    for name in sorted(exact, key=lambda name: cents[name] - exact[name])[:left]:
        cents[name] += CENT
    return cents
