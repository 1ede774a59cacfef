"""AWS on demand and reserved, from the Price List Query API.

Needs the IAM action ``pricing:GetProducts``. The API lives in three regions only, whichever is asked about.
"""

from collections import Counter

from inferplan.datasets.aws.credentials import missing_credentials
from inferplan.pricing.aws.instances import shapes
from inferplan.pricing.aws.price_list import WANTED, quotes
from inferplan.pricing.source import Fetched

name = "aws"
title = "AWS on demand and reserved"
skipped = missing_credentials

ACTION = "pricing:GetProducts"
ENDPOINT_REGION = "us-east-1"
PAGE_SIZE = 100


def fetch(region: str | None = None) -> Fetched:
    """Return the on-demand and reserved prices of every instance with an accelerator in ``region``."""
    from inferplan.datasets.aws.clients import client, explained, known_region, part

    asked = known_region(region)
    filters = {**WANTED, "productFamily": "Compute Instance", "regionCode": asked}
    with explained(ACTION):
        pages = (
            client("pricing", ENDPOINT_REGION)
            .get_paginator("get_products")
            .paginate(
                ServiceCode="AmazonEC2",
                FormatVersion="aws_v1",
                Filters=[
                    {"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in filters.items()
                ],
                PaginationConfig={"PageSize": PAGE_SIZE},
            )
        )
        entries = [entry for page in pages for entry in part(page, "PriceList", ACTION)]
    left_out: Counter[str] = Counter()
    found = tuple(quotes(entries, asked, left_out))
    priced = {quote.instance_type for quote in found}
    absent = sorted(shapes().keys() - priced)
    notes = [f"left out {count} rows: {kind}" for kind, count in sorted(left_out.items())]
    if absent and found:
        notes.append(f"no price in {asked} for {', '.join(absent)}")
    return Fetched(found, frozenset({asked}), tuple(notes))
