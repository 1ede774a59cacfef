"""Always on, opening hours or elastic: against sums done by hand and a queue simulated request by request."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from inferplan.dashboard import state
from inferplan.dashboard.__main__ import cli
from inferplan.dashboard.navigation import page_path
from inferplan.datasets.errors import InferplanError
from inferplan.planner.demand import Demand, weekly
from inferplan.planner.opening_hours import OpeningHours
from inferplan.planner.serving_modes import Serving, cheapest_within, compare_modes

MONDAY = datetime(2026, 1, 5)


def demand(*per_hour: float, begin: datetime = MONDAY) -> Demand:
    hours = tuple(begin + timedelta(hours=hour) for hour in range(len(per_hour)))
    return Demand(tuple(Decimal(str(one)) for one in per_hour), "a test", hours)


def serving(**given: object) -> Serving:
    stated = {"requests_per_replica_hour": 3600.0, "usd_per_replica_hour": Decimal(2), "target": 1.0}
    return Serving(**stated | given)


def by_mode(found):
    return {one.mode: one for one in found}


def test_always_on_pays_for_the_peak_and_opening_hours_for_what_is_open() -> None:
    week = weekly(7200, night_share=0, weekend_share=0, first_hour=8, last_hour=20)
    hours = OpeningHours.read("Mon-Fri 8-20", "Europe/Berlin")
    found = by_mode(compare_modes(week, serving(start_up_s=600), hours))
    assert found["always_on"].usd_per_month == Decimal("2920.00")  # 2 replicas x 2 USD x 730
    open_hours = 5 * 12 + 5 * 600 / 3600  # started ten minutes before the doors open
    assert float(found["calendar"].usd_per_month) == pytest.approx(2 * 2 * 730 * open_hours / 168, abs=0.01)
    assert found["calendar"].missed_share == 0
    assert cheapest_within(compare_modes(week, serving(start_up_s=600), hours), 0.0).mode == "calendar"


def test_who_comes_to_closed_doors_is_turned_away() -> None:
    day = demand(*[3600.0] * 24)
    found = by_mode(compare_modes(day, serving(), OpeningHours.read("Mon 6-18", "UTC")))
    assert found["calendar"].turned_away_share == pytest.approx(0.5)
    assert found["calendar"].late_hours_share == pytest.approx(0.5)
    assert found["always_on"].missed_share == 0


def test_scale_to_zero_makes_the_first_requests_wait_for_the_start() -> None:
    quiet_then_busy = demand(*[0.0] * 3, *[1800.0] * 9)
    found = by_mode(compare_modes(quiet_then_busy, serving(start_up_s=300, min_replicas=0)))
    waited = found["elastic"]
    # A minute until it is seen, five until a replica serves 60 a minute: who comes after t of twelve
    # minutes waits 6 - t / 2. In all 16,200 requests come, 30 a minute.
    assert waited.mean_wait_s == pytest.approx(360 * 180 / 16_200, rel=0.02)
    assert waited.p99_wait_s == pytest.approx((6 - 5.4 / 2) * 60, abs=31)
    assert waited.late_share == pytest.approx((12 - 1 / 3) * 30 / 16_200, rel=0.05)
    kept = by_mode(compare_modes(quiet_then_busy, serving(start_up_s=300, min_replicas=1)))["elastic"]
    assert kept.missed_share == 0
    assert kept.mean_replicas == 1


def test_a_replica_that_starts_slower_costs_more_waiting() -> None:
    steps = demand(*[1000.0, 20_000.0] * 12)
    late = [
        by_mode(compare_modes(steps, serving(start_up_s=seconds, target=0.7)))["elastic"].late_share
        for seconds in (0, 120, 600)
    ]
    assert late == sorted(late)
    assert late[0] < 0.07 < late[1] < 0.2 < late[2]


def test_waits_are_those_of_a_queue_of_single_requests() -> None:
    """3,600 served an hour, 7,200 come in the first of three: the queue is simulated one by one."""
    one_replica = serving(most_replicas=1, start_up_s=0)
    found = by_mode(compare_modes(demand(7200.0, 0.0, 0.0), one_replica))["elastic"]
    arrivals = (np.arange(7200) + 0.5) / 2.0
    free, waits = 0.0, []
    for at in arrivals:
        begin = max(at, free)
        free = begin + 1.0
        waits.append(begin - at)
    assert found.mean_wait_s == pytest.approx(np.mean(waits), rel=0.02)
    assert found.p99_wait_s == pytest.approx(np.quantile(waits, 0.99), rel=0.02)


@settings(max_examples=60, deadline=None)
@given(
    hours=st.lists(st.floats(0, 50_000), min_size=1, max_size=60).filter(lambda found: max(found) > 1),
    start=st.sampled_from([0.0, 90.0, 900.0]), least=st.integers(0, 3), keep=st.sampled_from([0.0, 300.0]),
)  # fmt: skip
def test_no_way_serves_what_never_came_or_costs_more_than_the_peak(hours, start, least, keep) -> None:
    options = serving(start_up_s=start, min_replicas=least, keep_s=keep, target=0.8)
    found = by_mode(compare_modes(demand(*hours), options, OpeningHours.read("0-24", "UTC")))
    always = found["always_on"]
    assert always.missed_share == 0
    assert always.mean_wait_s == 0
    assert found["elastic"].usd_per_month <= always.usd_per_month
    assert found["elastic"].replicas.min() >= min(least, always.most_replicas)
    for one in found.values():
        assert 0 <= one.missed_share <= 1 + 1e-9
        assert one.replicas.max() <= always.most_replicas
    assert found["calendar"].missed_share == 0


def test_clocks_that_change_move_the_doors() -> None:
    hours = OpeningHours.read("Mon-Sun 2:30-3:30", "Europe/Berlin")
    spring = [datetime(2026, 3, 29, hour) for hour in range(4)]  # 2:00 to 3:00 is skipped
    autumn = [datetime(2026, 10, 25, hour) for hour in range(4)]  # 2:00 to 3:00 comes twice
    assert hours.open_minutes(spring).sum(axis=1).tolist() == [0, 30, 0, 0]
    assert hours.open_minutes(autumn).sum(axis=1).tolist() == [30, 30, 30, 0]
    night = OpeningHours.read("Fri 22-6", "America/New_York")
    friday = [datetime(2026, 7, 11, hour) for hour in range(12)]  # Saturday UTC, from Friday 20:00
    assert night.open_minutes(friday).sum() == 8 * 60


@pytest.mark.parametrize("text", ["", "Mon-Foo 8-20", "8", "Mon 20-25:10", "Mon 8:75-20", "Mon 8-8"])
def test_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InferplanError):
        OpeningHours.read(text, "UTC")
    with pytest.raises(InferplanError, match="IANA"):
        OpeningHours.read("8-20", "Europe/Nowhere")


@pytest.mark.parametrize(
    "given",
    [
        {"requests_per_replica_hour": 0.0},
        {"usd_per_replica_hour": Decimal(0)},
        {"target": 1.5},
        {"start_up_s": -1},
        {"min_replicas": -1},
        {"most_replicas": 1, "min_replicas": 2},
    ],
)
def test_what_cannot_be_is_refused(given) -> None:
    with pytest.raises(InferplanError):
        serving(**given)
    with pytest.raises(InferplanError, match="say what one serves"):
        compare_modes(demand(1e9), serving(requests_per_replica_hour=1.0))


def test_the_command_and_the_page_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "demand.csv"
    file.write_text("\n".join(["1000"] * 100 + ["9000"] * 68))
    found = CliRunner().invoke(
        cli,
        ["modes", "--demand", str(file), "--requests-per-replica-hour", "4000", "--usd-per-replica-hour",
         "6.88", "--hours", "Mon-Fri 8-20", "--time-zone", "Europe/Berlin"],
    )  # fmt: skip
    assert found.exit_code == 0
    assert "always_on  15067.20" in found.output  # 3 replicas at 80 % of 4,000 an hour: 3 x 6.88 x 730
    app = AppTest.from_file(str(Path(state.__file__).with_name("app.py")), default_timeout=60).run()
    app.session_state["inferplan.economics.tab"] = "Always on or elastic"
    app.switch_page(str(page_path("economics"))).run()
    assert not app.exception
    assert not app.error
    table = next(one.value for one in app.dataframe if "mode" in one.value)
    assert list(table["mode"]) == ["Always on", "Opening hours", "Elastic"]
    assert table["usd"].idxmax() == 0
    app.text_input(key="inferplan.economics.hours").set_value("Mon-Foo 8-20").run()
    assert "no day" in app.error[0].value
