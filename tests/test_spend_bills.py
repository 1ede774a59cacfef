"""Bills as they come: other currencies, credits, restatements, parts of months, machines by other names."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferplan.dashboard.spend.words import month_forecast
from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.uploads.landing import land_series, undo_import
from inferplan.datasets.uploads.reading import BillLine, Labels, Series
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.forecast import MonthForecast
from inferplan.planner.spend import PARTS, Spend, Statement, spend
from inferplan.planner.spend_store import link, links, machines, unlink

START = datetime(2026, 10, 5)
DAY = timedelta(days=1)


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse.open(MEMORY) as opened:
        yield opened


def gpu(place: Labels, activity: Sequence[float], metric: str = "sm_active_ratio", start: datetime = START):
    """A GPU with a level of activity per hour, in samples of five minutes."""
    values = np.repeat(np.array(activity, dtype=np.float64), 12)
    first_s = round(start.replace(tzinfo=UTC).timestamp())
    return Series(metric, place), (first_s + np.arange(len(values)) * 300) * 1_000_000, values


def node(name: str, **more: str) -> Labels:
    return Labels(gpu_uuid=f"GPU-{name}", host=name, **more)


def line(
    cost: object, resource: str | None = "node-a", days: float = 1, at: datetime = START, **more: object
):
    return BillLine(
        **({"line": 1, "period_start": at, "period_end": at + DAY * days, "charge_category": "Usage",
            "currency": "USD", "effective_cost": Decimal(str(cost)), "billed_cost": Decimal(str(cost)),
            "resource_id": resource} | more)
    )  # fmt: skip


def land(
    warehouse: Warehouse, name: str, series: Sequence, lines: Sequence[BillLine], kind: str = "focus"
) -> int:
    return land_series(
        warehouse, name, name, kind, [*series, gpu(Labels(host="x"), [0], "cpu_util_ratio")], lines
    )


def only(found: Spend) -> Statement:
    (statement,) = found.statements
    return statement


def reasons(statement: Statement) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for one in statement.unjoined:
        found[one.reason] = found.get(one.reason, Decimal(0)) + one.amount
    return found


BUSY = gpu(node("node-a", pod="p", namespace="n", model="m"), [0.8] * 24)


def test_currencies_are_never_added_up(warehouse: Warehouse) -> None:
    land(warehouse, "b", [BUSY], [line(10), line("7.5", currency="EUR"), line(-2, currency="EUR")])
    dollars, euros = spend(warehouse).statements
    assert (dollars.currency, dollars.effective_cost, dollars.parts["useful"]) == ("USD", 10, 10)
    assert (euros.currency, euros.effective_cost, euros.parts["useful"]) == (
        "EUR",
        Decimal("5.5"),
        Decimal("5.5"),
    )


def test_credits_refunds_fees_and_lines_without_a_gpu_are_shared_with_their_reason(
    warehouse: Warehouse,
) -> None:
    land(warehouse, "b", [BUSY], [
        line(100), line(-20, charge_class="Correction"),  # a refund of the machine's own usage
        line(-30, None, charge_category="Credit"), line("4.5", None, charge_category="Tax"),
        line(12, None, charge_category="Purchase", description="Marketplace subscription"),
        line(3, "image-licence", service_category="Software Marketplace"),
        line(2, "m7i-machine", instance_type="m7i.large"), line(1, None),
        line(6, "vm", service_category="Compute"), line(2, "vm", service_category="Networking"),
        line(0, None, billed_cost=Decimal(195), charge_category="Purchase"),
    ])  # fmt: skip
    found = only(spend(warehouse))
    assert (found.parts["useful"], found.parts["unknown"]) == (80, 8)
    assert reasons(found) == {
        "credit": -30, "tax": Decimal("4.5"), "purchase": 12, "no_gpu": 5, "no_resource": 1, "no_usage": 8,
    }  # fmt: skip
    assert found.billed_cost == Decimal("275.5")
    assert found.effective_cost == sum(found.parts.values()) == Decimal("80.5")


def test_unknown_machines_stay_unknown_until_someone_says_what_they_are(warehouse: Warehouse) -> None:
    land(warehouse, "b", [BUSY, gpu(node("node-b"), [0.0] * 24)], [
        line(10, "vm-1"), line(5, "bucket-2"), line(15, "pool-3", service_category="Compute"),
        line(5, "pool-3", service_category="Networking", gpu_count=8.0),
    ])  # fmt: skip
    before = only(spend(warehouse))
    assert reasons(before) == {"no_usage": 35}
    link(warehouse, "VM-1", ("node-a",))
    link(warehouse, "bucket-2", ())
    link(warehouse, "pool-3", ("node-a", "GPU-node-b"))
    found = only(spend(warehouse))
    assert found.parts["useful"] == Decimal("12.5")  # of pool-3 one GPU in eight
    assert (found.parts["unallocated"], reasons(found)["not_seen"]) == (Decimal("2.5"), 15)
    assert [(one.resource, one.target) for one in links(warehouse)] == [
        ("VM-1", "node-a"), ("bucket-2", None), ("pool-3", "GPU-node-b"), ("pool-3", "node-a"),
    ]  # fmt: skip
    unlink(warehouse, "pool-3")
    assert reasons(only(spend(warehouse))) == {"no_usage": 20, "no_gpu": 5}
    assert {"node-a", "GPU-node-a"} <= set(machines(warehouse))
    with pytest.raises(UnknownNameError, match="node-a"):
        link(warehouse, "vm-1", ("node-aa",))
    with pytest.raises(UnknownNameError):
        unlink(warehouse, "pool-3")
    with pytest.raises(InferplanError, match="name the resource"):
        link(warehouse, " ", ())


def test_a_later_import_of_the_same_days_replaces_the_earlier(warehouse: Warehouse) -> None:
    month = [line(10, at=START + DAY * day, account="1", quantity_unit="Hours") for day in range(4)]
    first = land(warehouse, "october-5-to-8", [BUSY], month)
    restated = [one.model_copy(update={"effective_cost": Decimal(9)}) for one in month[:3]]
    extra = [line(1, at=START + DAY * 4, account="1"), line(50, "other", account="2")]
    second = land(warehouse, "again", [], [*restated, *extra])
    found = spend(warehouse)
    assert (
        only(found).effective_cost == 9 * 3 + 10 + 1 + 50
    )  # the fourth day stands in the first import alone
    [replaced] = found.restated
    assert (replaced.import_id, replaced.replaced_by) == (first, second)
    assert (replaced.lines, replaced.effective_cost) == (3, 30)
    undo_import(warehouse, second)
    assert only(spend(warehouse)).effective_cost == 40


def test_files_that_a_bill_is_cut_into_add_up_and_another_format_replaces(warehouse: Warehouse) -> None:
    hours = {"quantity_unit": "Hours", "account": "1"}
    land(warehouse, "part-1", [BUSY], [line(10, **hours), line(2, "node-b", **hours)])
    land(warehouse, "part-2", [], [line(1, quantity_unit="GB", account="1"), line(3, "node-c", **hours)])
    assert only(spend(warehouse)).effective_cost == 16
    land(warehouse, "the same month as CUR", [], [line("15.9", service="AmazonEC2", **hours)], kind="aws-cur")
    assert only(spend(warehouse)).effective_cost == Decimal("15.9")


def test_part_of_a_day_is_paid_by_its_hours_and_a_month_by_its_days(warehouse: Warehouse) -> None:
    ten = gpu(node("node-a", pod="p", model="m"), [0.8] * 10)
    land(warehouse, "b", [ten], [
        line(10, quantity=Decimal(10), quantity_unit="Hrs"),
        line(31, None, days=31, at=datetime(2026, 10, 1), charge_category="Tax"),
    ])  # fmt: skip
    found = only(spend(warehouse))
    assert (found.parts["useful"], found.parts["unknown"]) == (10, 0)
    assert (found.gpu_hours.paid, found.gpu_hours.seen, found.gpu_hours.per_paid_hour) == (10, 10, 1)
    assert found.gpu_hours.per_used_hour == Decimal("1.25")
    assert [one.cost for one in found.days] == [1] * 4 + [11] + [1] * 26
    week = only(spend(warehouse, first_day=date(2026, 10, 5), last_day=date(2026, 10, 11)))
    assert (week.effective_cost, week.parts["shared"], len(week.days)) == (17, 7, 7)


def test_a_bill_that_runs_on_is_forecast_from_the_days_billed_to_their_end(warehouse: Warehouse) -> None:
    first = datetime(2026, 9, 28)
    land(warehouse, "b", [BUSY], [
        *(line(10, at=first + DAY * day) for day in range(27)),  # to the end of 24 October
        line(5, days=0.5, at=datetime(2026, 10, 25)),
        line(31, None, days=31, at=datetime(2026, 10, 1), charge_category="Tax"),
        line(62, "bucket", days=31, at=datetime(2026, 10, 1), service_category="Storage"),
    ])  # fmt: skip
    found = spend(warehouse)
    assert found.last_whole_day == date(2026, 10, 24)
    late = land(warehouse, "late", [], [line(10, at=first + DAY * day, account="2") for day in range(25)])
    assert spend(warehouse).last_whole_day == date(2026, 10, 22)
    undo_import(warehouse, late)
    forecast = month_forecast(found, only(found))
    assert isinstance(forecast, MonthForecast)
    assert (forecast.month, forecast.days_left, forecast.spent) == (date(2026, 10, 1), 7, 24 * 13)
    assert forecast.total.expected == pytest.approx(31 * 13, rel=0.02)


def test_a_bill_by_the_month_is_divided_over_the_days_on_which_the_machine_ran(warehouse: Warehouse) -> None:
    land(warehouse, "b", [gpu(node("node-a", pod="p"), [0.8] * 24 + [0.0] * 24)], [
        line(96, days=31, at=datetime(2026, 10, 1), quantity=Decimal(48), quantity_unit="Hours"),
    ])  # fmt: skip
    found = only(spend(warehouse))
    assert {part: cost for part, cost in found.parts.items() if cost} == {"useful": 48, "allocated_idle": 48}
    assert [(one.day.day, one.cost) for one in found.days] == [(5, 48), (6, 48)]


def test_usage_without_a_bill_is_priced_from_offers_and_kept_apart(warehouse: Warehouse) -> None:
    offers = [
        one for one in catalog.offers() if one.instance_type == "g6e.xlarge" and one.region == "us-east-1"
    ]
    priced = node("node-l", gpu_name="NVIDIA L40S", instance_type="g6e.xlarge", pod="q")
    land(warehouse, "b", [BUSY, gpu(priced, [0.4] * 10), gpu(node("node-?"), [0.4])], [line(24)])
    found = spend(warehouse, offers=offers)
    bill, listed = found.statements
    [price] = {one.usd_per_gpu_hour for one in offers if one.purchase_option == "on_demand"}
    assert bill.effective_cost == 24
    assert (listed.basis, listed.effective_cost) == ("list", 10 * price)
    assert listed.parts["useful"] == listed.parts["loaded_headroom"] == 5 * price
    without, with_price = sorted(found.list_prices, key=lambda one: one.machine)
    assert (without.machine, without.usd_per_gpu_hour) == ("node-?", None)
    assert "no on-demand price" in without.basis
    assert (with_price.machine, with_price.gpu_hours, with_price.usd_per_gpu_hour) == ("node-l", 10, price)


def test_gpu_util_shows_idleness_and_no_work_and_a_slice_is_a_part_of_its_gpu(warehouse: Warehouse) -> None:
    weak = gpu(node("node-u", pod="p"), [0.0] * 12 + [0.9] * 12, "gpu_util_ratio")
    piece = Labels(gpu_uuid="GPU-m", mig_id="1", mig_profile="2g.20gb", host="node-m", pod="q")
    cut = gpu(piece, [0.4] * 24, "gr_engine_active_ratio")
    whole = gpu(Labels(gpu_uuid="GPU-m", host="node-m"), [0.1] * 24)
    land(warehouse, "b", [weak, cut, whole], [line(10, "node-u"), line(70, "node-m", gpu_count=1.0)])
    found = only(spend(warehouse))
    assert reasons(found) == {"gpu_util_only": 5, "not_seen": 50}
    assert [found.parts[part] for part in ("allocated_idle", "useful", "loaded_headroom")] == [5, 10, 10]


def test_request_logs_split_a_models_cost_among_its_teams(warehouse: Warehouse) -> None:
    log = [
        gpu(Labels(model="m", team=team), [tokens] * 24, metric)
        for team, tokens in (("red", 3000.0), ("blue", 1000.0))
        for metric in ("generation_tokens", "prompt_tokens", "requests")
    ]
    land(warehouse, "b", [BUSY, *log], [line(100)])
    red, blue = only(spend(warehouse)).tokens
    assert (red.team, red.effective_cost, red.split_by_tokens) == ("red", 75, True)
    assert (blue.team, blue.effective_cost, blue.gpu_hours) == ("blue", 25, 6)
    assert red.generated_tokens == 3000 * 288
    assert red.per_mtok_generated == Decimal("86.805556") == blue.per_mtok_generated
    assert red.per_mtok == Decimal("43.402778")


LINES = st.builds(
    line,
    st.decimals(-5000, 5000, places=7, allow_nan=False),
    st.sampled_from(["node-a", "node-b", "vm-1", None]),
    st.sampled_from([1 / 24, 0.5, 1, 3, 31]),
    st.integers(0, 70).map(lambda hours: START + timedelta(hours=hours)),
    charge_category=st.sampled_from(["Usage", "Usage", "Usage", "Tax", "Credit", "Purchase"]),
    commitment_status=st.sampled_from([None, None, "used", "unused"]),
    quantity=st.sampled_from([None, Decimal(1), Decimal("7.25"), Decimal(500)]),
    quantity_unit=st.sampled_from([None, "Hours", "GPU-Hours", "GB", "seconds", "Days"]),
    instance_type=st.sampled_from([None, "p5.48xlarge", "m7i.large"]),
    team=st.sampled_from([None, "t"]),
    currency=st.sampled_from(["USD", "USD", "EUR"]),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(LINES, min_size=1, max_size=25),
    activity=st.lists(st.sampled_from([0.0, 0.005, 0.3, 0.8, 1.0]), min_size=1, max_size=60),
)
def test_every_generated_bill_sums_to_the_last_digit(
    lines: list[BillLine], activity: list[float], warehouse: Warehouse
) -> None:
    series = [gpu(node("node-a", pod="p", model="m"), activity), gpu(node("node-b"), activity[::-1])]
    landed = land(warehouse, "b", series, lines)
    try:
        found = spend(warehouse).statements
        weeks = [
            spend(warehouse, first_day=first, last_day=last).statements
            for first, last in ((None, date(2026, 10, 7)), (date(2026, 10, 8), None))
        ]
    finally:
        undo_import(warehouse, landed)
    for currency in {one.currency for one in lines}:
        wanted = sum(one.effective_cost for one in lines if one.currency == currency)
        mine = [one for one in found if one.currency == currency]
        assert sum(one.effective_cost for one in mine) == wanted
        assert (
            sum(part.effective_cost for week in weeks for part in week if part.currency == currency) == wanted
        )
    for one in found:
        assert set(one.parts) == set(PARTS)
        assert sum(one.parts.values()) == one.effective_cost == sum(day.cost for day in one.days)
        named = [amount for part in PARTS if part not in ("unknown", "shared", "unused_commitment")
                 for amount in [one.parts[part]]]  # fmt: skip
        not_divided = sum(
            (one.parts[part] for part in ("unknown", "shared", "unused_commitment")), Decimal(0)
        )
        explained = sum((lost.amount for lost in one.unjoined), Decimal(0))
        assert abs(not_divided - explained) < Decimal("1e-6")
        assert sum(named) == one.effective_cost - not_divided
