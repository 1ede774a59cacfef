"""What an hour of owned hardware costs: depreciation, power, colocation and the share of staff."""

from decimal import Decimal
from typing import Annotated, NamedTuple

from pydantic import Field

from inferplan.datasets.schema import Row
from inferplan.pricing.money import trimmed

HOURS_PER_YEAR = Decimal(8760)
_MONTHS_PER_YEAR = Decimal(12)
_SHOWN = Decimal("0.000001")

NotNegative = Annotated[Decimal, Field(ge=0)]


class OwnedMachine(Row):
    """A machine that was bought; every amount is for the whole machine."""

    purchase_usd: Annotated[Decimal, Field(gt=0)]
    residual_usd: NotNegative = Decimal(0)
    """What it is sold for at the end."""
    depreciation_years: Annotated[Decimal, Field(gt=0, le=15)]
    power_w: NotNegative = Decimal(0)
    """Average draw at the wall, without cooling."""
    pue: Annotated[Decimal, Field(ge=1, le=3)] = Decimal(1)
    """Power of the building per power of the machine."""
    electricity_usd_per_kwh: NotNegative = Decimal(0)
    colocation_usd_per_month: NotNegative = Decimal(0)
    staff_usd_per_month: NotNegative = Decimal(0)


class HourlyRate(NamedTuple):
    """USD per hour and the parts that sum to it."""

    usd_per_hour: Decimal
    parts: tuple[tuple[str, Decimal], ...]

    @property
    def derivation(self) -> str:
        """The sum in words, for the notes beside the price."""
        parts = " + ".join(f"{label} {trimmed(amount)}" for label, amount in self.parts if amount)
        return f"{trimmed(self.usd_per_hour)} USD per hour = {parts}"


def hourly_rate(machine: OwnedMachine) -> HourlyRate:
    """Return what an hour costs when the machine stands there all 8,760 hours of a year, busy or not.

    (purchase - residual) / (years x 8760) + kW x PUE x tariff + (colocation + staff) x 12 / 8760.

    >>> machine = OwnedMachine(purchase_usd=262800, depreciation_years=5, power_w=10000,
    ...                        pue="1.2", electricity_usd_per_kwh="0.1")
    >>> hourly_rate(machine).derivation
    '7.2 USD per hour = depreciation 6 + power 1.2'
    """
    monthly = _MONTHS_PER_YEAR / HOURS_PER_YEAR
    parts = (
        (
            "depreciation",
            (machine.purchase_usd - machine.residual_usd) / (machine.depreciation_years * HOURS_PER_YEAR),
        ),
        ("power", machine.power_w / 1000 * machine.pue * machine.electricity_usd_per_kwh),
        ("colocation", machine.colocation_usd_per_month * monthly),
        ("staff", machine.staff_usd_per_month * monthly),
    )
    rounded = tuple((label, amount.quantize(_SHOWN)) for label, amount in parts)
    return HourlyRate(sum((amount for _, amount in rounded), Decimal(0)), rounded)
