"""A change of cost is explained to the cent, each driver alone by what it alone did."""

import random
from decimal import Decimal

import pytest

from inferplan.datasets.errors import InferplanError
from inferplan.pricing.waterfall import CENT, ServedModel, cost_usd, explain_change


def served(tokens: int, speed: int = 1000, price: str = "10", use: str = "0.5") -> ServedModel:
    return ServedModel(Decimal(tokens), Decimal(speed), Decimal(price), Decimal(use))


BEFORE = {"a": served(1_000_000), "b": served(3_000_000, speed=3000)}  # 20,000 + 20,000 USD


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (
            {"a": served(1_000_000, price="8"), "b": served(3_000_000, speed=3000, price="8")},
            (-8000, 0, 0, 0),
        ),
        ({"a": served(2_000_000), "b": served(6_000_000, speed=3000)}, (0, 40_000, 0, 0)),
        ({"a": served(1_000_000, use="1"), "b": served(3_000_000, speed=3000, use="1")}, (0, 0, -20_000, 0)),
        ({"a": served(4_000_000)}, (0, 0, 0, 40_000)),
        ({**BEFORE, "c": served(4_000_000, speed=8000)}, (0, 40_000, 0, -30_000)),
        # Half the price of twice the tokens: the price first, then the volume at the new price.
        (
            {"a": served(2_000_000, price="5"), "b": served(6_000_000, speed=3000, price="5")},
            (-20_000, 20_000, 0, 0),
        ),
    ],
)
def test_each_driver_is_credited_with_its_own_effect(
    after: dict[str, ServedModel], expected: tuple[int, ...]
) -> None:
    found = explain_change(BEFORE, after)
    assert [step.label for step in found.steps] == ["price", "volume", "utilization", "model mix"]
    assert tuple(step.usd for step in found.steps) == expected


@pytest.mark.parametrize("seed", range(40))
def test_the_steps_sum_to_the_cent(seed: int) -> None:
    drawn = random.Random(seed)

    def period() -> dict[str, ServedModel]:
        return {
            name: served(drawn.randint(1, 10**9), drawn.randint(1, 10**6), f"{drawn.uniform(0.1, 99):.4f}",
                         f"{drawn.uniform(0.01, 1):.3f}")
            for name in drawn.sample("abcdef", drawn.randint(1, 5))
        }  # fmt: skip

    before, after = period(), period()
    found = explain_change(before, after)
    assert found.before_usd == cost_usd(before).quantize(CENT)
    assert found.after_usd == cost_usd(after).quantize(CENT)
    assert found.before_usd + sum(step.usd for step in found.steps) == found.after_usd


def test_a_period_without_speed_is_refused() -> None:
    with pytest.raises(InferplanError, match="a: speed"):
        explain_change(BEFORE, {"a": served(1, speed=0)})
