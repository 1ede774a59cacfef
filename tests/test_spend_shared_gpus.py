"""What processes, models, exports and days share: an hour of a GPU is one hour, and a line is one line."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferplan.datasets.uploads.landing import land_series
from inferplan.datasets.uploads.reading import BillLine, Labels, Series
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.spend import Statement, spend

DAY = datetime(2026, 10, 5)
BEGIN_S = round(DAY.replace(tzinfo=UTC).timestamp())


def seen(name: str | None, begin: int, steps: int, activity: float = 0.4):
    """The GPU's activity in steps of five minutes, told of a process of team ``name`` or of nobody."""
    place = Labels(gpu_uuid="GPU-a", host="node-a")
    if name:
        place = Labels(gpu_uuid="GPU-a", host="node-a", pod=f"{name}-0", model=name, team=name)
    return Series("sm_active_ratio", place), (BEGIN_S + (begin + np.arange(steps)) * 300) * 1_000_000, (
        np.full(steps, activity)
    )  # fmt: skip


def a_day_at_24(*series, days: int = 1) -> Statement:
    line = BillLine(
        line=1, period_start=DAY, period_end=DAY + timedelta(days=days), charge_category="Usage",
        currency="USD", effective_cost=Decimal(24 * days), billed_cost=Decimal(24 * days),
        resource_id="node-a", gpu_count=1.0,
    )  # fmt: skip
    with Warehouse.open(MEMORY) as warehouse:
        for number, one in enumerate(series):
            land_series(warehouse, f"{number}", f"{number}", "t", [one], [line] if number == 0 else [])
        (found,) = spend(warehouse).statements
    return found


def test_an_export_that_names_no_process_takes_nothing_from_the_one_that_does() -> None:
    """Half of the day a process was there; in the other half nobody is named."""
    found = a_day_at_24(seen("red", 0, 144), seen(None, 0, 288))
    (red,) = found.tokens
    assert (red.effective_cost, red.gpu_hours) == (12, 12)
    assert (found.gpu_hours.seen, found.gpu_hours.paid) == (24, 24)
    assert found.parts["useful"] == found.parts["loaded_headroom"] == 12


def test_processes_that_share_a_gpu_share_its_hours() -> None:
    found = a_day_at_24(seen("red", 0, 288), seen("blue", 0, 144))
    costs = {one.team: (one.effective_cost, one.gpu_hours) for one in found.tokens}
    assert costs == {"red": (18, 18), "blue": (6, 6)}
    assert found.gpu_hours.seen == 24
    assert found.gpu_hours.activity == pytest.approx(0.4)


def tokens(pod: str, model: str, each: float):
    times = (BEGIN_S + np.arange(288) * 300) * 1_000_000
    return Series("generation_tokens", Labels(pod=pod, model=model)), times, np.full(288, each)


def test_models_of_one_process_are_one_row_with_all_of_their_tokens() -> None:
    gpu, times, values = seen("red", 0, 288)
    unnamed = Series(gpu.metric, replace(gpu.labels, model=None)), times, values
    (both,) = a_day_at_24(unnamed, tokens("red-0", "small", 100.0), tokens("red-0", "large", 300.0)).tokens
    assert (both.model, both.effective_cost, both.generated_tokens) == ("large + small", 24, 400 * 288)


def test_exports_of_one_counter_that_overlap_are_the_same_tokens() -> None:
    """A day by the hour, the morning by five minutes and the forenoon by ten: 1,200 tokens an hour."""

    def export(step_s: int, begin_h: int, end_h: int, **team: str):
        at = np.arange(begin_h * 3600 + step_s, end_h * 3600 + 1, step_s)
        place = Labels(pod="red-0", model="red", **team)
        return Series("generation_tokens", place), (BEGIN_S + at) * 1_000_000, np.full(len(at), step_s / 3.0)

    exports = export(3600, 0, 24), export(300, 0, 8, team="red"), export(600, 6, 12)
    (found,) = a_day_at_24(seen("red", 0, 288), *exports).tokens
    assert found.generated_tokens == pytest.approx(24 * 1200)


def test_the_engine_knows_better_than_the_gpus_labels_which_model_it_serves() -> None:
    (found,) = a_day_at_24(seen("red", 0, 288), tokens("red-0", "org/Red-7B", 100.0)).tokens
    assert (found.model, found.effective_cost, found.generated_tokens) == ("org/Red-7B", 24, 28_800)


def test_days_of_one_line_cost_the_same_whether_they_were_seen_or_not() -> None:
    found = a_day_at_24(seen("red", 0, 288), days=3)
    assert [one.cost for one in found.days] == [24, 24, 24]
    assert [one.parts.get("unknown", 0) for one in found.days] == [0, 24, 24]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["red", "blue", "green", None]), st.integers(0, 250), st.integers(2, 288)),
        min_size=1, max_size=5, unique_by=lambda one: one[0],
    )
)  # fmt: skip
def test_no_more_is_seen_than_there_was(told) -> None:
    found = a_day_at_24(*(seen(name, begin, min(steps, 288 - begin)) for name, begin, steps in told))
    steps_seen = {step for _, begin, steps in told for step in range(begin, min(begin + steps, 288))}
    assert found.gpu_hours.seen <= 24 + 1e-9
    assert sum(one.gpu_hours for one in found.tokens) <= found.gpu_hours.seen + 1e-9
    assert found.gpu_hours.seen >= len(steps_seen) / 12 - 1e-9
    assert sum(found.parts.values()) == 24
    spent = float(found.parts["useful"] + found.parts["loaded_headroom"])
    assert spent == pytest.approx(found.gpu_hours.seen, abs=1e-6)  # at a dollar an hour
