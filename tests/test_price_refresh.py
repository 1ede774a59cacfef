"""Prices are appended with their date; a refresh tells what came, moved, left and was refused."""

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from inferplan.datasets import catalog
from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing import sources as registry
from inferplan.pricing.offers import (
    changes_since,
    current_offers,
    history,
    is_stale,
    usual_life,
)
from inferplan.pricing.refresh import record, refresh
from inferplan.pricing.source import Fetched, Quote

DAY = date(2026, 11, 1)


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse.open(":memory:") as opened:
        yield opened


BASE = Quote(
    provider="acme",
    instance_type="box",
    gpu="H100 SXM",
    gpu_count=8,
    region="eu",
    purchase_option="on_demand",
    usd_per_hour=None,
    observed_on=DAY,
    date_basis="test",
    source="https://acme.example/prices",
)


def quote(price: str | None, *, day: date = DAY, **changes: Any) -> Quote:
    return replace(BASE, usd_per_hour=None if price is None else Decimal(price), observed_on=day, **changes)


def test_an_empty_warehouse_fills_itself_from_the_snapshot(warehouse: Warehouse) -> None:
    offers = {offer.offer_id: offer for offer in current_offers(warehouse)}
    assert offers == {offer.offer_id: offer for offer in catalog.offers()}, "to the last digit"
    moved = history(warehouse, "azure/Standard_NC96ads_A100_v4/eastus/on_demand/A100 PCIe 80GB")
    assert [(offer.observed_on, offer.usd_per_hour) for offer in moved] == [
        (date(2026, 6, 18), Decimal("14.692")),
        (date(2026, 11, 9), Decimal("19.108")),
    ]


def test_sessions_that_open_at_once_load_the_snapshot_once(warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(6) as pool:
        counts = list(pool.map(lambda _: len(current_offers(warehouse)), range(6)))
    assert set(counts) == {len(catalog.offers())}
    assert warehouse.rows("SELECT count(*) FROM price_observations") == [(len(catalog.offer_observations()),)]


def test_prices_are_decimals_end_to_end(warehouse: Warehouse) -> None:
    total = sum((offer.usd_per_hour or Decimal(0) for offer in catalog.offers()), Decimal(0))
    current_offers(warehouse)
    assert warehouse.rows("SELECT sum(usd_per_hour) FROM current_prices") == [(total,)]


def test_what_is_new_changed_gone_and_back(warehouse: Warehouse) -> None:
    first = record(warehouse, "acme", "Acme", Fetched([quote("20"), quote("10", instance_type="old")]))
    assert (len(first.new), first.appended) == (2, 2)

    later = DAY + timedelta(days=9)
    second = record(warehouse, "acme", "Acme", Fetched([quote("22", day=later)]))
    assert [(change.usd_per_hour_before, change.observed_on_before) for change in second.changed] == [
        (Decimal(20), DAY)
    ]
    assert [offer.instance_type for offer in second.vanished] == ["old"]
    assert second.appended == 2, "a changed price, and the word that one is gone"

    again = record(warehouse, "acme", "Acme", Fetched([quote("22", day=later)]))
    assert (again.unchanged, again.appended, again.vanished) == (1, 0, ())

    stale = record(warehouse, "acme", "Acme", Fetched([quote("19", day=DAY - timedelta(days=30))]))
    assert (stale.changed, stale.appended) == ((), 0), "an older observation does not replace a newer one"
    assert [offer.usd_per_hour for offer in history(warehouse, "acme/box/eu/on_demand/H100 SXM")] == [20, 22]


def test_an_offer_that_comes_back_counts_again(warehouse: Warehouse) -> None:
    record(warehouse, "acme", "Acme", Fetched([quote("20"), quote("10", instance_type="other")]))
    record(warehouse, "acme", "Acme", Fetched([quote("10", instance_type="other")]))
    assert warehouse.rows("SELECT usd_per_hour FROM current_prices ORDER BY ALL") == [(10,), (None,)]
    back = record(warehouse, "acme", "Acme", Fetched([quote("20"), quote("10", instance_type="other")]))
    assert [change.usd_per_hour_before for change in back.changed] == [None]
    assert warehouse.rows("SELECT usd_per_hour FROM current_prices ORDER BY ALL") == [(10,), (20,)]


def test_only_the_regions_that_were_asked_can_lose_offers(warehouse: Warehouse) -> None:
    record(warehouse, "acme", "Acme", Fetched([quote("20"), quote("21", region="us")]))
    report = record(warehouse, "acme", "Acme", Fetched([quote("22", region="us")], frozenset({"us"})))
    assert report.vanished == ()
    others = record(warehouse, "other", "Other", Fetched([quote("23", provider="other")]))
    assert others.vanished == (), "nor those of another source"


def test_a_refused_quote_is_not_a_lost_offer(warehouse: Warehouse) -> None:
    record(warehouse, "acme", "Acme", Fetched([quote("20")]))
    report = record(warehouse, "acme", "Acme", Fetched([quote("0")]))
    assert report.vanished == ()
    assert ["means that none is known" in found.reason for found in report.refused] == [True]
    assert warehouse.rows("SELECT usd_per_hour FROM current_prices") == [(Decimal(20),)]


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (quote("0.08", gpu="B200"), "0.0100 USD per B200 and hour is outside"),
        (quote("900"), "outside of"),
        (quote("-1"), "negative"),
        (quote("NaN"), "no number"),
        (quote("20", gpu_count=0), "number of accelerators is 0"),
        (quote("20", gpu="H100 SXM9000"), "no GPU named 'H100 SXM9000'"),
        (quote("20", gpu="A100"), "Did you mean A100 SXM 80GB"),
        (quote(None), "give a price, or no price with the reason"),
        (quote("20", provider=""), "provider"),
        (quote("0.01", purchase_option="owned", gpu_count=1), "outside of"),
    ],
)
def test_what_cannot_be_right_is_refused_with_the_reason(
    warehouse: Warehouse, refused: Quote, reason: str
) -> None:
    report = record(warehouse, "acme", "Acme", Fetched([refused, quote("20", instance_type="good")]))
    assert [reason in found.reason for found in report.refused] == [True], report.refused
    assert [offer.instance_type for offer in report.new] == ["good"]


