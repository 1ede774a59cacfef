"""How many machines to commit to: a demand of requests, one machine's terms, contract and spot together."""

from dataclasses import dataclass, replace
from decimal import Decimal

from inferplan.datasets.schema import Offer
from inferplan.planner.demand import Demand
from inferplan.planner.economics import HOURS_PER_MONTH
from inferplan.pricing.commitment_layers import LayeredMix, layered_mix
from inferplan.pricing.commitments import Bill, Recommendation, bill, recommend
from inferplan.pricing.conditions import NegotiatedTerms
from inferplan.pricing.machine_terms import FlexibleHour, MachineTerms, SpotUse, flexible_hour, terms

_NO_TERMS, _NO_SPOT = NegotiatedTerms(), SpotUse()
CENT = Decimal("0.01")
EVEN_CHANCE = Decimal("0.5")


@dataclass(frozen=True)
class MixPart:
    """Machines bought in one way."""

    offer: Offer
    machines: Decimal
    """Under a commitment, or the average over the hours of what is bought by the hour."""
    usd_per_hour: Decimal
    """Of a machine, contract and the waste of interruptions included."""
    usd_per_month: Decimal
    """In cents; the parts sum to the mix."""
    share_of_demand: Decimal
    """That it serves, 0-1."""


@dataclass(frozen=True)
class CommitmentChoice:
    """What each term is good for, over the hours of the demand, and the best mix of them."""

    sold: MachineTerms
    machines: tuple[Decimal, ...]
    """Wanted in each hour."""
    flexible: FlexibleHour
    """A machine without a commitment, spot included."""
    uncommitted: Bill
    mix: LayeredMix
    recommended: tuple[Recommendation, ...]
    """Each term alone, the cheapest first; empty where the machine is sold without one."""

    def per_month(self, usd: Decimal) -> Decimal:
        """Return an amount over the demand's hours as one of 730 hours, in cents."""
        return (usd * HOURS_PER_MONTH / len(self.machines)).quantize(CENT)

    def offer(self, purchase_option: str) -> Offer:
        """Return the machine as it is sold under ``purchase_option``."""
        return next(offer for offer in self.sold.committed if offer.purchase_option == purchase_option)

    def parts(self) -> tuple[MixPart, ...]:
        """Return the mix from the longest term to what is bought by the hour; dollars sum to the cent."""
        found, below, hours = [], Decimal(0), len(self.machines)
        wanted = sum(self.machines, Decimal(0))
        for layer in self.mix.layers:
            top = below + layer.machines
            served = sum((min(hour, top) - min(hour, below) for hour in self.machines), Decimal(0))
            price = layer.term.usd_per_hour
            found.append(
                MixPart(self.offer(layer.term.name), Decimal(layer.machines), price,
                        self.per_month(layer.machines * price * hours), served / wanted)
            )  # fmt: skip
            below = top
        left = sum((max(Decimal(0), hour - below) for hour in self.machines), Decimal(0))
        spot, share = self.sold.spot, self.flexible.spot_share
        if spot is not None and self.flexible.spot_usd is not None and share:
            found.append(self._by_the_hour(spot, left * share, self.flexible.spot_usd))
        rest = self.per_month(self.mix.bill.total_usd) - sum((one.usd_per_month for one in found), Decimal(0))
        on_demand = self._by_the_hour(self.sold.on_demand, left * (1 - share), self.flexible.on_demand_usd)
        return (*found, replace(on_demand, usd_per_month=rest))

    def _by_the_hour(self, offer: Offer, hours: Decimal, usd_per_hour: Decimal) -> MixPart:
        wanted = sum(self.machines, Decimal(0))
        usd = self.per_month(hours * usd_per_hour)
        return MixPart(offer, hours / len(self.machines), usd_per_hour, usd, hours / wanted)


def choose(
    demand: Demand,
    requests_per_machine_hour: Decimal,
    sold: MachineTerms,
    negotiated: NegotiatedTerms = _NO_TERMS,
    spot: SpotUse = _NO_SPOT,
    chance_of_fall: Decimal = EVEN_CHANCE,
) -> CommitmentChoice:
    """Return the best mix of the terms in which ``sold`` is sold, and the best commitment in each of them.

    Raises
    ------
    InferplanError
        If a share, a chance, a discount or the spot's interruptions are impossible.
    """
    machines = demand.in_units_of(requests_per_machine_hour)
    flexible = flexible_hour(sold, negotiated, spot)
    offered = terms(sold, negotiated)
    return CommitmentChoice(
        sold=sold,
        machines=machines,
        flexible=flexible,
        uncommitted=bill(machines, 0, flexible.usd, flexible.usd),
        mix=layered_mix(machines, flexible.usd, offered, chance_of_fall),
        recommended=recommend(machines, flexible.usd, offered),
    )
