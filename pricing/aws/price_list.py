"""Entries of the AWS Price List, read as quotes: on demand and reserved."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from inferplan.pricing.aws.instances import base_quote, gpu_of
from inferplan.pricing.money import trimmed
from inferplan.pricing.source import Quote, readable

# What a plain Linux machine on shared hardware is; each value keeps another kind of row out.
WANTED: Mapping[str, str] = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}
HOURS_PER_YEAR = 8760
_YEARS = {"1yr": 1, "3yr": 3}
_SHOWN = Decimal("0.0000000001")


def quotes(entries: Iterable[str], region: str, left_out: Counter[str]) -> Iterator[Quote]:
    """Yield the quotes of price-list ``entries`` (JSON text each); count other rows in ``left_out``.

    Raises
    ------
    SourceAnswerError
        For an entry that is cut off or lacks what every entry has.
    """
    for entry in entries:
        with readable(f"An entry of AWS's price list ({str(entry)[:80]!r}...)"):
            product = json.loads(entry)
            attributes = product["product"]["attributes"]
            found = tuple(_of_product(product, attributes, region, left_out))
        yield from found


def _of_product(
    product: Mapping[str, Any],
    attributes: Mapping[str, str],
    region: str,
    left_out: Counter[str],
) -> Iterator[Quote]:
    instance_type = attributes["instanceType"]
    has_gpu = attributes.get("gpu", "NA") not in ("NA", "0", "")
    if gpu_of(instance_type) is None and not has_gpu:
        left_out["without accelerator"] += 1
        return
    # The service is asked with these filters; that it obeyed is checked on what it returned.
    expected = {**WANTED, "regionCode": region}
    other = {name: attributes.get(name) for name, value in expected.items() if attributes.get(name) != value}
    if other:
        left_out[", ".join(f"{name} {value}" for name, value in other.items())] += 1
        return
    base = _base_quote(attributes, region)
    terms = product["terms"]
    on_demand: list[tuple[Any, Mapping[str, str]]] = [
        (term, {}) for term in terms.get("OnDemand", {}).values()
    ]
    reserved = [(term, term["termAttributes"]) for term in terms.get("Reserved", {}).values()]
    for term, conditions in (*on_demand, *reserved):
        unknown = _not_understood(term, conditions)
        if unknown:
            left_out[unknown] += 1
            continue
        option, note = _reserved(conditions) if conditions else ("on_demand", "")
        years = _YEARS[conditions["LeaseContractLength"]] if conditions else None
        since = f"asked on the day; in effect since {str(term['effectiveDate'])[:10]}"
        yield _priced(base, option, _hourly(term, years), since, note)


def _not_understood(term: Mapping[str, Any], conditions: Mapping[str, str]) -> str | None:
    """Return what a ``term`` is sold by that we do not know, ``None`` for hours and fees in USD.

    A new kind of term is no reason to go without the prices beside it.
    """
    length = conditions.get("LeaseContractLength")
    if length is not None and length not in _YEARS:
        return f"reserved for {length}"
    for dimension in term["priceDimensions"].values():
        currencies = dimension["pricePerUnit"]
        if "USD" not in currencies:
            return f"priced in {', '.join(sorted(currencies)) or 'no currency'}, not in USD"
        if dimension["unit"] != "Hrs" and not (dimension["unit"] == "Quantity" and conditions):
            return f"priced per {dimension['unit']}, which is neither an hour nor an upfront fee"
    return None


def _base_quote(attributes: Mapping[str, str], region: str) -> Quote:
    """Return the machine of a row, as the facts know it and else as the row states it."""
    instance_type = attributes["instanceType"]
    base = base_quote(instance_type, region, "on_demand", "Price List API GetProducts")
    return replace(
        base,
        gpu_count=base.gpu_count or _number(attributes.get("gpu")) or 0,
        vcpus=_number(attributes.get("vcpu")),
        memory_gib=_number(attributes.get("memory")),
    )


def _priced(base: Quote, option: str, price: Decimal, date_basis: str, notes: str) -> Quote:
    return replace(
        base,
        purchase_option=option,
        usd_per_hour=price,
        date_basis=date_basis,
        notes=notes,
        where=f"{base.instance_type} {base.region} {option}",
    )


def _reserved(conditions: Mapping[str, str]) -> tuple[str, str]:
    """Return the purchase option and the words for a reserved term.

    Standard without upfront is the plain option; others say in their name what differs.
    """
    years = _YEARS[conditions["LeaseContractLength"]]
    offering, payment = conditions["OfferingClass"], conditions["PurchaseOption"]
    parts = [f"reserved_{years}y"]
    if payment != "No Upfront":
        parts.append(payment.casefold().replace(" ", "_"))
    if offering != "standard":
        parts.append(offering)
    amortised = "" if payment == "No Upfront" else f", upfront spread over {HOURS_PER_YEAR * years:,} hours"
    return "_".join(parts), f"{offering.capitalize()} RI, {payment}{amortised}"


def _hourly(term: Mapping[str, Any], years: int | None) -> Decimal:
    """Return USD per hour of a ``term``: its hourly rate plus its upfront fee spread over ``years``."""
    per_hour = Decimal(0)
    for dimension in term["priceDimensions"].values():
        amount = Decimal(dimension["pricePerUnit"]["USD"])
        per_hour += amount if dimension["unit"] == "Hrs" else amount / (HOURS_PER_YEAR * (years or 1))
    return trimmed(per_hour.quantize(_SHOWN))


def _number(text: str | None) -> float | None:
    """Return the number that ``text`` starts with, with or without a thousands comma.

    >>> _number("1,152 GiB"), _number("2048 GiB"), _number("NA")
    (1152.0, 2048.0, None)
    """
    found = re.match(r"[\d,]+(\.\d+)?", text or "")
    return float(found[0].replace(",", "")) if found and found[0].strip(",") else None
