"""AWS Capacity Blocks for ML: a reservation fee paid ahead for whole days.

Needs the IAM action ``ec2:DescribeCapacityBlockOfferings``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from inferplan.datasets import catalog
from inferplan.datasets.aws.credentials import missing_credentials
from inferplan.pricing.aws.instances import base_quote, family, shapes
from inferplan.pricing.money import trimmed
from inferplan.pricing.source import Fetched, Quote, readable

name = "aws-capacity-blocks"
title = "AWS Capacity Blocks"
skipped = missing_credentials

ACTION = "ec2:DescribeCapacityBlockOfferings"
OPTION = "capacity_block"
DURATION_HOURS = 24
_SHOWN = Decimal("0.0000000001")


def fetch(region: str | None = None) -> Fetched:
    """Return the cheapest one-day block of each instance type that ``region`` offers in the next weeks."""
    from inferplan.datasets.aws.clients import client, explained, known_region, part

    asked = known_region(region)
    wanted = _sold_as_blocks()
    quotes: list[Quote] = []
    absent: list[str] = []
    with explained(ACTION):
        api = client("ec2", asked)
        for instance_type in wanted:
            pages = api.get_paginator("describe_capacity_block_offerings").paginate(
                InstanceType=instance_type, InstanceCount=1, CapacityDurationHours=DURATION_HOURS
            )
            offerings = [found for page in pages for found in part(page, "CapacityBlockOfferings", ACTION)]
            with readable("AWS's list of capacity blocks"):
                quotes += _cheapest(instance_type, offerings, asked)
            if not offerings:
                absent.append(instance_type)
    notes = (f"no block of {DURATION_HOURS} hours in {asked} for {', '.join(absent)}",) if absent else ()
    return Fetched(quotes, frozenset({asked}), notes)


def _sold_as_blocks() -> list[str]:
    """Return the instance types of the families of which the facts have seen a block."""
    families = {family(offer.instance_type) for offer in catalog.offers() if offer.purchase_option == OPTION}
    return sorted(found for found in shapes() if family(found) in families)


def _cheapest(instance_type: str, offerings: Sequence[Mapping[str, Any]], region: str) -> Iterator[Quote]:
    """Yield the quote of the cheapest of ``offerings`` per hour, nothing when there is none in USD."""
    in_usd = [found for found in offerings if found.get("CurrencyCode") == "USD"]
    if not in_usd:
        return
    best = min(in_usd, key=_usd_per_hour)
    yield replace(
        base_quote(instance_type, region, OPTION, "EC2 API DescribeCapacityBlockOfferings"),
        usd_per_hour=trimmed(_usd_per_hour(best).quantize(_SHOWN)),
        notes=(
            f"{best['CapacityBlockDurationHours']} hours from {best['StartDate']:%Y-%m-%d %H:%M} UTC in "
            f"{best['AvailabilityZone']}, {best['UpfrontFee']} USD ahead; OS fee extra; "
            f"cheapest of {len(in_usd)}"
        ),
        price_covers="reservation_fee",
    )


def _usd_per_hour(offering: Mapping[str, Any]) -> Decimal:
    hours = int(offering["CapacityBlockDurationHours"]) * int(offering.get("InstanceCount", 1))
    return Decimal(offering["UpfrontFee"]) / hours
