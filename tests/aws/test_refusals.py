"""What AWS says instead of prices: unreadable answers change nothing, refusals are reasons to skip."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from inferplan.datasets.aws import credentials
from inferplan.datasets.aws.credentials import missing_credentials
from inferplan.datasets.errors import SourceAnswerError, UnknownNameError
from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing.refresh import refresh


def price_list(*entries: str) -> bytes:
    return json.dumps({"PriceList": entries}).encode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"FormatVersion": "aws_v1", "PriceList": ["{\\"product', "unreadable|cannot be read"),
        (price_list('{"product": {"attributes": {"inst'), "cannot be read"),
        (price_list('{"product": {}}'), "cannot be read"),
        (price_list(json.dumps([1, 2])), "cannot be read"),
        (b"<html>proxy login</html>", "unreadable"),
    ],
)
def test_an_unreadable_answer_changes_nothing(
    aws: Any, warehouse: Warehouse, body: bytes, expected: str
) -> None:
    aws.before = [(200, body)]
    with pytest.raises(SourceAnswerError, match=expected):
        refresh(warehouse, "aws", "us-east-1")
    assert warehouse.rows("SELECT count(*) FROM price_observations") == [(0,)]


def test_a_price_that_is_no_number_changes_nothing(aws: Any, warehouse: Warehouse) -> None:
    aws.products = [aws.product("g6.xlarge", "0.8048", gpu="1"), aws.product("p5.48xlarge", "fifty")]
    with pytest.raises(SourceAnswerError, match="cannot be read"):
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
    aws: Any,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    message: str,
    status: int,
    expected: str,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    aws.before = [aws.refusal(code, message, status)] * 3
    report = refresh(warehouse, "aws", "us-east-1")
    assert expected in (report.skipped or "")
    assert warehouse.rows("SELECT count(*) FROM price_refreshes") == [(0,)]


def test_without_a_network_the_reason_is_said(
    aws: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", "http://127.0.0.1:9")
    report = refresh(warehouse, "aws", "us-east-1")
    assert "AWS cannot be reached" in (report.skipped or "")


def test_without_credentials_nothing_is_asked(aws: Any, no_credentials: None, warehouse: Warehouse) -> None:
    for source in ("aws", "aws-spot", "aws-savings-plans", "aws-capacity-blocks"):
        assert "no AWS credentials" in (refresh(warehouse, source).skipped or "")
    assert aws.asked == []


def test_an_unknown_region_names_the_nearest(aws: Any, warehouse: Warehouse) -> None:
    with pytest.raises(UnknownNameError, match="us-east-1"):
        refresh(warehouse, "aws", "us-est-1")


def test_looking_for_credentials_asks_nobody(
    aws: Any, no_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setattr(credentials, "_MAKER", Path("/nonexistent"))  # not on EC2, wherever the tests run
    with socket.create_server(("127.0.0.1", 0)) as metadata:
        metadata.setblocking(False)
        monkeypatch.setenv(
            "AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{metadata.getsockname()[1]}/"
        )
        assert "no AWS credentials" in (missing_credentials() or "")
        with pytest.raises(BlockingIOError):  # nobody has called
            metadata.accept()
