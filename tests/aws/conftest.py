"""A server that answers as AWS does, for every test in this folder: botocore in between, over real HTTP."""

import json
import os
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from inferplan.datasets.aws import token_bucket
from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing.refresh import RefreshReport

Answer = tuple[int, bytes]


def json_answer(body: object, status: int = 200) -> Answer:
    return status, json.dumps(body).encode()


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

    @staticmethod
    def term(unit_prices: dict[str, str], conditions: dict[str, str] | None = None) -> dict[str, Any]:
        return {
            "effectiveDate": "2026-07-01T00:00:00Z",
            "termAttributes": conditions or {},
            "priceDimensions": {
                unit: {"unit": unit, "pricePerUnit": {"USD": price}} for unit, price in unit_prices.items()
            },
        }

    @staticmethod
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
            "OnDemand": {"a": Aws.term({"Hrs": price})},
            "Reserved": {str(at): found for at, found in enumerate(reserved or [])},
        }
        return json.dumps({"product": {"sku": "S", "attributes": stated}, "terms": terms})

    @staticmethod
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

    @staticmethod
    def refusal(code: str, message: str = "", status: int = 400) -> Answer:
        """Return an error as the JSON protocols word it."""
        return json_answer({"__type": code, "message": message}, status)

    @staticmethod
    def prices(report: RefreshReport) -> dict[tuple[str, str], Decimal | None]:
        """Return what a refresh brought by machine and purchase option."""
        return {(offer.instance_type, offer.purchase_option): offer.usd_per_hour for offer in report.new}


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


@pytest.fixture
def no_credentials(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_credentials(monkeypatch)


def forget_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def set_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_credentials(monkeypatch)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-only")


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse.open(":memory:") as opened:
        yield opened
