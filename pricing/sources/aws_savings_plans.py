"""AWS Savings Plans rates. Needs the IAM action ``savingsplans:DescribeSavingsPlansOfferingRates``."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from inferplan.datasets.aws.credentials import missing_credentials
from inferplan.pricing.aws.instances import base_quote, families, gpu_of
from inferplan.pricing.money import trimmed
from inferplan.pricing.source import Fetched, Quote, readable

name = "aws-savings-plans"
title = "AWS Savings Plans"
skipped = missing_credentials

ACTION = "savingsplans:DescribeSavingsPlansOfferingRates"
ENDPOINT_REGION = "us-east-1"
PRODUCT = "Linux/UNIX"
PLANS = {"Compute": (), "EC2Instance": ("ec2_instance",)}
"""Kinds of plan that cover machines, and what their options are called beside the plain one."""
_SECONDS_PER_YEAR = 31_536_000


def fetch(region: str | None = None) -> Fetched:
    """Return the Savings Plans rates of every instance with an accelerator in ``region``."""
    from inferplan.datasets.aws.clients import client, explained, known_region

    asked = known_region(region)
    with explained(ACTION):
        rates = list(_rates(client("savingsplans", ENDPOINT_REGION), asked))
    with readable("AWS's list of Savings Plans rates"):
        quotes = tuple(quote for rate in rates for quote in _quote(rate, asked))
    return Fetched(quotes, frozenset({asked}))


def _rates(api: Any, region: str) -> Iterator[Mapping[str, Any]]:
    """Yield every rate; the API has pages but botocore no paginator for them."""
    from inferplan.datasets.aws.clients import part

    wanted: dict[str, object] = {
        "savingsPlanTypes": list(PLANS),
        "products": ["EC2"],
        "filters": [
            {"name": "region", "values": [region]},
            {"name": "productDescription", "values": [PRODUCT]},
            {"name": "tenancy", "values": ["shared"]},
            {"name": "instanceFamily", "values": list(families())},
        ],
    }
    token = ""
    while True:
        page = api.describe_savings_plans_offering_rates(**wanted, **({"nextToken": token} if token else {}))
        yield from part(page, "searchResults", ACTION)
        token = page.get("nextToken") or ""
        if not token:
            return


def _quote(rate: Mapping[str, Any], region: str) -> Iterator[Quote]:
    """Yield the quote of one ``rate``, nothing for what was not asked for."""
    properties = {found["name"]: found["value"] for found in rate.get("properties", ())}
    instance_type = properties.get("instanceType", "")
    offering = rate["savingsPlanOffering"]
    if gpu_of(instance_type) is None or rate.get("unit") != "Hrs" or offering.get("currency") != "USD":
        return
    if (properties.get("region"), properties.get("productDescription")) != (region, PRODUCT):
        return
    plan, payment = offering["planType"], offering["paymentOption"]
    if plan not in PLANS:
        return
    years, rest = divmod(int(offering["durationSeconds"]), _SECONDS_PER_YEAR)
    option = [f"savings_plan_{years}y" if not rest else f"savings_plan_{offering['durationSeconds']}s"]
    option.extend(PLANS[plan])
    if payment != "No Upfront":
        option.append(payment.casefold().replace(" ", "_"))
    yield replace(
        base_quote(
            instance_type, region, "_".join(option), "Savings Plans API DescribeSavingsPlansOfferingRates"
        ),
        usd_per_hour=trimmed(Decimal(rate["rate"])),
        notes=f"{plan} Savings Plan, {payment}",
    )
