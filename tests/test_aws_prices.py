"""AWS's answers over real HTTP, botocore in between: pages, throttles, nonsense and refusals."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from inferplan.datasets.aws import token_bucket
from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing.refresh import RefreshReport, refresh
from inferplan.pricing.source import SourceAnswerError

Answer = tuple[int, bytes]
SECRET = "test-only"


def json_answer(body: object, status: int = 200) -> Answer:
    return status, json.dumps(body).encode()


def refusal(code: str, message: str = "", status: int = 400) -> Answer:
    return json_answer({"__type": code, "message": message}, status)


class Aws:
    """A server that answers as AWS does: the wire formats of botocore 1.44's service models."""

    def __init__(self) -> None:
        self.products: list[object] = []
        self.rates: list[dict[str, Any]] = []
        self.spot: list[tuple[str, str, str, str, str]] = []
        self.blocks: dict[str, list[tuple[str, str]]] = {}
        self.before: list[Answer] = []
        """Given out first, one per request."""
        self.asked: list[dict[str, Any]] = []
        self.delay_s = 0.0

    def answer(self, target: str, body: str) -> Answer:
        self.asked.append({"target": target, "body": body, "at": time.monotonic()})
        if self.before:
            return self.before.pop(0)
        if target.endswith("GetProducts"):
            return self._get_products(json.loads(body))
        if target.endswith("DescribeSavingsPlansOfferingRates"):
            return self._savings_plans(json.loads(body))
        return self._ec2(body)

    def _get_products(self, request: dict[str, Any]) -> Answer:
        start = int(request.get("NextToken") or 0)
        time.sleep(self.delay_s if start else 0)
        page: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": self.products[start : start + 2]}
        if start + 2 < len(self.products):
            page["NextToken"] = str(start + 2)
        return json_answer(page)

    def _savings_plans(self, request: dict[str, Any]) -> Answer:
        start = int(request.get("nextToken") or 0)
        last = start + 1 >= len(self.rates)
        return json_answer(
            {"searchResults": self.rates[start : start + 1], "nextToken": "" if last else str(start + 1)}
        )

    def _ec2(self, body: str) -> Answer:
        if "Action=DescribeSpotPriceHistory" in body:
            items = "".join(
                f"<item><instanceType>{kind}</instanceType><productDescription>{product}</productDescription>"
                f"<spotPrice>{price}</spotPrice><timestamp>{at}</timestamp>"
                f"<availabilityZone>{zone}</availabilityZone></item>"
                for kind, product, zone, price, at in self.spot
            )
            return 200, (
                "<DescribeSpotPriceHistoryResponse><requestId>r</requestId>"
                f"<spotPriceHistorySet>{items}</spotPriceHistorySet><nextToken/>"
                "</DescribeSpotPriceHistoryResponse>"
            ).encode()
        [kind] = [part.split("=")[1] for part in body.split("&") if part.startswith("InstanceType=")]
        items = "".join(
            f"<item><capacityBlockOfferingId>cb</capacityBlockOfferingId><instanceType>{kind}</instanceType>"
            f"<availabilityZone>{zone}</availabilityZone><instanceCount>1</instanceCount>"
            "<startDate>2026-12-10T11:30:00Z</startDate><endDate>2026-12-11T11:30:00Z</endDate>"
            "<capacityBlockDurationHours>24</capacityBlockDurationHours>"
            f"<upfrontFee>{fee}</upfrontFee><currencyCode>USD</currencyCode><tenancy>default</tenancy></item>"
            for zone, fee in self.blocks.get(kind, [])
        )
        return 200, (
            "<DescribeCapacityBlockOfferingsResponse><requestId>r</requestId>"
            f"<capacityBlockOfferingSet>{items}</capacityBlockOfferingSet>"
            "</DescribeCapacityBlockOfferingsResponse>"
        ).encode()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    served = Aws()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, answer = served.answer(self.headers.get("X-Amz-Target") or self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    set_credentials(monkeypatch)
    for service in ("PRICING", "EC2", "SAVINGSPLANS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"http://127.0.0.1:{server.server_port}")
    token_bucket.shared_bucket.cache_clear()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def forget_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def set_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_credentials(monkeypatch)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse.open(":memory:") as opened:
        yield opened


def term(unit_prices: dict[str, str], conditions: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "effectiveDate": "2026-07-01T00:00:00Z",
        "termAttributes": conditions or {},
        "priceDimensions": {
            unit: {"unit": unit, "pricePerUnit": {"USD": price}} for unit, price in unit_prices.items()
        },
    }


def product(
    instance_type: str, price: str, reserved: list[dict[str, Any]] | None = None, **attributes: str
) -> str:
    """Return an entry as the Price List API sends it: JSON text within JSON."""
    stated = {
        "instanceType": instance_type,
        "vcpu": "192",
        "memory": "1,152 GiB",
        "gpu": "8",
        "regionCode": "us-east-1",
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
        **attributes,
    }
    terms = {
        "OnDemand": {"a": term({"Hrs": price})},
        "Reserved": {str(at): found for at, found in enumerate(reserved or [])},
    }
    return json.dumps({"product": {"sku": "S", "attributes": stated}, "terms": terms})


RI_3Y_UPFRONT = {
    "LeaseContractLength": "3yr",
    "OfferingClass": "convertible",
    "PurchaseOption": "All Upfront",
}
RI_1Y = {"LeaseContractLength": "1yr", "OfferingClass": "standard", "PurchaseOption": "No Upfront"}


def prices(report: RefreshReport) -> dict[tuple[str, str], Decimal | None]:
    return {(offer.instance_type, offer.purchase_option): offer.usd_per_hour for offer in report.new}


def test_pages_and_a_throttle_end_in_every_price(aws: Aws, warehouse: Warehouse) -> None:
    aws.before = [refusal("ThrottlingException", "Rate exceeded")]
    aws.products = [
        product("p5.48xlarge", "55.0400000000"),
        product(
            "p4d.24xlarge",
            "21.9576420000",
            [term({"Hrs": "13.9211"}, RI_1Y), term({"Quantity": "262800", "Hrs": "0"}, RI_3Y_UPFRONT)],
        ),
        product("g6.xlarge", "0.8048000000", gpu="1"),
        product("m7i.large", "0.1008000000", gpu="NA"),
        product("inf2.xlarge", "0.7582000000", gpu="NA"),
    ]
    report = refresh(warehouse, "aws", "us-east-1")
    assert prices(report) == {
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


def test_a_second_refresh_changes_nothing_and_a_new_price_is_added(aws: Aws, warehouse: Warehouse) -> None:
    aws.products = [product("p5.48xlarge", "55.04"), product("g6.xlarge", "0.8048", gpu="1")]
    refresh(warehouse, "aws", "us-east-1")
    before = warehouse.rows("SELECT * FROM price_observations ORDER BY ALL")
    again = refresh(warehouse, "aws", "us-east-1")
    assert (again.unchanged, again.appended) == (2, 0)
    assert warehouse.rows("SELECT * FROM price_observations ORDER BY ALL") == before
    aws.products = [product("p5.48xlarge", "50.00")]
    moved = refresh(warehouse, "aws", "us-east-1")
    assert [(found.usd_per_hour_before, found.offer.usd_per_hour) for found in moved.changed] == [
        (Decimal("55.04"), Decimal(50))
    ]
    assert [offer.instance_type for offer in moved.vanished] == ["g6.xlarge"]
    assert warehouse.rows("SELECT count(*) FROM price_observations") == [(4,)]


def test_rows_that_leak_through_the_filters_do_not_count(aws: Aws, warehouse: Warehouse) -> None:
    aws.products = [
        product("p5.48xlarge", "0.0000000000", marketoption="CapacityBlock"),
        product("p5.48xlarge", "55.04", capacitystatus="UnusedCapacityReservation"),
        product("p5.48xlarge", "60.544", tenancy="Dedicated"),
        product("p5.48xlarge", "66.048", regionCode="ap-south-1"),
        product("p5.48xlarge", "55.04"),
    ]
    report = refresh(warehouse, "aws", "us-east-1")
    assert prices(report) == {("p5.48xlarge", "on_demand"): Decimal("55.04")}
    assert len([note for note in report.notes if note.startswith("left out")]) == 4
    assert "left out 1 rows: tenancy Dedicated" in report.notes


def test_nonsense_prices_and_unknown_accelerators_are_refused_by_name(aws: Aws, warehouse: Warehouse) -> None:
    aws.products = [
        product("p6-b200.48xlarge", "0.08"),
        product("p5.48xlarge", "0"),
        product("p9.48xlarge", "99.0"),
        product("p4d.24xlarge", "21.96"),
        product("p4d.24xlarge", "22.96"),
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


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((200, b'{"FormatVersion": "aws_v1", "PriceList": ["{\\"product'), "unreadable|cannot be read"),
        (json_answer({"PriceList": ['{"product": {"attributes": {"inst']}), "cannot be read"),
        (json_answer({"PriceList": ['{"product": {}}']}), "cannot be read"),
        (json_answer({"PriceList": [product("p5.48xlarge", "fifty")]}), "cannot be read"),
        (json_answer({"PriceList": [json.dumps([1, 2])]}), "cannot be read"),
        ((200, b"<html>proxy login</html>"), "unreadable"),
    ],
)
def test_an_unreadable_answer_changes_nothing(
    aws: Aws, warehouse: Warehouse, answer: Answer, expected: str
) -> None:
    aws.before = [answer]
    with pytest.raises(SourceAnswerError, match=expected):
        refresh(warehouse, "aws", "us-east-1")
    assert warehouse.rows("SELECT count(*) FROM price_observations") == [(0,)]


@pytest.mark.parametrize(
    ("code", "message", "status", "expected"),
    [
        (
            "ExpiredTokenException",
            "The security token included in the request is expired",
            400,
            "aws sso login",
        ),
        ("InvalidSignatureException", "Signature expired: 20261121T is now earlier", 400, "clock"),
        ("RequestTimeTooSkewed", "skewed", 403, "clock"),
        ("UnrecognizedClientException", "invalid token", 400, "does not accept the credentials"),
        ("AccessDeniedException", "not authorized", 400, "IAM action pricing:GetProducts"),
        ("ThrottlingException", "Rate exceeded", 400, "keeps throttling"),
        ("InternalErrorException", "oops", 500, "InternalErrorException: oops"),
    ],
)
def test_a_refusal_is_a_reason_to_skip(
    aws: Aws,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    message: str,
    status: int,
    expected: str,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    aws.before = [refusal(code, message, status)] * 3
    report = refresh(warehouse, "aws", "us-east-1")
    assert expected in (report.skipped or "")
    assert warehouse.rows("SELECT count(*) FROM price_refreshes") == [(0,)]


def test_without_a_network_the_reason_is_said(
    aws: Aws, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", "http://127.0.0.1:9")
    report = refresh(warehouse, "aws", "us-east-1")
    assert "AWS cannot be reached" in (report.skipped or "")


def test_without_credentials_nothing_is_asked(
    aws: Aws, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_credentials(monkeypatch)
    for source in ("aws", "aws-spot", "aws-savings-plans", "aws-capacity-blocks"):
        assert "no AWS credentials" in (refresh(warehouse, source).skipped or "")
    assert aws.asked == []


def test_an_unknown_region_names_the_nearest(aws: Aws, warehouse: Warehouse) -> None:
    with pytest.raises(UnknownNameError, match="us-east-1"):
        refresh(warehouse, "aws", "us-est-1")


def test_an_empty_answer_does_not_wipe_the_prices(aws: Aws, warehouse: Warehouse) -> None:
    aws.products = [product("p5.48xlarge", "55.04")]
    refresh(warehouse, "aws", "us-east-1")
    aws.products = []
    with pytest.raises(Exception, match="answered with no price at all"):
        refresh(warehouse, "aws", "us-east-1")
    assert warehouse.rows("SELECT usd_per_hour FROM current_prices") == [(Decimal("55.0400000000"),)]


def test_a_kill_in_the_middle_is_made_good_by_the_next_run(aws: Aws, tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    aws.products = [
        product("p5.48xlarge", "55.04"),
        product("p4d.24xlarge", "21.96"),
        product("g6.xlarge", "0.8048", gpu="1"),
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


def test_spot_takes_the_cheapest_zone_and_tells_the_spread(aws: Aws, warehouse: Warehouse) -> None:
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


def rate(price: str, plan: str, payment: str, years: int, **properties: str) -> dict[str, Any]:
    stated = {
        "region": "us-east-1",
        "instanceType": "p5.48xlarge",
        "productDescription": "Linux/UNIX",
        **properties,
    }
    return {
        "savingsPlanOffering": {
            "offeringId": "o",
            "paymentOption": payment,
            "planType": plan,
            "durationSeconds": years * 31_536_000,
            "currency": "USD",
        },
        "rate": price,
        "unit": "Hrs",
        "properties": [{"name": name, "value": value} for name, value in stated.items()],
    }


def test_savings_plans_follow_the_pages(aws: Aws, warehouse: Warehouse) -> None:
    aws.rates = [
        rate("41.2", "Compute", "No Upfront", 1),
        rate("31.1", "Compute", "No Upfront", 3),
        rate("29.5", "EC2Instance", "All Upfront", 3),
        rate("20.0", "Compute", "No Upfront", 3, region="eu-west-1"),
        rate("0.05", "Compute", "No Upfront", 3, instanceType="m7i.large"),
    ]
    report = refresh(warehouse, "aws-savings-plans", "us-east-1")
    assert prices(report) == {
        ("p5.48xlarge", "savings_plan_1y"): Decimal("41.2"),
        ("p5.48xlarge", "savings_plan_3y"): Decimal("31.1"),
        ("p5.48xlarge", "savings_plan_3y_ec2_instance_all_upfront"): Decimal("29.5"),
    }
    assert len(aws.asked) == 5


def test_other_sources_nonsense_changes_nothing(aws: Aws, warehouse: Warehouse) -> None:
    aws.rates = [rate("a lot", "Compute", "No Upfront", 1)]
    aws.spot = [("p5.48xlarge", "Linux/UNIX", "us-east-1a", "cheap", "2026-11-20T09:12:44Z")]
    aws.blocks = {"p5.48xlarge": [("us-east-1a", "soon")]}
    for source in ("aws-savings-plans", "aws-spot", "aws-capacity-blocks"):
        with pytest.raises(SourceAnswerError, match="cannot be read"):
            refresh(warehouse, source, "us-east-1")
    assert warehouse.rows("SELECT count(*) FROM price_observations") == [(0,)]


def test_a_capacity_block_s_fee_becomes_an_hourly_price(aws: Aws, warehouse: Warehouse) -> None:
    aws.blocks = {"p5.48xlarge": [("us-east-1a", "955.20"), ("us-east-1b", "943.92")]}
    report = refresh(warehouse, "aws-capacity-blocks", "us-east-1")
    [offer] = report.new
    assert offer.usd_per_hour == Decimal("39.33")  # 943.92 / 24
    assert offer.price_covers == "reservation_fee"
    assert "us-east-1b, 943.92 USD ahead" in offer.notes
    assert "p5e.48xlarge" in report.notes[0]


def test_every_attempt_takes_a_token(aws: Aws, warehouse: Warehouse) -> None:
    aws.products = [product("g6.xlarge", "0.8048", gpu="1")] * 9
    aws.before = [refusal("ThrottlingException")]
    refresh(warehouse, "aws", "us-east-1")
    assert len(aws.asked) == 6, "five pages and one throttled attempt"
    bucket = token_bucket.shared_bucket("pricing", "us-east-1", "GetProducts")
    assert bucket.taken == 6


@pytest.mark.parametrize("seed", range(30))
def test_no_window_sees_more_than_the_burst_and_the_refill(seed: int) -> None:
    drawn = random.Random(seed)
    pauses_s = [drawn.choice((0, 0, drawn.uniform(0, 1.5))) for _ in range(60)]
    now = 0.0
    sent_at: list[float] = []

    def sleep(wait_s: float) -> None:
        nonlocal now
        now += wait_s

    bucket = token_bucket.TokenBucket(clock=lambda: now, sleep=sleep)
    for pause_s in pauses_s:
        now += pause_s
        bucket.take()
        sent_at.append(now)
    for first, start in enumerate(sent_at):
        for last in range(first, len(sent_at)):
            allowed = token_bucket.BURST + token_bucket.PER_SECOND * (sent_at[last] - start)
            assert last - first + 1 <= allowed + 1e-6
