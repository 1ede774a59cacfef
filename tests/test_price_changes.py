"""What became of the prices that plans pin, what refreshes brought, and how old prices of each kind are."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from inferplan.dashboard import state
from inferplan.dashboard.navigation import page_path
from inferplan.dashboard.prices.changes import pinned_rows
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.planner.case import Case
from inferplan.planner.plan import Plan
from inferplan.pricing.offers import ages, current_offers, is_stale
from inferplan.pricing.refresh import import_sheet

TODAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 1, 12)
SHEET = "provider,gpu,gpu_count,instance_type,region,purchase_option,usd_per_hour,observed_on,source\n"


def a_sheet(folder: Path, usd: str, day: str) -> Path:
    place = folder / "prices.csv"
    place.write_text(f"{SHEET}Example Cloud,H100 SXM,8,node,eu,negotiated,{usd},{day},offer\n")
    return place


def a_plan(offer: Offer) -> Plan:
    case = Case(model="meta-llama/Llama-3.3-70B-Instruct", gpu="H100 SXM", offer=offer.offer_id)
    return Plan(id="p", name="Chat", created_at=NOON, updated_at=NOON, case=case, prices=(offer,))


def test_a_plan_s_price_stands_beside_today_s(tmp_path: Path) -> None:
    with Warehouse.open(":memory:") as warehouse:
        import_sheet(warehouse, a_sheet(tmp_path, "20.00", "2026-10-01"))
        pinned = next(offer for offer in current_offers(warehouse) if offer.provider == "Example Cloud")
        plan_store.save(warehouse, a_plan(pinned))
        [row] = pinned_rows(warehouse)
        assert (row["then"], row["now"], row["change"]) == (20.0, 20.0, 0.0)
        import_sheet(warehouse, a_sheet(tmp_path, "15.00", "2026-11-01"))
        [row] = pinned_rows(warehouse)
        assert (row["then"], row["now"], row["change"], row["percent"]) == (20.0, 15.0, -5.0, -25.0)
        assert (row["then_seen"], row["now_seen"]) == (date(2026, 10, 1), date(2026, 11, 1))
        assert plan_store.load(warehouse, "p").prices[0].usd_per_hour == Decimal(20), "the plan keeps its own"


def test_ages_count_every_price_once_and_call_stale_what_the_offers_do() -> None:
    with Warehouse.open(":memory:") as warehouse:
        offers = current_offers(warehouse)
    found = ages(offers, TODAY)
    priced = [offer for offer in offers if offer.usd_per_hour is not None]
    assert sum(age.offers for age in found) == len(priced)
    assert sum(age.stale for age in found) == sum(is_stale(offer, TODAY) for offer in priced)
    lives = {age.kind: age.usual_life for age in found}
    assert lives["spot"] == timedelta(days=1)
    assert lives["marketplace"] == timedelta(days=7)
    assert all(age.oldest <= age.newest <= TODAY for age in found)


def test_the_page_tells_what_the_bundled_prices_brought(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path / "w.duckdb"))
    app = AppTest.from_file(str(Path(state.__file__).with_name("app.py")), default_timeout=60).run()
    app.session_state["inferplan.prices.tab"] = "Changes"
    app.switch_page(str(page_path("prices"))).run()
    assert [error.message for error in app.exception] == []
    assert any(" new" in found.label for found in app.expander)
    assert "No saved plan holds the price of an offer" in " ".join(found.value for found in app.caption)