def test_repetitions_are_reported(warehouse: Warehouse) -> None:
    report = record(
        warehouse, "acme", "Acme", Fetched([quote("20", where="row 2"), quote("20", where="row 9")])
    )
    assert [(found.where, found.reason) for found in report.duplicates] == [("row 9", "repeats row 2")]
    assert report.appended == 1


def test_a_price_that_is_not_public_is_kept_with_its_reason(warehouse: Warehouse) -> None:
    record(warehouse, "acme", "Acme", Fetched([quote(None, no_price_reason="quote needed")]))
    [offer] = history(warehouse, "acme/box/eu/on_demand/H100 SXM")
    assert (offer.usd_per_hour, offer.usd_per_gpu_hour, offer.no_price_reason) == (None, None, "quote needed")


def test_pinned_prices_are_compared_with_today_s(warehouse: Warehouse) -> None:
    record(warehouse, "acme", "Acme", Fetched([quote("20")]))
    pinned = history(warehouse, "acme/box/eu/on_demand/H100 SXM")
    record(warehouse, "acme", "Acme", Fetched([quote("22.5", day=DAY + timedelta(days=1))]))
    [change] = changes_since(warehouse, pinned)
    assert change.usd_per_hour_difference == Decimal("2.5")


def test_staleness_depends_on_the_kind_of_price() -> None:
    offers = {offer.offer_id: offer for offer in catalog.offers()}
    listed = offers["aws/p5.48xlarge/us-east-1/on_demand/H100 SXM"]
    market = offers["vast/1x H100 SXM/global/on_demand/H100 SXM"]
    spot = offers["aws/p5.48xlarge/us-east-1/spot/H100 SXM"]
    assert usual_life(spot) < usual_life(market) < usual_life(listed)
    assert not is_stale(listed, listed.observed_on + timedelta(days=60))
    assert is_stale(market, market.observed_on + timedelta(days=60))


def test_an_unknown_source_names_the_known_ones(warehouse: Warehouse) -> None:
    with pytest.raises(UnknownNameError, match="bundled"):
        refresh(warehouse, "bundeld")


def test_every_module_of_the_folder_is_a_source() -> None:
    folder = Path(str(importlib.import_module("inferplan.pricing.sources").__file__)).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert {name.replace("-", "_") for name in registry.sources()} >= modules


def test_an_installed_package_brings_a_source(tmp_path: Path) -> None:
    """A package with an entry point, as pip would install it, in a process of its own."""
    (tmp_path / "acme_prices.py").write_text(
        textwrap.dedent(
            """
            from datetime import date
            from decimal import Decimal
            from inferplan.pricing.source import Fetched, Quote

            name = "acme"
            title = "Acme's price list"

            def skipped():
                return None

            def fetch(region=None):
                return Fetched([Quote("acme", "box", "NVIDIA L4", 1, "eu", "on_demand", Decimal("0.7"),
                                      date(2026, 11, 1), "given", "https://acme.example")])
            """
        )
    )
    meta = tmp_path / "acme_prices-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-prices\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[inferplan.price_sources]\nacme = acme_prices\n")
    script = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from inferplan.datasets.warehouse import Warehouse
        from inferplan.pricing.refresh import refresh
        with Warehouse.open(":memory:") as warehouse:
            [offer] = refresh(warehouse, "acme").new
            print(offer.gpu, offer.usd_per_hour)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "L4 0.7\n"


def test_reading_prices_needs_neither_the_network_s_nor_the_page_s_libraries() -> None:
    script = (
        "import sys; from inferplan.pricing import offers; from inferplan.pricing.sources import sources;"
        "sources(); print({'boto3', 'botocore', 'streamlit', 'pandas'} & set(sys.modules) or 'none')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "none\n"
