"""A row of a comparison says what ``estimate`` says of the same deployment under the same load."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferplan.dashboard.comparing.row_case import deployment_fields
from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.case import Case
from inferplan.planner.compare import Search, compare
from inferplan.planner.economics import deployment_usd_per_hour, unit_cost
from inferplan.planner.performance import estimate

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
OFFER = Offer(
    provider="test", instance_type="eight", gpu="H100 SXM", gpu_count=8, region="here",
    purchase_option="on_demand", usd_per_hour=Decimal("20.00"), observed_on=date(2026, 11, 1),
    date_basis="test", source="a test",
)  # fmt: skip
ENDS = ("low_", "", "high_")
DRAFTS = st.fixed_dictionaries(
    {"draft_tokens": st.integers(1, 8), "acceptance_rate": st.floats(0, 1)},
    optional={"draft_step_share": st.floats(0, 2)},
)
FEATURES = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["meta-llama/Llama-3.3-70B-Instruct", "Qwen/Qwen3-32B"]),
        "input_tokens": st.integers(1, 6000),
        "output_tokens": st.integers(1, 1000),
        "prefix_cache_hit_rate": st.floats(0, 1),
        "reasoning_multiple": st.sampled_from([0.0, 0.5, 4.0]),
        "calls_per_task": st.integers(1, 5),
    },
    optional={
        "speculative": DRAFTS,
        "draft_model": st.just(LLAMA),
        "request_rate": st.floats(0.01, 100),
        "length_variation": st.floats(0, 2),
        "enable_prefix_caching": st.booleans(),
        "max_num_seqs": st.integers(1, 512),
    },
)


def ranked(case: Case, tp: int, in_flight: int) -> Any:
    with Warehouse.open(MEMORY) as warehouse:
        found = compare(warehouse, [case], [OFFER], Search(tensor_parallel=(tp,), concurrencies=(in_flight,)))
    [row] = [row for _, row in found.ranked.iterrows()]
    return row


@settings(max_examples=15, deadline=None)
@given(features=FEATURES, tp=st.sampled_from([2, 4, 8]), in_flight=st.integers(1, 1024))
def test_speed_and_cost_are_those_of_the_estimate(features: dict[str, Any], tp: int, in_flight: int) -> None:
    case = Case.read({"gpu": "H100 SXM", "weights_dtype": "fp8", "max_model_len": 32768, **features})
    row = ranked(case, tp, in_flight)
    changed = {**deployment_fields(case, row), "request_rate": None, "concurrency": int(row["concurrency"])}
    same = case.model_copy(update=changed)
    found = estimate(same.deployment(), same.workload())
    assert [row[f"ttft_{end}s"] for end in ENDS] == pytest.approx(found.ttft_s)
    assert [row[f"tpot_{end}s"] for end in ENDS] == pytest.approx(found.tpot_s)
    throughput = [row[f"output_tokens_per_s{end}"] for end in ("_low", "", "_high")]
    assert throughput == pytest.approx(found.output_tokens_per_s)
    cost = unit_cost(found, same.workload(), deployment_usd_per_hour(OFFER, "H100 SXM", tp))
    if case.request_rate is None:  # else replicas that the demand does not fill cost more
        assert row["usd_per_request"] == pytest.approx(
            float(cost.usd_per_request.expected), rel=1e-3, abs=1e-6
        )


def test_a_draft_model_costs_its_own_step_and_a_given_share_that_share() -> None:
    load = {"input_tokens": 1000, "output_tokens": 300}
    case = Case.read(
        {"model": "meta-llama/Llama-3.3-70B-Instruct", "gpu": "H100 SXM", "weights_dtype": "fp8", **load}
        | {"max_model_len": 8192, "speculative": {"draft_tokens": 4, "acceptance_rate": 0.7}}
    )
    free = case.speculative.model_copy(update={"draft_step_share": 0.0}) if case.speculative else None
    costs = [
        ranked(case.model_copy(update=changed), 4, 8)["tpot_s"]
        for changed in ({"speculative": free}, {}, {"draft_model": LLAMA, "draft_weights_dtype": "fp8"})
    ]
    assert costs == sorted(costs)
    assert costs[2] > 1.2 * costs[1] > 1.2 * costs[0]
