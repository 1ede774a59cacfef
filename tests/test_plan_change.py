"""Why one plan costs more than another: each driver alone, and always to the cent."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from inferplan.dashboard.navigation import page_path
from inferplan.dashboard.plans.report import change_report, plan_report
from inferplan.dashboard.reports import report_format
from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner import plan_store
from inferplan.planner.case import Case
from inferplan.planner.plan import Plan
from inferplan.planner.plan_change import explain_dates, explain_plans
from inferplan.planner.plan_results import evaluate
from inferplan.pricing.offers import load_snapshot
from inferplan.pricing.refresh import record
from inferplan.pricing.source import Fetched, Quote

NOON = datetime(2026, 11, 21, 12, 0, 0)
GIVEN = {
    "model": "meta-llama/Llama-3.3-70B-Instruct", "gpu": "H200 SXM", "tp": 2, "weights_dtype": "fp8",
    "input_tokens": 2000, "output_tokens": 400, "request_rate": 0.5, "max_model_len": 32768,
    "usd_per_gpu_hour": 4.0,
}  # fmt: skip


def make_plan(**case: Any) -> Plan:
    read = Case.read({name: value for name, value in (GIVEN | case).items() if value is not None})
    return Plan(id="p", name="Chat", created_at=NOON, updated_at=NOON, case=read)


def steps(first: Plan, second: Plan) -> dict[str, Decimal]:
    found = explain_plans(evaluate(first), evaluate(second))
    assert found.before_usd + sum(step.usd for step in found.steps) == found.after_usd
    for plan, usd in ((first, found.before_usd), (second, found.after_usd)):
        per_hour = evaluate(plan).usd_per_hour
        assert per_hour is not None
        assert usd == (per_hour * 730).quantize(Decimal("0.01"))
    return {step.label: step.usd for step in found.steps if step.usd}


def test_a_dearer_gpu_hour_is_price_alone() -> None:
    assert steps(make_plan(), make_plan(usd_per_gpu_hour=5.0)) == {"price": 2 * 730}


def test_twice_the_gpus_for_the_same_load_is_utilization_alone() -> None:
    assert steps(make_plan(), make_plan(dp=2)) == {"utilization": 2 * 4 * 730}


def test_twice_the_load_on_the_same_gpus_is_volume_given_back_by_utilization() -> None:
    found = steps(make_plan(), make_plan(request_rate=1.0))
    month = Decimal(2 * 4 * 730)
    assert found["volume"] == pytest.approx(month, rel=Decimal("1e-6"))
    assert found["utilization"] == -found["volume"]


def test_another_model_is_mix() -> None:
    found = steps(make_plan(), make_plan(model="Qwen/Qwen2.5-7B-Instruct", tp=1))
    assert set(found) <= {"volume", "model mix"}
    assert found["model mix"] < 0


@pytest.mark.parametrize("concurrency", ["max", 8])
@pytest.mark.parametrize("gpu", ["H100 SXM", "B200"])
def test_anything_sums_to_the_cent(concurrency: object, gpu: str) -> None:
    changed = make_plan(
        gpu=gpu, tp=4, usd_per_gpu_hour=6.123, concurrency=concurrency, request_rate=None, output_tokens=900
    )
    assert steps(make_plan(), changed)


def test_a_plan_without_a_price_says_why() -> None:
    with pytest.raises(InferplanError, match="'Chat' has no monthly cost: no price"):
        explain_plans(evaluate(make_plan()), evaluate(make_plan(usd_per_gpu_hour=None)))


P5 = "aws/p5.48xlarge/us-east-1/on_demand/H100 SXM"
EARLY, LATE = date(2026, 11, 10), date(2026, 11, 21)


def seen(warehouse: Warehouse, usd_per_hour: str, on: date) -> None:
    """Record what a further refresh would have seen."""
    [offer] = [offer for offer in catalog.offers() if offer.offer_id == P5]
    quote = Quote(
        offer.provider, offer.instance_type, offer.gpu, offer.gpu_count, offer.region, offer.purchase_option,
        Decimal(usd_per_hour), on, "asked on the day", "test",
    )  # fmt: skip
    record(warehouse, "aws", "AWS", Fetched((quote,), frozenset({"nowhere"})))


def saved(warehouse: Warehouse, at: datetime, based_on: int = 0, **case: Any) -> None:
    made = make_plan(gpu="H100 SXM", offer=P5, usd_per_gpu_hour=None, **case)
    plan = made.model_copy(update={"updated_at": at})
    plan_store.save(warehouse, plan, based_on=based_on)


def test_two_days_differ_by_the_prices_seen_until_then() -> None:
    with Warehouse.open(MEMORY) as warehouse:
        saved(warehouse, datetime(2026, 11, 1))
        load_snapshot(warehouse)  # 55.04 USD, last seen on 2026-11-09
        seen(warehouse, "60.00", date(2026, 11, 15))
        found = explain_dates(warehouse, ["p"], EARLY, LATE)
        # Two of the machine's eight GPUs, for 730 hours.
        assert found.waterfall.before_usd == (Decimal("55.04") / 8 * 2 * 730).quantize(Decimal("0.01"))
        assert found.waterfall.after_usd == (Decimal(60) / 8 * 2 * 730).quantize(Decimal("0.01"))
        moved = {step.label: step.usd for step in found.waterfall.steps if step.usd}
        assert moved == {"price": found.waterfall.after_usd - found.waterfall.before_usd}
        [(name, before, after)] = found.prices
        assert name == "Chat"
        assert "55.04 USD per hour" in before
        assert "seen 2026-11-09" in before
        assert "60 USD per hour" in after
        assert "seen 2026-11-15" in after


def test_two_days_differ_by_what_was_saved_in_between_too() -> None:
    with Warehouse.open(MEMORY) as warehouse:
        saved(warehouse, datetime(2026, 11, 1))
        saved(warehouse, datetime(2026, 11, 12), based_on=1, dp=2)
        found = explain_dates(warehouse, ["p"], EARLY, LATE).waterfall
        assert {step.label for step in found.steps if step.usd} == {"utilization"}
        assert found.after_usd == 2 * found.before_usd
        # Before it was first saved a plan stands as it was then.
        earlier = explain_dates(warehouse, ["p"], date(2026, 11, 9), EARLY).waterfall
        assert earlier.before_usd == found.before_usd


def test_a_day_before_the_first_price_is_not_guessed() -> None:
    with Warehouse.open(MEMORY) as warehouse:
        saved(warehouse, datetime(2026, 11, 1))
        with pytest.raises(InferplanError, match="was first seen on 20"):
            explain_dates(warehouse, ["p"], date(2020, 1, 1), LATE)
        with pytest.raises(InferplanError, match="must lie before"):
            explain_dates(warehouse, ["p"], LATE, EARLY)
        with pytest.raises(InferplanError, match="no saved plan"):
            explain_dates(warehouse, ["q"], EARLY, LATE)


def test_the_page_plans_follows_a_plan_through_the_prices_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inferplan.dashboard.state.now", lambda: datetime(2026, 11, 21, 12))
    with Warehouse.open() as warehouse:
        saved(warehouse, datetime(2026, 11, 10))
        load_snapshot(warehouse)
        seen(warehouse, "60.00", date(2026, 11, 15))
    app = AppTest.from_file(str(page_path("plans")), default_timeout=60).run()
    app.session_state["inferplan.plans.tab"] = "Over time"
    app.run()
    assert [error.message for error in app.exception] == []
    [steps_shown, prices_shown] = [table.value for table in app.table[-2:]]
    month = {label: row["USD per month"].replace("\\", "") for label, row in steps_shown.iterrows()}
    assert month["Price of a GPU-hour"] == "+$905.20"  # (60 - 55.04) / 8 x 2 x 730
    assert next(iter(month)) == "On 2026-11-10, a month"
    assert "seen 2026-11-15" in prices_shown.iloc[0, 1]
    st.cache_resource.clear()


def test_the_download_has_cents_and_the_prices_of_both_days() -> None:
    with Warehouse.open(MEMORY) as warehouse:
        saved(warehouse, datetime(2026, 11, 1))
        load_snapshot(warehouse)
        seen(warehouse, "60.00", date(2026, 11, 15))
        found = explain_dates(warehouse, ["p"], EARLY, LATE)
    report = change_report(found, EARLY, LATE, made_at=NOON)
    [header, first, price, *_] = report_format("csv").write(report).decode("utf-8-sig").splitlines()
    assert header == "Step,Amount (USD per month of 730 hours),Prices"
    assert first.startswith("on 2026-11-10,10044.80,")
    assert price.startswith("price,905.20,")
    assert "seen 2026-11-09" in price
    assert "seen 2026-11-15" in price


def test_money_in_a_plan_s_report_keeps_its_cents() -> None:
    plan = make_plan(dp=8, usd_per_gpu_hour=13.4567)
    rows = plan_report(evaluate(plan), made_at=NOON).tables[0].rows
    [month] = [row for row in rows if row[1] == "USD/month"]
    assert month[2] == Decimal("157174.26")  # 16 x 13.4567 x 730, 157174.256
