"""From quotes to offers: what is accepted, what is refused and why; nothing is dropped in silence."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal

from pydantic import ValidationError

from inferplan.datasets import catalog
from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.schema import Offer
from inferplan.pricing.bounds import bounds
from inferplan.pricing.source import Quote


@dataclass(frozen=True, slots=True)
class Refusal:
    """A quote that does not count, and the reason."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Accepted offers, refused quotes and plain repetitions."""

    offers: tuple[Offer, ...]
    refused: tuple[Refusal, ...]
    duplicates: tuple[Refusal, ...]
    refused_offer_ids: frozenset[str]
    """Offers that are still sold although their quote was refused."""


def check(quotes: Iterable[Quote]) -> Checked:
    """Return which of ``quotes`` count: known accelerator, credible price, one price per offer and day."""
    refused: list[Refusal] = []
    still_sold: set[str] = set()
    by_key: defaultdict[tuple[str, object], list[tuple[str, Offer]]] = defaultdict(list)
    for quote in quotes:
        where = quote.where or f"{quote.provider} {quote.instance_type} {quote.region}"
        checked = _check_one(quote)
        if isinstance(checked, Offer):
            by_key[checked.offer_id, checked.observed_on].append((where, checked))
        else:
            refused.append(Refusal(where, checked))
            still_sold.add(_probable_offer_id(quote))
    offers: list[Offer] = []
    duplicates: list[Refusal] = []
    for same in by_key.values():
        prices = {offer.usd_per_hour for _, offer in same}
        if len(prices) == 1:
            offers.append(same[0][1])
            duplicates += [Refusal(where, f"repeats {same[0][0]}") for where, _ in same[1:]]
        else:
            listed = " and ".join(sorted(str(price) for price in prices))
            reason = f"has several prices on one day ({listed} USD per hour): which one counts is not said"
            refused += [Refusal(where, reason) for where, _ in same]
            still_sold.add(same[0][1].offer_id)
    return Checked(tuple(offers), tuple(refused), tuple(duplicates), frozenset(still_sold))


def _check_one(quote: Quote) -> Offer | str:
    """Return the offer that ``quote`` is, or why it is none."""
    try:
        gpu = catalog.gpu(quote.gpu)
    except UnknownNameError as error:
        return f"{error} Add the accelerator or an alias to gpus.csv to use this price."
    if quote.usd_per_hour is not None:
        reason = _not_credible(quote, gpu.name, quote.usd_per_hour)
        if reason:
            return reason
    fields = asdict(quote)
    del fields["where"]
    try:
        return Offer.model_validate({**fields, "gpu": gpu.name})
    except ValidationError as error:
        return "; ".join(
            f"{'.'.join(map(str, found['loc'])) or 'price'}: {found['msg'].removeprefix('Value error, ')}"
            for found in error.errors()
        )


def _not_credible(quote: Quote, gpu: str, usd_per_hour: Decimal) -> str | None:
    """Return why the price cannot be right, ``None`` when it can."""
    if not usd_per_hour.is_finite():
        return f"the price is {usd_per_hour}, which is no number"
    if usd_per_hour == 0:
        return "the price is 0, which means that none is known"
    if usd_per_hour < 0:
        return f"the price is negative: {usd_per_hour}"
    if quote.gpu_count <= 0:
        return f"the number of accelerators is {quote.gpu_count:g}"
    per_gpu = usd_per_hour / Decimal(str(quote.gpu_count))
    low, high, basis = bounds(gpu, quote.purchase_option)
    if low <= per_gpu <= high:
        return None
    return (
        f"{per_gpu:.4f} USD per {gpu} and hour is outside of {low:.4f} to {high:.2f} ({basis}); "
        "check the unit and the number of accelerators"
    )


def _probable_offer_id(quote: Quote) -> str:
    return "/".join(
        (quote.provider, quote.instance_type, quote.region, quote.purchase_option, _catalog_name(quote.gpu))
    )


def _catalog_name(gpu: str) -> str:
    found = catalog.gpu_by_driver_name(gpu)
    return gpu if found is None else found.name
