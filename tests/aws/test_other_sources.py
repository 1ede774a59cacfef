"""AWS's spot history, Savings Plans and capacity blocks."""

from decimal import Decimal
from typing import Any

import pytest

from inferplan.datasets.errors import SourceAnswerError
from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing.refresh import refresh


def test_spot_takes_the_cheapest_zone_and_tells_the_spread(aws: Any, warehouse: Warehouse) -> None:
    linux = "Linux/UNIX"
    aws.spot = [
        ("p5.48xlarge", linux, "us-east-1a", "17.251700", "2026-11-20T09:12:44Z"),
        ("p5.48xlarge", linux, "us-east-1a", "19.000000", "2026-11-18T09:12:44Z"),
        ("p5.48xlarge", linux, "us-east-1b", "55.040000", "2026-11-19T08:02:10Z"),
        ("p5.48xlarge", "Windows", "us-east-1a", "16.000000", "2026-11-20T09:12:44Z"),
    ]
    report = refresh(warehouse, "aws-spot", "us-east-1")
    [offer] = report.new
    assert (offer.usd_per_hour, offer.purchase_option) == (Decimal("17.2517"), "spot")
    assert offer.notes == (
        "cheapest zone us-east-1a; last 7 days by zone: us-east-1a 17.2517 to 19, us-east-1b 55.04"
    )
    assert offer.date_basis.endswith("since 2026-11-20 09:12 UTC")


def test_savings_plans_follow_the_pages(aws: Any, warehouse: Warehouse) -> None:
    aws.rates = [
        aws.rate("41.2", "Compute", "No Upfront", 1),
        aws.rate("31.1", "Compute", "No Upfront", 3),
        aws.rate("29.5", "EC2Instance", "All Upfront", 3),
        aws.rate("20.0", "Compute", "No Upfront", 3, region="eu-west-1"),
        aws.rate("19.0", "SageMaker", "No Upfront", 3),
        aws.rate("0.05", "Compute", "No Upfront", 3, instanceType="m7i.large"),
    ]
    report = refresh(warehouse, "aws-savings-plans", "us-east-1")
    assert aws.prices(report) == {
        ("p5.48xlarge", "savings_plan_1y"): Decimal("41.2"),
        ("p5.48xlarge", "savings_plan_3y"): Decimal("31.1"),
        ("p5.48xlarge", "savings_plan_3y_ec2_instance_all_upfront"): Decimal("29.5"),
    }
    assert len(aws.asked) == 6


def test_other_sources_nonsense_changes_nothing(aws: Any, warehouse: Warehouse) -> None:
    aws.rates = [aws.rate("a lot", "Compute", "No Upfront", 1)]
    aws.spot = [("p5.48xlarge", "Linux/UNIX", "us-east-1a", "cheap", "2026-11-20T09:12:44Z")]
    aws.blocks = {"p5.48xlarge": [("us-east-1a", "soon")]}
    for source in ("aws-savings-plans", "aws-spot", "aws-capacity-blocks"):
        with pytest.raises(SourceAnswerError, match="cannot be read"):
            refresh(warehouse, source, "us-east-1")
    assert warehouse.rows("SELECT count(*) FROM price_observations") == [(0,)]


def test_a_capacity_block_s_fee_becomes_an_hourly_price(aws: Any, warehouse: Warehouse) -> None:
    aws.blocks = {"p5.48xlarge": [("us-east-1a", "955.20"), ("us-east-1b", "943.92")]}
    report = refresh(warehouse, "aws-capacity-blocks", "us-east-1")
    [offer] = report.new
    assert offer.usd_per_hour == Decimal("39.33")  # 943.92 / 24
    assert offer.price_covers == "reservation_fee"
    assert "us-east-1b, 943.92 USD ahead" in offer.notes
    assert "p5e.48xlarge" in report.notes[0]
