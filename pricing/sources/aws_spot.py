"""AWS spot, from the last week's history of every availability zone.

Needs the IAM action ``ec2:DescribeSpotPriceHistory``.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from inferplan.datasets.aws.credentials import missing_credentials
from inferplan.pricing.aws.instances import base_quote, families, gpu_of, shapes
from inferplan.pricing.money import trimmed
from inferplan.pricing.source import Fetched, Quote, readable

name = "aws-spot"
title = "AWS spot"
skipped = missing_credentials

ACTION = "ec2:DescribeSpotPriceHistory"
HISTORY = timedelta(days=7)
PRODUCTS = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")
"""Two names of one thing: which one is answered depends on the account's age, the price does not."""


def fetch(region: str | None = None) -> Fetched:
    """Return the spot price of every instance type in ``region``: the cheapest zone's, and all spreads."""
    from inferplan.datasets.aws.clients import client, explained, known_region, part

    asked = known_region(region)
    now = datetime.now(UTC)
    with explained(ACTION):
        pages = (
            client("ec2", asked)
            .get_paginator("describe_spot_price_history")
            .paginate(
                ProductDescriptions=list(PRODUCTS),
                StartTime=now - HISTORY,
                EndTime=now,
                Filters=[{"Name": "instance-type", "Values": _wanted()}],
            )
        )
        history = [entry for page in pages for entry in part(page, "SpotPriceHistory", ACTION)]
    with readable("AWS's spot price history"):
        return Fetched(tuple(_quotes(history, asked)), frozenset({asked}))


def _wanted() -> list[str]:
    """Return the types of the facts and, for sizes that are new, the families with a wildcard."""
    return [*shapes(), *(f"{family}.*" for family in families())]


def _quotes(history: Iterable[Mapping[str, Any]], region: str) -> Iterable[Quote]:
    by_type: defaultdict[str, defaultdict[str, list[tuple[datetime, Decimal]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for entry in history:
        if entry["ProductDescription"] in PRODUCTS:
            zones = by_type[entry["InstanceType"]]
            zones[entry["AvailabilityZone"]].append((entry["Timestamp"], Decimal(entry["SpotPrice"])))
    for instance_type, zones in sorted(by_type.items()):
        if gpu_of(instance_type) is not None:
            yield _cheapest(instance_type, zones, region)


def _cheapest(instance_type: str, zones: Mapping[str, list[tuple[datetime, Decimal]]], region: str) -> Quote:
    """Return the quote of the zone that is cheapest now."""
    latest = {zone: max(prices) for zone, prices in zones.items()}
    cheapest = min(latest, key=lambda zone: latest[zone][1])
    since, price = latest[cheapest]
    return replace(
        base_quote(instance_type, region, "spot", "EC2 API DescribeSpotPriceHistory"),
        usd_per_hour=trimmed(price),
        date_basis=f"asked on the day; this price since {since:%Y-%m-%d %H:%M} UTC",
        notes=_spread(cheapest, zones),
    )


def _spread(cheapest: str, zones: Mapping[str, list[tuple[datetime, Decimal]]]) -> str:
    """Return the week's spread of every zone in words, the cheapest first."""
    parts = []
    for zone in sorted(zones, key=lambda zone: (zone != cheapest, zone)):
        prices = [price for _, price in zones[zone]]
        low, high = trimmed(min(prices)), trimmed(max(prices))
        parts.append(f"{zone} {low}" if low == high else f"{zone} {low} to {high}")
    return f"cheapest zone {cheapest}; last {HISTORY.days} days by zone: {', '.join(parts)}"
