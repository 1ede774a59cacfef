"""The waterfall sums to the bill exactly, and each part is what the telemetry says."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from inferplan.datasets.exports import import_file
from inferplan.datasets.uploads.landing import land_series
from inferplan.datasets.uploads.reading import Labels, Series
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.spend import spend, used_hour_cost

START_S = round(datetime(2026, 10, 5, tzinfo=UTC).timestamp())
HOUR = ("2026-10-05T00:00:00Z", "2026-10-05T10:00:00Z")


@pytest.fixture
def warehouse():
    with Warehouse.open(MEMORY) as opened:
        yield opened


def bill(folder: Path, *lines: dict[str, str]) -> Path:
    base = {
        "ChargePeriodStart": HOUR[0], "ChargePeriodEnd": HOUR[1], "ChargeCategory": "Usage",
        "BillingCurrency": "USD",        "BilledCost": "0", "EffectiveCost": "0",
        "CommitmentDiscountStatus": "",
        "ResourceId": "", "ResourceName": "",        "Tags": "", "SkuPriceDetails": "",
    }  # fmt: skip
    text = io.StringIO()
    writer = csv.DictWriter(text, base)
    writer.writeheader()
    writer.writerows(base | line for line in lines)
    path = folder / "bill.csv"
    path.write_text(text.getvalue())
    return path


def telemetry(
    host: str, activity: list[float], pod: str | None, running: float = 0.0, tokens: float = 0.0
) -> list:
    """One GPU with a level of SM activity per hour, in five-minute samples."""
    place = Labels(
        gpu_uuid=f"GPU-{host}",
        host=host,
        instance_id=f"i-{host}",
        pod=pod,
        namespace="n",
        model="m" if pod else None,
    )
    values = np.repeat(activity, 12)
    times = (START_S + np.arange(len(values)) * 300) * 1_000_000
    found = [(Series("sm_active_ratio", place), times, values)]
    if pod:
        found.append((Series("requests_running", place), times, np.full(len(values), running)))
        found.append((Series("generation_tokens", place), times, np.full(len(values), tokens)))
    return found


def test_each_part_of_ten_hours(tmp_path: Path, warehouse: Warehouse) -> None:
    land_series(warehouse, "t", "t", "t", [
        *telemetry("a", [0.0] * 5 + [0.4] * 5, "pod-a"),  # half idle, half loaded at half the target
        *telemetry("b", [0.0, 0.0, 0.5, 0.5], None),  # nobody's, then a stranger's; six hours without samples
    ])  # fmt: skip
    import_file(
        warehouse,
        bill(
            tmp_path,
            {"ResourceId": "i-a", "EffectiveCost": "100", "BilledCost": "100"},
            {"ResourceId": "i-b", "EffectiveCost": "10"},
            {"ResourceId": "i-nobody-knows", "EffectiveCost": "7"},
            {"CommitmentDiscountStatus": "Unused", "EffectiveCost": "18.03"},
            {"ChargeCategory": "Tax", "EffectiveCost": "4.73"},
            {"ChargeCategory": "Purchase", "BilledCost": "195"},
        ),
    )
    (found,) = spend(warehouse).statements
    assert found.parts == {
        "unused_commitment": Decimal("18.03"), "unallocated": Decimal(2), "allocated_idle": Decimal(50),
        "loaded_headroom": Decimal("25.75"), "useful": Decimal("26.25"), "unknown": Decimal(13),
        "shared": Decimal("4.73"),
    }  # fmt: skip
    assert found.effective_cost == sum(found.parts.values()) == Decimal("139.76")
    assert found.billed_cost == 295


def test_silent_sms_while_requests_run_are_not_idle(tmp_path: Path, warehouse: Warehouse) -> None:
    land_series(warehouse, "t", "t", "t", telemetry("a", [0.0] * 10, "pod-a", running=1.0))
    import_file(warehouse, bill(tmp_path, {"ResourceId": "i-a", "EffectiveCost": "10"}))
    (found,) = spend(warehouse).statements
    assert (found.parts["allocated_idle"], found.parts["loaded_headroom"]) == (0, 10)


def test_unseen_gpus_of_a_machine_are_unknown(tmp_path: Path, warehouse: Warehouse) -> None:
    land_series(warehouse, "t", "t", "t", telemetry("a", [0.8] * 10, "pod-a", running=1.0))
    machine = '{"InstanceType":"p5.48xlarge","GpuCount":8}'
    path = bill(tmp_path, {"ResourceId": "i-a", "EffectiveCost": "800", "SkuPriceDetails": machine})
    import_file(warehouse, path)
    (found,) = spend(warehouse).statements
    assert (found.parts["useful"], found.parts["unknown"]) == (100, 700)


def test_cost_of_tokens_and_of_a_used_hour(tmp_path: Path, warehouse: Warehouse) -> None:
    land_series(warehouse, "t", "t", "t", telemetry("a", [0.8] * 10, "pod-a", running=1.0, tokens=50_000))
    import_file(warehouse, bill(tmp_path, {"ResourceId": "i-a", "EffectiveCost": "12"}))
    [found] = spend(warehouse).statements[0].tokens
    assert found.generated_tokens == 6_000_000
    assert found.per_mtok_generated == Decimal("2.000000")
    assert used_hour_cost(Decimal("4.00"), 0.25) == Decimal("16.00")
