"""The effective rate of a GPU-hour: what the bill amortises, over the GPU-hours that it paid for."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from inferplan.datasets.exports import import_file
from inferplan.datasets.uploads.landing import land_series
from inferplan.datasets.uploads.reading import Labels, Series
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.spend import spend
from inferplan.planner.spend_rates import effective_rates

DAY = ("2026-10-05T00:00:00Z", "2026-10-06T00:00:00Z")
HEAD = (
    "ChargePeriodStart,ChargePeriodEnd,ChargeCategory,CommitmentDiscountStatus,BillingCurrency,BilledCost,"
    "EffectiveCost,ListCost,ConsumedQuantity,ConsumedUnit,ResourceId,ChargeDescription\n"
)


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse.open(MEMORY) as opened:
        place = Labels(gpu_uuid="GPU-a", host="node-a", instance_id="i-a")
        times_us, values = np.array([0, 300_000_000]), np.array([0.5, 0.5])
        land_series(opened, "t", "t", "t", [(Series("sm_active_ratio", place), times_us, values)])
        yield opened


def line(cost: str, quantity: str, unit: str, status: str = "", currency: str = "USD", what: str = "") -> str:
    return f"{DAY[0]},{DAY[1]},Usage,{status},{currency},0,{cost},{cost},{quantity},{unit},i-a,{what}\n"


def imported(warehouse: Warehouse, folder: Path, *lines: str) -> None:
    (folder / "bill.csv").write_text(HEAD + "".join(lines))
    import_file(warehouse, folder / "bill.csv")


def test_hours_of_a_machine_count_all_its_gpus_and_corrections_lower_the_rate(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    imported(
        warehouse,
        tmp_path,
        line("400", "10", "Hours", "Used", what="p5.48xlarge Linux"),  # 80 GPU-hours
        line("0.5", "12", "GB"),  # traffic of the same machine
        line("-40.5", "", ""),
    )
    rate = effective_rates(warehouse).of("GPU-A", "elsewhere")
    assert rate is not None
    assert (rate.gpu_hours, rate.per_gpu_hour, rate.currency) == (80.0, Decimal("4.500000"), "USD")
    assert rate.committed_share == 1.0  # the rest of the cost is a correction
    assert rate.basis.startswith("effective cost of i-a on the bill from 2026-10-05 to 2026-10-05")
    assert effective_rates(warehouse).of("node-a") == effective_rates(warehouse).of("i-a") == rate


def test_gpu_hours_are_taken_as_billed_and_a_line_without_a_unit_pays_for_its_period(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    imported(warehouse, tmp_path, line("20", "16", "GPU-Hours"))
    rate = effective_rates(warehouse).of("node-a")
    assert rate is not None
    assert (rate.gpu_hours, rate.per_gpu_hour) == (16.0, Decimal("1.250000"))
    imported(warehouse, tmp_path, line("48", "", "", what="second bill"))
    rate = effective_rates(warehouse, [3]).of("node-a")
    assert rate is not None
    assert (rate.gpu_hours, rate.per_gpu_hour) == (24.0, Decimal("2.000000"))


def test_two_currencies_have_no_rate(warehouse: Warehouse, tmp_path: Path) -> None:
    imported(
        warehouse, tmp_path, line("20", "16", "GPU-Hours"), line("20", "16", "GPU-Hours", currency="EUR")
    )
    assert effective_rates(warehouse).of("node-a") is None


@pytest.mark.parametrize(
    ("quantity", "unit", "hours"),
    [
        ("6", "Hours", 6), ("21600", "seconds", 6), ("360", "Minutes", 6), ("0.25", "Day", 6),
        ("6", "1 Hour", 6), ("21600", "GPU-Seconds", 6), ("172800", "seconds", 24), ("6", "GB-Hours", None),
        ("6", "Units", None),
    ],
)  # fmt: skip
def test_any_unit_of_time_pays_for_time(
    warehouse: Warehouse, tmp_path: Path, quantity: str, unit: str, hours: float | None
) -> None:
    """Of what is paid for ten minutes were seen; what is paid by gigabyte is paid for what was seen."""
    place, begin_us = Labels(gpu_uuid="GPU-a", host="node-a", instance_id="i-a"), 1_791_158_400_000_000
    samples = np.array([begin_us, begin_us + 300_000_000]), np.array([0.5, 0.5])
    land_series(warehouse, "d", "d", "d", [(Series("sm_active_ratio", place), *samples)])
    imported(warehouse, tmp_path, line("12", quantity, unit))
    (found,) = spend(warehouse).statements
    if hours is None:
        assert (found.parts["unknown"], found.gpu_hours.paid) == (0, 0)
    else:
        assert found.gpu_hours.paid == pytest.approx(hours)
        assert float(found.parts["unknown"]) == pytest.approx(12 * (1 - 1 / 6 / hours))


def test_a_refund_lowers_the_cost_of_an_hour_everywhere(warehouse: Warehouse, tmp_path: Path) -> None:
    hourly = [
        line("2", "1", "Hours").replace(DAY[0], f"2026-10-05T{hour:02d}:00:00Z").replace(
            DAY[1], f"2026-10-05T{hour + 1:02d}:00:00Z")
        for hour in range(12)
    ]  # fmt: skip
    imported(warehouse, tmp_path, *hourly, line("-12", "0", "Hours"), line("6", "12", "GB"))
    (found,) = spend(warehouse).statements
    rate = effective_rates(warehouse).of("node-a")
    assert rate is not None
    assert found.gpu_hours.per_paid_hour == rate.per_gpu_hour == Decimal("1.5")
