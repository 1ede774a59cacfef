"""An invented bill of the invented fleet: every kind of line that a real one has. Nothing here was paid.

Rates per GPU-hour are list prices of the machines in us-east-1 (facts/offers.csv, 2026-07-20).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from inferplan.datasets.samples.fleet import DAYS, MEMBERS, SEED, START, Member
from inferplan.datasets.uploads.reading import BillLine

ACCOUNT = "sample account"
UNJOINED_HOST = "sample-rerank-0"
"""A machine that the bill calls by a name of its own, for somebody to link."""
UNJOINED_RESOURCE = "vm-rerank-7f3a"
_LIST = {
    "p5.48xlarge": Decimal("6.88"), "p5.4xlarge": Decimal("6.88"), "p4de.24xlarge": Decimal("3.43088"),
    "g6e.xlarge": Decimal("1.861"), "g6e.2xlarge": Decimal("2.24208"), "g5.2xlarge": Decimal("1.212"),
}  # fmt: skip
_COMMITTED = {"sample-big-0": Decimal("0.62"), "sample-qwen-0": Decimal("0.70")}
"""Hosts that a commitment covers, with its price as a share of the list price."""
_UNUSED_PER_DAY = Decimal("21.48")
_DEVELOPMENT = ("llm-trial", "evaluation")
_CENT = Decimal("0.01")
_DAY = timedelta(days=1)


def lines() -> Iterator[BillLine]:
    """Yield the lines of the bill, numbered."""
    for number, fields in enumerate(_lines(), start=1):
        yield BillLine(line=number, currency="USD", account=ACCOUNT, **fields)


def _lines() -> Iterator[dict[str, Any]]:
    begin = START.replace(tzinfo=None)
    days = [begin + _DAY * number for number in range(DAYS)]
    traffic = np.random.default_rng(SEED).gamma(6.0, 1.5, DAYS)
    for day, gigabytes in zip(days, traffic.tolist(), strict=True):
        for member in MEMBERS:
            if hours := _hours(member, day):
                yield _machine(member, day, hours)
        if day.weekday() < 5:
            yield _batch(day)
        cost = Decimal(f"{gigabytes:.2f}")
        yield _charge(day, day + _DAY, "Usage", cost, description="Data transfer out")
        yield _charge(
            day, day + _DAY, "Usage", _UNUSED_PER_DAY, billed=Decimal(0), commitment_status="unused",
            description="Commitment of one year, not used",
        )  # fmt: skip
    for first in (begin, datetime(2026, 11, 1)):
        end = min(datetime(2026, 11, 1) if first == begin else days[-1] + _DAY, days[-1] + _DAY)
        share = Decimal((end - first).days)
        yield _charge(first, end, "Tax", (share * 11).quantize(_CENT), description="Tax")
        yield _charge(first, end, "Purchase", share * 9, description="Support, business plan")
        yield _charge(
            first, end, "Usage", share * 6, resource_id="sample-model-store", service_category="Storage",
            tags={"env": "prod"}, description="Storage of model weights",
        )  # fmt: skip
    yield _charge(days[13], days[14], "Credit", Decimal(-250), description="Credit for an outage")
    yield _charge(
        begin, begin + _DAY, "Purchase", Decimal(0), billed=Decimal("9400"),
        description="Commitment of one year, monthly fee",
    )  # fmt: skip


def _hours(member: Member, day: datetime) -> Decimal:
    """Return for how many hours of the day the GPU was rented: a pilot began late on the last day."""
    left = START.replace(tzinfo=None) + _DAY * DAYS - day
    return min(Decimal(24), Decimal(str(member.days * 24)) - Decimal(left.days - 1) * 24).max(Decimal(0))


def _machine(member: Member, day: datetime, hours: Decimal) -> dict[str, Any]:
    listed = (_LIST[member.instance_type] * hours).quantize(_CENT)
    share = _COMMITTED.get(member.host)
    cost = listed if share is None else (listed * share).quantize(_CENT)
    joined = member.host != UNJOINED_HOST
    return _charge(
        day,
        day + _DAY,
        "Usage",
        cost,
        billed=cost if share is None else Decimal(0),
        list_cost=listed,
        commitment_status=None if share is None else "used",
        resource_id=member.labels.instance_id if joined else UNJOINED_RESOURCE,
        resource_name=member.host if joined else None,
        instance_type=member.instance_type,
        service_category="Compute",
        quantity=hours,
        quantity_unit="GPU-Hours",
        team=member.team,
        tags={"team": member.team, "env": "dev" if member.namespace in _DEVELOPMENT else "prod"},
        description=f"{member.instance_type}, share of one GPU",
    )


def _batch(day: datetime) -> dict[str, Any]:
    """Return the line of a machine that nobody watches."""
    return _charge(
        day, day + _DAY, "Usage", Decimal("14.54"), list_cost=Decimal("14.54"), quantity=Decimal(12),
        quantity_unit="Hours", resource_id="i-5a3b1e0ba7c400000", resource_name="sample-batch-0",
        instance_type="g5.2xlarge", service_category="Compute", team="quality",
        tags={"team": "quality", "env": "dev"},
        description="g5.2xlarge, twelve hours of a workday",
    )  # fmt: skip


def _charge(
    start: datetime,
    end: datetime,
    category: str,
    cost: Decimal,
    *,
    billed: Decimal | None = None,
    **more: Any,
) -> dict[str, Any]:
    paid = cost if billed is None else billed
    effective = Decimal(0) if billed and category == "Purchase" else cost
    return {
        "period_start": start, "period_end": end, "charge_category": category, "effective_cost": effective,
        "billed_cost": paid, **more,
    }  # fmt: skip
