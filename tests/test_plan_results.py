"""A plan's results follow from its inputs and pinned prices alone; two plans differ where they differ."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from inferplan.datasets.schema import Offer
from inferplan.planner.case import Case
from inferplan.planner.memory import fit
from inferplan.planner.performance import estimate
from inferplan.planner.plan import Plan
from inferplan.planner.plan_comparison import compare_plans, inputs
from inferplan.planner.plan_results import evaluate

NOON = datetime(2026, 11, 21, 12, 0, 0)


def make_offer(usd_per_hour: str | None = "63.296", gpu: str = "H200 SXM") -> Offer:
    return Offer(
        provider="aws",
        instance_type="p5en.48xlarge",
        gpu=gpu,
        gpu_count=8,
        region="us-east-1",
        purchase_option="on_demand",
        usd_per_hour=None if usd_per_hour is None else Decimal(usd_per_hour),
        no_price_reason="quote needed" if usd_per_hour is None else None,
        observed_on=date(2026, 7, 20),
        date_basis="stated",
        source="price list",
    )


def make_plan(prices: tuple[Offer, ...] = (), **case: Any) -> Plan:
    given = {"model": "meta-llama/Llama-3.3-70B-Instruct", "gpu": "H200 SXM", "tp": 2, "weights_dtype": "fp8"}
    given |= {"input_tokens": 2000, "output_tokens": 400, "concurrency": 16, "max_model_len": 32768}
    given |= {"offer": prices[0].offer_id} if prices else {}
    read = Case.read(given | case)
    return Plan(id="p", name="Chat", created_at=NOON, updated_at=NOON, case=read, prices=prices)


def figure(plan: Plan, label: str, unit: str) -> Any:
    return next(one for one in evaluate(plan).figures() if (one.label, one.unit) == (label, unit))


def test_results_are_what_the_planner_says_of_the_case() -> None:
    plan = make_plan()
    found = evaluate(plan)
    assert found.fit == fit(plan.case.deployment())
    assert found.estimate == estimate(plan.case.deployment(), plan.case.workload())
    assert (found.verdict, found.gpu_count) == ("fits", 2)


def test_the_pinned_price_decides_the_cost() -> None:
    plan = make_plan((make_offer(),))
    # half of 8 GPUs twice over: two GPUs of an eight-GPU machine pay a quarter of its hour
    assert evaluate(plan).usd_per_hour == Decimal("63.296") / 4
    assert figure(plan, "Cost per month of 730 hours", "USD/month").value == Decimal("11551.52")
    per_mtok = figure(plan, "Output tokens", "USD/Mtok")
    assert 0 < per_mtok.low < per_mtok.value
    assert per_mtok.value < per_mtok.high
    dearer = make_plan((make_offer("126.592"),))
    assert figure(dearer, "Output tokens", "USD/Mtok").value == pytest.approx(
        2 * per_mtok.value, rel=Decimal("1e-4")
    )
    assert "63.296 USD per hour for 8 x H200 SXM, seen 2026-07-20 in price list" in evaluate(plan).price_basis


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (make_plan(), "no price: choose an offer"),
        (make_plan(offer="aws/p5en.48xlarge/us-east-1/on_demand/H200 SXM"), "holds no price of it"),
        (make_plan((make_offer(None),)), "no public price: quote needed"),
        (make_plan((make_offer(gpu="L4"),)), "is of L4, the deployment is on H200 SXM"),
    ],
    ids=["none", "not pinned", "quote", "other GPU"],
)
def test_what_has_no_price_has_no_cost_and_says_why(plan: Plan, reason: str) -> None:
    cost = figure(plan, "Cost per hour", "USD/hour")
    assert cost.value is None
    assert reason in cost.reason
    assert figure(plan, "Output tokens", "USD/Mtok").value is None
    assert figure(plan, "Output throughput", "tokens/s").value > 0, "speed needs no price"


def test_a_price_given_per_gpu_hour_counts_for_every_gpu() -> None:
    assert evaluate(make_plan(usd_per_gpu_hour=3.5)).usd_per_hour == Decimal("7.0")


def test_what_cannot_be_worked_out_is_none_with_the_reason() -> None:
    no_load = make_plan(input_tokens=None, output_tokens=None, concurrency=None)
    assert evaluate(no_load).estimate is None
    assert "input_tokens and output_tokens" in figure(no_load, "Time to first token", "s").reason
    too_big = make_plan(tp=1, weights_dtype="bf16")
    assert evaluate(too_big).verdict == "does not fit"
    unknown = make_plan(gpu="H2O")
    found = evaluate(unknown)
    assert (found.verdict, found.fit) == ("unknown", None)
    assert all(one.value is None and "H2O" in one.reason for one in found.figures())


def test_only_inputs_that_differ_are_listed_and_changes_are_second_minus_first() -> None:
    first = make_plan((make_offer(),), slo={"ttft_s": 0.5})
    second = make_plan((make_offer("40.0"),), tp=4, slo={"ttft_s": 1.0, "tpot_s": 0.05})
    comparison = compare_plans(evaluate(first), evaluate(second))
    offer_id = make_offer().offer_id
    assert {row.name: (row.first, row.second) for row in comparison.inputs} == {
        "tp": ("2", "4"),
        "slo.ttft_s": ("0.5", "1.0"),
        "slo.tpot_s": ("none", "0.05"),
        f"price of {offer_id}": (
            "63.296 USD per hour for 8 x H200 SXM, seen 2026-07-20 in price list",
            "40.0 USD per hour for 8 x H200 SXM, seen 2026-07-20 in price list",
        ),
    }
    rows = {(row.label, row.unit): row for row in comparison.figures}
    per_hour = rows["Cost per hour", "USD/hour"]
    assert per_hour.change == Decimal(20) - Decimal("15.824")
    assert per_hour.relative_change == pytest.approx(4.176 / 15.824)
    assert rows["GPUs", "1"].change == 2


def test_a_plan_against_itself_differs_in_nothing() -> None:
    plan = make_plan((make_offer(),))
    comparison = compare_plans(evaluate(plan), evaluate(plan))
    assert comparison.inputs == ()
    known = [row for row in comparison.figures if row.first.value is not None]
    assert {row.change for row in known} == {0}
    assert len(known) == len(comparison.figures) - 1  # no rate is given, so no slowest first token


def test_an_unknown_figure_has_no_change() -> None:
    comparison = compare_plans(evaluate(make_plan()), evaluate(make_plan(usd_per_gpu_hour=2.0)))
    per_hour = next(row for row in comparison.figures if row.unit == "USD/hour")
    assert (per_hour.first.value, per_hour.change, per_hour.relative_change) == (None, None, None)


def test_inputs_hold_every_field_that_was_given() -> None:
    config = {"model_type": "llama", "rope_scaling": {"factor": 8.0}}
    flat = inputs(make_plan(model=None, config=config))
    assert flat["config.rope_scaling.factor"] == "8.0"
    assert flat["weights_dtype"] == "fp8"
    assert flat["enforce_eager"] == "no"
