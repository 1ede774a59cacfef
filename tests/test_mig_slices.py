"""A GPU has as many compute slices as the catalog says: seven, or four of an A30 and an RTX PRO 6000."""

from dataclasses import fields
from decimal import Decimal

import pytest

from inferplan.datasets import catalog
from inferplan.planner.rightsizing.rules.mig_slice import _slices
from inferplan.planner.rightsizing.unit import Unit


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
