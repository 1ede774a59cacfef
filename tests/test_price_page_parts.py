"""What the page Prices shows is what the warehouse holds, and its example sheet can be imported."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from inferplan.dashboard.prices import tables as price_tables
from inferplan.dashboard.prices.charts import option_kind, price_distribution, price_history
from inferplan.dashboard.prices.sources import EXAMPLE_SHEET
from inferplan.dashboard.reports import table_of_frame
from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing.offers import current_offers, is_stale
from inferplan.pricing.refresh import import_sheet

TODAY = date(2026, 11, 21)


def test_the_example_sheet_imports_and_its_offers_are_shown_at_once(tmp_path: Path) -> None:
    place = tmp_path / "price-sheet.csv"
    place.write_text(EXAMPLE_SHEET)
    with Warehouse.open(":memory:") as warehouse:
        before = price_tables.offers(warehouse, TODAY)
        report = import_sheet(warehouse, place)
        assert (len(report.new), report.refused) == (2, ())
        after = price_tables.offers(warehouse, TODAY)
    assert len(after) == len(before) + 2
    negotiated = after[after["provider"] == "Example Cloud"].iloc[0]
    assert negotiated["usd_per_gpu_hour"] == pytest.approx(2.3)
    assert negotiated["option"] == "Negotiated"
    owned = after[after["provider"] == "Our data centre"].iloc[0]
    # four years of depreciation and 10.2 kW at PUE 1.3 and 0.12 USD, on eight GPUs
    by_hand = (280_000 / (4 * 8760) + 10.2 * 1.3 * 0.12) / 8
    assert owned["usd_per_gpu_hour"] == pytest.approx(by_hand, rel=0.01)


def test_every_offer_is_a_row_with_its_exact_price_date_and_staleness() -> None:
    with Warehouse.open(":memory:") as warehouse:
        frame = price_tables.offers(warehouse, TODAY).set_index("offer_id")
        offers = current_offers(warehouse)
    assert len(frame) == len(offers)
    for offer in offers[::37]:
        row = frame.loc[offer.offer_id]
        assert Decimal(str(row["usd_per_hour"])) == offer.usd_per_hour
        assert (row["observed_on"], row["source"]) == (offer.observed_on, offer.source)
        assert row["stale"] == is_stale(offer, TODAY)
    table = table_of_frame("Offers", frame.reset_index(), price_tables.OFFER_COLUMNS)
    assert len(table.rows) == len(offers)
    assert {column.name for column in table.columns} >= {"Seen on", "Source", "Stale"}


def test_options_of_a_source_that_we_do_not_know_are_shown_as_they_are() -> None:
    assert price_tables.option_title("reserved_1y") == "Reserved, 1 year"
    assert price_tables.option_title("night_rate") == "Night rate"
    assert option_kind("night_rate") == "Other"


def test_charts_name_no_colour_but_grey() -> None:
    rows = [{"gpu": "L4", "usd_per_gpu_hour": 0.8, "kind": "Spot", "offer": "x", "seen": "2026-01-01"}]
    seen = [{"seen": "2026-01-01", "usd_per_gpu_hour": 0.8, "source": "x"}]
    for chart in (price_distribution(rows, ["L4"]), price_history(seen)):
        assert "#" not in chart.to_json().split('"config"')[0]
        assert "USD per GPU-hour" in chart.to_json()
