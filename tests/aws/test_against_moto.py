"""Spot against moto's server, which serves the call with a price that nobody would sell at."""

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing.refresh import refresh
from inferplan.pricing.source import SourceAnswerError


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-only")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    yield
    server.stop()


def test_a_price_of_a_thousandth_of_a_cent_is_refused(moto: None) -> None:
    """moto answers 0.00001 USD for everything: the check must hold against a server of others."""
    with Warehouse.open(":memory:") as warehouse:
        report = refresh(warehouse, "aws-spot", "us-east-1")
        assert report.skipped is None
        assert report.new == ()
        assert any("p5.48xlarge" in found.where for found in report.refused)
        assert all("is outside of" in found.reason for found in report.refused)
        assert warehouse.rows("SELECT count(*) FROM price_observations") == [(0,)]


@pytest.mark.parametrize("source", ["aws", "aws-savings-plans", "aws-capacity-blocks"])
def test_calls_that_the_server_lacks_end_in_a_reason(moto: None, source: str) -> None:
    with Warehouse.open(":memory:") as warehouse:
        try:
            said = refresh(warehouse, source, "us-east-1").skipped or ""
        except SourceAnswerError as error:
            said = str(error)
        assert "AWS answered" in said
        assert warehouse.rows("SELECT count(*) FROM price_observations") == [(0,)]
