"""Energy comes as a range with its sources, and is none where nobody has published one."""

from decimal import Decimal

import pytest

from inferplan.datasets.errors import InferplanError
from inferplan.pricing.energy import energy, pue, regional


def test_sources_disagree_and_both_are_named() -> None:
    sydney = regional("grid_carbon", "ap-southeast-2")
    assert sydney is not None
    assert sydney.low < 500 < 700 < sydney.high
    assert len(sydney.figures) >= 3
    assert all(figure.source in sydney.basis for figure in sydney.figures)


def test_a_tariff_is_in_dollars_or_not_given() -> None:
    virginia = regional("electricity_price", "us-east-1")
    assert virginia is not None
    assert (virginia.low, virginia.high, virginia.unit) == (Decimal("0.0892"), Decimal("0.1301"), "USD/kWh")
    assert regional("electricity_price", "mars-north-1") is None


def test_the_providers_pue_differ_from_a_room_s() -> None:
    cloud, room, unknown = pue("gcp"), pue("owned"), pue("somebody else")
    assert cloud is not None
    assert room is not None
    assert unknown is not None
    assert (cloud.high, room.high, unknown.low) == (Decimal("1.09"), Decimal("1.63"), Decimal("1.25"))


def test_without_a_tariff_there_is_no_amount() -> None:
    found = energy(
        load_w=Decimal(700),
        idle_w=Decimal(70),
        busy_share=Decimal("0.3"),
        hours=Decimal(730),
        pue_ratio=Decimal(1),
    )
    assert found.kwh == Decimal("189.07")  # 730 * (0.3 * 0.7 + 0.7 * 0.07)
    assert found.usd is None
    assert found.kg_co2e is None
    with pytest.raises(InferplanError, match="busy share"):
        energy(
            load_w=Decimal(1),
            idle_w=Decimal(0),
            busy_share=Decimal(2),
            hours=Decimal(1),
            pue_ratio=Decimal(1),
        )
