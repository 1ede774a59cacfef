"""The month-end forecast: its interval holds the truth four times in five; it says when it cannot know."""

from datetime import date, timedelta

import numpy as np
import pytest

from inferplan.datasets import samples
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.forecast import LEAST_DAYS, MonthForecast, forecast_month
from inferplan.planner.spend import spend

KINDS = ("stable", "noisy", "persisting", "growing", "wandering", "jumping")
MONDAY = date(2026, 6, 1)


def series(kind: str, days: int, random: np.random.Generator) -> np.ndarray:
    """Daily cost with weekends at 60 %, each kind with errors of its own."""
    at = np.arange(days)
    usual = 1000 * np.where(at % 7 < 5, 1.0, 0.6)
    noise = random.standard_normal(days)
    if kind == "noisy":
        return np.maximum(usual * (1 + 0.3 * noise), 0)
    if kind == "persisting":
        error = np.zeros(days)
        for day in range(1, days):
            error[day] = 0.6 * error[day - 1] + 0.1 * noise[day]
        return usual * (1 + error)
    if kind == "growing":
        return usual * (1 + 0.005 * at) * (1 + 0.06 * noise)
    if kind == "wandering":
        return usual * np.exp(np.cumsum(0.03 * noise)) * (1 + 0.05 * random.standard_normal(days))
    if kind == "jumping":
        steps = np.where(random.random(days) < 0.03, random.choice([0.8, 1.25], days), 1.0)
        return usual * np.cumprod(steps) * (1 + 0.04 * noise)
    return usual * (1 + 0.08 * noise)


def forecast(costs: np.ndarray, last: date) -> MonthForecast:
    first = last - timedelta(days=len(costs) - 1)
    found = forecast_month({first + timedelta(days=n): float(cost) for n, cost in enumerate(costs)})
    assert isinstance(found, MonthForecast)
    return found


def test_four_in_five_months_end_within_the_interval() -> None:
    random = np.random.default_rng(7)
    held = []
    for _ in range(12):
        for kind in KINDS:
            for history in (LEAST_DAYS, 28, 45, 77):
                last = MONDAY + timedelta(days=7 * 16 + int(random.integers(0, 5)))
                left = ((last.replace(day=28) + timedelta(days=4)).replace(day=1) - last).days - 1
                whole = series(kind, (last - MONDAY).days + 1 + left, random)
                known = whole[: len(whole) - left][-history:]
                found = forecast(known, last)
                truth = found.spent + whole[len(whole) - left :].sum()
                held.append(found.total.low <= truth <= found.total.high)
    assert 0.75 <= np.mean(held) <= 0.85


def test_days_alike_leave_no_doubt_and_weekdays_are_kept_apart() -> None:
    week = np.array([10.0, 10, 10, 10, 10, 2, 1])
    found = forecast(np.tile(week, 5), date(2026, 10, 11))  # a Sunday
    coming = sum(week[date(2026, 10, day).weekday()] for day in range(12, 32))
    assert (found.month, found.days_left) == (date(2026, 10, 1), 20)
    assert found.spent == sum(week[date(2026, 10, day).weekday()] for day in range(1, 12))
    assert found.total.expected == pytest.approx(found.spent + coming, rel=1e-6)
    assert found.total.high - found.total.low < 1e-6
    assert found.chance_above(found.spent + coming - 1) == 1
    assert found.chance_above(found.spent + coming + 1) == 0


def test_a_month_that_is_over_is_known() -> None:
    found = forecast(np.full(31, 5.0), date(2026, 10, 31))
    assert (found.days_left, found.total) == (0, (155, 155, 155))
    assert (found.chance_above(154), found.chance_above(155)) == (1, 0)


def test_a_longer_way_to_go_is_less_certain_and_the_same_days_give_the_same_answer() -> None:
    days = series("noisy", 60, np.random.default_rng(3))
    early, late = (forecast(days, date(2026, 10, day)) for day in (5, 25))
    assert early.total.high - early.total.low > late.total.high - late.total.low
    assert forecast(days, date(2026, 10, 5)) == early


@pytest.mark.parametrize(
    ("days", "cost", "why"),
    [
        (0, 1.0, "no day"),
        (20, 1.0, "not enough days: 20 of the 21"),
        (30, 0.0, "cost nothing"),
        (30, -1.0, "nothing"),
    ],
)
def test_what_cannot_be_known_is_said(days: int, cost: float, why: str) -> None:
    found = forecast_month({MONDAY + timedelta(days=n): cost for n in range(days)})
    assert isinstance(found, str)
    assert why in found


def test_the_sample_bill_back_tested_day_by_day() -> None:
    with Warehouse.open(MEMORY) as warehouse:
        samples.load(warehouse)
        [statement] = spend(warehouse).statements
    costs = [float(one.cost) for one in statement.days]
    days = [one.day for one in statement.days]
    held = []
    for known in range(LEAST_DAYS, len(costs) - 1):
        found = forecast(np.array(costs[:known]), days[known - 1])
        each = found.daily
        assert each is not None
        held.append(each.low <= np.mean(costs[known:]) <= each.high)
    assert np.mean(held) >= 0.75
