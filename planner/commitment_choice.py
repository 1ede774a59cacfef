"""How many machines to commit to: a demand of requests, one machine's terms, contract and spot together."""

from dataclasses import dataclass
from decimal import Decimal

from inferplan.planner.demand import Demand
from inferplan.planner.economics import HOURS_PER_MONTH
from inferplan.pricing.commitments import Bill, Recommendation, bill, recommend
from inferplan.pricing.conditions import NegotiatedTerms
from inferplan.pricing.machine_terms import MachineTerms, SpotUse, flexible_usd_per_hour, terms

_NO_TERMS, _NO_SPOT = NegotiatedTerms(), SpotUse()
CENT = Decimal("0.01")


@dataclass(frozen=True)
class CommitmentChoice:
    """What each term is good for, over the hours of the demand."""

    sold: MachineTerms
    machines: tuple[Decimal, ...]
    """Wanted in each hour."""
    flexible_usd_per_hour: Decimal
    """Of a machine without a commitment, spot included."""
    uncommitted: Bill
    recommended: tuple[Recommendation, ...]
    """One per term, the cheapest first; empty where the machine is sold without one."""

    def per_month(self, usd: Decimal) -> Decimal:
        """Return an amount over the demand's hours as one of 730 hours, in cents."""
        return (usd * HOURS_PER_MONTH / len(self.machines)).quantize(CENT)


def choose(
    demand: Demand,
    requests_per_machine_hour: Decimal,
    sold: MachineTerms,
    negotiated: NegotiatedTerms = _NO_TERMS,
    spot: SpotUse = _NO_SPOT,
) -> CommitmentChoice:
    """Return the best commitment in each term in which ``sold`` is sold.

    Raises
    ------
    InferplanError
        If a share, a discount or the spot's interruptions are impossible.
    """
    machines = demand.in_units_of(requests_per_machine_hour)
    flexible = flexible_usd_per_hour(sold, negotiated, spot)
    return CommitmentChoice(
        sold=sold,
        machines=machines,
        flexible_usd_per_hour=flexible,
        uncommitted=bill(machines, 0, flexible, flexible),
        recommended=recommend(machines, flexible, terms(sold, negotiated)),
    )
