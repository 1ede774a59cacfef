"""Why one plan costs more than another: each driver alone, and always to the cent."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from inferplan.datasets.errors import InferplanError
from inferplan.planner.case import Case
from inferplan.planner.plan import Plan
from inferplan.planner.plan_change import explain_plans
from inferplan.planner.plan_results import evaluate

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
    found = explain_plans(first, second)
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
        explain_plans(make_plan(), make_plan(usd_per_gpu_hour=None))
