"""What a case's deployment costs by the hour, and where that price comes from."""

from decimal import Decimal
from typing import NamedTuple

from inferplan.datasets.schema import Offer
from inferplan.planner.case import Case
from inferplan.planner.deployment import Deployment
from inferplan.planner.economics import deployment_usd_per_hour


class CasePrice(NamedTuple):
    """A price with its origin, or no price with the reason."""

    usd_per_hour: Decimal | None
    """Of the whole deployment, at list."""
    basis: str
    """The price with its date and source, as it must stand beside every figure made of it."""


def case_price(case: Case, deployment: Deployment, offer: Offer | None) -> CasePrice:
    """Return the price of ``deployment``: that of ``offer``, else the one per GPU-hour that the case gives.

    Raises
    ------
    InferplanError
        If the offer is of another GPU, has no public price, or is a fraction of a GPU.
    """
    if offer is not None:
        usd_per_hour = deployment_usd_per_hour(offer, deployment.gpu.name, deployment.gpu_count)
        return CasePrice(usd_per_hour, f"{offer.offer_id}: {price_text(offer)}")
    if case.usd_per_gpu_hour is not None:
        per_gpu = Decimal(repr(case.usd_per_gpu_hour))
        return CasePrice(per_gpu * deployment.gpu_count, f"{per_gpu} USD per GPU-hour, as given")
    return CasePrice(None, f"no price: choose an offer of {deployment.gpu.name} or give a price per GPU-hour")


def price_text(offer: Offer) -> str:
    """Return a price with what it covers, its date and source."""
    price = f"{offer.usd_per_hour:f} USD per hour" if offer.usd_per_hour else f"none: {offer.no_price_reason}"
    covers = "" if offer.price_covers == "machine" else f", {offer.price_covers.replace('_', ' ')}"
    return (
        f"{price} for {offer.gpu_count:g} x {offer.gpu}{covers}, seen {offer.observed_on} in {offer.source}"
    )
