"""AWS's price list: pages and throttles, what counts, what a second refresh and a kill change."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing.refresh import refresh

RI_3Y_UPFRONT = {
    "LeaseContractLength": "3yr",
    "OfferingClass": "convertible",
    "PurchaseOption": "All Upfront",
}
RI_1Y = {"LeaseContractLength": "1yr", "OfferingClass": "standard", "PurchaseOption": "No Upfront"}


def test_pages_and_a_throttle_end_in_every_price(aws: Any, warehouse: Warehouse) -> None:
    aws.before = [aws.refusal("ThrottlingException", "Rate exceeded")]
    aws.products = [
        aws.product("p5.48xlarge", "55.0400000000"),
        aws.product(
            "p4d.24xlarge",
            "21.9576420000",
            [
                aws.term({"Hrs": "13.9211"}, RI_1Y),
                aws.term({"Quantity": "262800", "Hrs": "0"}, RI_3Y_UPFRONT),
            ],
        ),
        aws.product("g6.xlarge", "0.8048000000", gpu="1"),
        aws.product("m7i.large", "0.1008000000", gpu="NA"),
        aws.product("inf2.xlarge", "0.7582000000", gpu="NA"),
    ]
    report = refresh(warehouse, "aws", "us-east-1")
    assert aws.prices(report) == {
        ("p5.48xlarge", "on_demand"): Decimal("55.04"),
        ("p4d.24xlarge", "on_demand"): Decimal("21.957642"),
        ("p4d.24xlarge", "reserved_1y"): Decimal("13.9211"),
        ("p4d.24xlarge", "reserved_3y_all_upfront_convertible"): Decimal(10),  # 262800 / (3 * 8760)
        ("g6.xlarge", "on_demand"): Decimal("0.8048"),
        ("inf2.xlarge", "on_demand"): Decimal("0.7582"),
    }
    assert len(aws.asked) == 4, "three pages and one throttled attempt"
    assert report.refused == ()
    assert "left out 1 rows: without accelerator" in report.notes
    [p4d, *_] = [offer for offer in report.new if offer.instance_type == "p4d.24xlarge"]
    assert (p4d.gpu, p4d.gpu_count, p4d.memory_gib) == ("A100 SXM 40GB", 8, 1152)
    sent = {found["Field"]: found["Value"] for found in json.loads(aws.asked[0]["body"])["Filters"]}
    assert sent["capacitystatus"] == "Used"
    assert sent["regionCode"] == "us-east-1"


def test_a_second_refresh_changes_nothing_and_a_new_price_is_added(aws: Any, warehouse: Warehouse) -> None:
    aws.products = [aws.product("p5.48xlarge", "55.04"), aws.product("g6.xlarge", "0.8048", gpu="1")]
    refresh(warehouse, "aws", "us-east-1")
    before = warehouse.rows("SELECT * FROM price_observations ORDER BY ALL")
    again = refresh(warehouse, "aws", "us-east-1")
    assert (again.unchanged, again.appended) == (2, 0)
    assert warehouse.rows("SELECT * FROM price_observations ORDER BY ALL") == before
    aws.products = [aws.product("p5.48xlarge", "50.00")]
    moved = refresh(warehouse, "aws", "us-east-1")
    assert [(found.usd_per_hour_before, found.offer.usd_per_hour) for found in moved.changed] == [
        (Decimal("55.04"), Decimal(50))
    ]
    assert [offer.instance_type for offer in moved.vanished] == ["g6.xlarge"]
    assert warehouse.rows("SELECT count(*) FROM price_observations") == [(4,)]


def test_rows_that_leak_through_the_filters_do_not_count(aws: Any, warehouse: Warehouse) -> None:
    aws.products = [
        aws.product("p5.48xlarge", "0.0000000000", marketoption="CapacityBlock"),
        aws.product("p5.48xlarge", "55.04", capacitystatus="UnusedCapacityReservation"),
        aws.product("p5.48xlarge", "60.544", tenancy="Dedicated"),
        aws.product("p5.48xlarge", "66.048", regionCode="ap-south-1"),
        aws.product("p5.48xlarge", "55.04"),
    ]
    report = refresh(warehouse, "aws", "us-east-1")
    assert aws.prices(report) == {("p5.48xlarge", "on_demand"): Decimal("55.04")}
    assert len([note for note in report.notes if note.startswith("left out")]) == 4
    assert "left out 1 rows: tenancy Dedicated" in report.notes


def test_new_kinds_of_terms_are_left_out_and_told(aws: Any, warehouse: Warehouse) -> None:
    aws.products = [
        aws.product(
            "p5.48xlarge",
            "55.04",
            [
                aws.term({"Hrs": "13.9"}, {**RI_1Y, "LeaseContractLength": "5yr"}),
                aws.term({"Token-Hrs": "0.01"}, RI_1Y),
            ],
        ),
        aws.product("g6.xlarge", "0.8048", gpu="1"),
    ]
    dearer = json.loads(aws.products[1])
    [term] = dearer["terms"]["OnDemand"].values()
    [dimension] = term["priceDimensions"].values()
    dimension["pricePerUnit"] = {"CNY": "5.7"}
    aws.products[1] = json.dumps(dearer)
    report = refresh(warehouse, "aws", "us-east-1")
    assert aws.prices(report) == {("p5.48xlarge", "on_demand"): Decimal("55.04")}
    assert {note for note in report.notes if note.startswith("left out")} == {
        "left out 1 rows: reserved for 5yr",
        "left out 1 rows: priced per Token-Hrs, which is neither an hour nor an upfront fee",
        "left out 1 rows: priced in CNY, not in USD",
    }


def test_nonsense_prices_and_unknown_accelerators_are_refused_by_name(aws: Any, warehouse: Warehouse) -> None:
    aws.products = [
        aws.product("p6-b200.48xlarge", "0.08"),
        aws.product("p5.48xlarge", "0"),
        aws.product("p9.48xlarge", "99.0"),
        aws.product("p4d.24xlarge", "21.96"),
        aws.product("p4d.24xlarge", "22.96"),
    ]
    report = refresh(warehouse, "aws", "us-east-1")
    assert report.new == ()
    reasons = [f"{found.where}: {found.reason}" for found in report.refused]
    assert len(reasons) == 5
    assert "p6-b200.48xlarge" in reasons[0]
    assert "0.0100 USD per B200 and hour is outside" in reasons[0]
    assert "the price is 0, which means that none is known" in reasons[1]
    assert "unknown accelerator of p9.48xlarge" in reasons[2]
    assert "several prices on one day (21.96 and 22.96" in reasons[3]


def test_an_empty_answer_does_not_wipe_the_prices(aws: Any, warehouse: Warehouse) -> None:
    aws.products = [aws.product("p5.48xlarge", "55.04")]
    refresh(warehouse, "aws", "us-east-1")
    aws.products = []
    with pytest.raises(Exception, match="answered with no price at all"):
        refresh(warehouse, "aws", "us-east-1")
    assert warehouse.rows("SELECT usd_per_hour FROM current_prices") == [(Decimal("55.0400000000"),)]


def test_a_kill_in_the_middle_is_made_good_by_the_next_run(aws: Any, tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    aws.products = [
        aws.product("p5.48xlarge", "55.04"),
        aws.product("p4d.24xlarge", "21.96"),
        aws.product("g6.xlarge", "0.8048", gpu="1"),
    ]
    aws.delay_s = 5
    command = [sys.executable, "-m", "inferplan.dashboard", "prices", "refresh", "--source", "aws"]
    command += ["--region", "us-east-1", "--json"]
    environment = {**os.environ, "INFERPLAN_DB": str(path)}
    with subprocess.Popen(command, env=environment) as running:
        wait_until(lambda: len(aws.asked) == 2 or running.poll() is not None)
        assert running.poll() is None, "it waits for the second page"
        running.kill()
    aws.delay_s = 0
    with Warehouse.open(path) as warehouse:
        assert warehouse.rows("SELECT count(*) FROM price_observations") == [(0,)]
    for new, unchanged in ((3, 0), (0, 3)):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        report = json.loads(done.stdout)
        assert (len(report["new"]), report["unchanged"]) == (new, unchanged)
        with Warehouse.open(path) as warehouse:
            assert warehouse.rows("SELECT count(*) FROM price_observations") == [(3,)]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
