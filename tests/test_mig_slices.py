"""A GPU has as many compute slices as the catalog says: seven, or four of an A30 and an RTX PRO 6000."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from measured_fleet import advise, idle_member, member

from inferplan.datasets import catalog
from inferplan.datasets.uploads.landing import land_series
from inferplan.datasets.uploads.reading import BillLine, Labels, Series
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.rightsizing.rules.mig_slice import _slices
from inferplan.planner.rightsizing.unit import Unit
from inferplan.planner.spend import spend


def slice_of(gpu_name: str, profile: str) -> Unit:
    said = dict.fromkeys((field.name for field in fields(Unit)), None)
    gpu = catalog.gpu(gpu_name)
    return Unit(**said | {"key": "m", "gpus": ("m",), "statistics": {}, "gpu": gpu, "mig_profile": profile})


@pytest.mark.parametrize(
    ("gpu", "profile", "share"),
    [
        ("A100 SXM 80GB", "1g.10gb", Decimal(1) / 7),
        ("A30", "2g.12gb", Decimal("0.5")),
        ("RTX PRO 6000 Blackwell Server", "1g.24gb", Decimal("0.25")),
    ],
)
def test_a_slice_is_its_share_of_the_compute_slices(gpu: str, profile: str, share: Decimal) -> None:
    assert slice_of(gpu, profile).gpus_held == share


@pytest.mark.parametrize(
    ("gpu", "shares"),
    [
        ("A30", {"1g.6gb": 0.25, "2g.12gb": 0.5}),
        ("RTX PRO 6000 Blackwell Server", {"1g.24gb": 0.25, "2g.48gb": 0.5}),
        (
            "H100 SXM",
            {"1g.10gb": 1 / 7, "1g.20gb": 1 / 7, "2g.20gb": 2 / 7, "3g.40gb": 3 / 7, "4g.40gb": 4 / 7},
        ),
    ],
)
def test_the_whole_gpu_is_no_slice_to_move_to(gpu: str, shares: dict[str, float]) -> None:
    found = catalog.gpu(gpu)
    assert {one.name: one.sm_share for one in _slices(found, found.memory_total_bytes)} == shares


@pytest.mark.parametrize(
    ("gpu_name", "profile", "share"),
    [
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "1g.24gb", Decimal("0.25")),
        ("NVIDIA A30", "1g.6gb", Decimal("0.25")),
        ("NVIDIA A100-SXM4-80GB MIG 2g.20gb", "2g.20gb", Decimal(2) / 7),
        (None, "3g.40gb", Decimal(3) / 7),
        ("NVIDIA A30", None, Decimal("0.25")),
        (None, None, Decimal(1) / 7),
    ],
)
def test_a_slice_bears_its_share_of_the_gpus_bill(gpu_name, profile, share: Decimal) -> None:
    """It is as busy as counts as full all day long, and nothing is known of the rest of the GPU."""
    day = datetime(2026, 10, 5)
    times = (round(day.replace(tzinfo=UTC).timestamp()) + np.arange(288) * 300) * 1_000_000
    place = Labels(gpu_uuid="GPU-m", mig_id="1", mig_profile=profile, gpu_name=gpu_name, host="n", pod="p")
    line = BillLine(
        line=1, period_start=day, period_end=day + timedelta(days=1), charge_category="Usage", currency="USD",
        effective_cost=Decimal(70), billed_cost=Decimal(70), resource_id="n", gpu_count=1.0,
    )  # fmt: skip
    series = [(Series("sm_active_ratio", place), times, np.full(288, 0.8))]
    with Warehouse.open(MEMORY) as warehouse:
        land_series(warehouse, "b", "b", "focus", series, [line])
        (found,) = spend(warehouse).statements
    assert float(found.parts["useful"]) == pytest.approx(float(70 * share), abs=1e-9)
    assert found.parts["useful"] + found.parts["unknown"] == 70


def sliced(fleet: list, profile: str | None, number: int) -> list:
    """The same on slice ``number`` of one GPU."""
    return [
        (replace(one, labels=replace(one.labels, gpu_uuid="GPU-1", mig_id=str(number), mig_profile=profile)),
         times, values)
        for one, times, values in fleet
    ]  # fmt: skip


def test_a_slice_that_is_not_named_is_no_whole_gpu() -> None:
    """Giving it back saves the least slice there is."""
    with Warehouse.open(MEMORY) as empty:
        (found,) = advise(empty, sliced(idle_member(), None, 3))
    assert found.action == "terminate"
    assert found.savings.expected == (Decimal("27.44") / 8 / 7 * 730).quantize(Decimal("0.01"))


def test_replicas_on_slices_are_replicas_apart_from_those_on_whole_gpus() -> None:
    def replica(number: int) -> list:
        return member(pod=f"svc-7c9d5b7f6c-{number}aaaa", uuid=f"GPU-{number}", sm=0.3, dram=0.2, kv=0.2)

    slices = [sliced(replica(number), "2g.20gb", number) for number in range(5)]
    with Warehouse.open(MEMORY) as empty:
        found = advise(empty, *slices, replica(8), replica(9))
    fewer, *kept = found
    assert fewer.title == "Run 3 replicas instead of 5"  # 5 x 0.3 / 0.8 x 29 / 28 is 2, and a spare one
    assert fewer.gpu_name == "A100 SXM 80GB"
    assert fewer.savings.expected == (2 * Decimal("27.44") / 8 * 2 / 7 * 730).quantize(Decimal("0.01"))
    assert {entity for one in kept for entity in one.entities} == {
        "prod/svc-7c9d5b7f6c-8aaaa", "prod/svc-7c9d5b7f6c-9aaaa"
    }  # fmt: skip
