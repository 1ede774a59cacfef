"""FOCUS 1.0 to 1.2: the FinOps cost and usage specification, as CSV.

Purchase rows have no effective cost, the usage that they cover has; unused commitment stands in rows of its
own without a resource; so does a capacity reservation that nothing ran in, with the reservation as resource
(FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec, tags v1.0, v1.1, v1.2).
"""

from collections.abc import Mapping
from decimal import Decimal

from inferplan.datasets.uploads.metrics import plain
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import BillLine, Items, ReadOptions, Tally
from inferplan.datasets.uploads.records import mapping, moment, money, records, said, team_of
from inferplan.datasets.uploads.tables import header

name = "focus"
title = "FOCUS 1.0 to 1.2 cost and usage"
kind = "bill"

_NEEDED = {"billedcost", "effectivecost", "chargecategory", "chargeperiodstart", "chargeperiodend"}


def sniff(head: str) -> bool:
    """Recognise the columns that the specification makes mandatory."""
    return {plain(cell) for cell in header(head)} >= _NEEDED


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield a bill line per row."""
    for line, record in records(upload, tally):
        try:
            yield _line(line, record)
        except ValueError as error:
            tally.refuse(line, str(error))


def _line(line: int, record: Mapping[str, str]) -> BillLine:
    tags = mapping(said(record, "Tags"))
    details = mapping(said(record, "SkuPriceDetails"))
    status = (said(record, "CommitmentDiscountStatus") or "").casefold()
    reserved = (said(record, "CapacityReservationStatus") or "").casefold()
    return BillLine(
        line=line,
        period_start=moment(said(record, "ChargePeriodStart"), "ChargePeriodStart"),
        period_end=moment(said(record, "ChargePeriodEnd"), "ChargePeriodEnd"),
        charge_category=said(record, "ChargeCategory") or "Usage",
        charge_class=said(record, "ChargeClass"),
        commitment_status="unused" if reserved == "unused" else status or None,
        commitment_id=said(record, "CommitmentDiscountId"),
        description=said(record, "ChargeDescription"),
        service=said(record, "ServiceName"),
        region=said(record, "RegionId"),
        resource_id=said(record, "ResourceId"),
        resource_name=said(record, "ResourceName"),
        instance_type=str(details["InstanceType"]) if "InstanceType" in details else None,
        gpu_count=_number(details.get("GpuCount")),
        service_category=said(record, "ServiceCategory"),
        quantity=money(record, "ConsumedQuantity"),
        quantity_unit=said(record, "ConsumedUnit"),
        billed_cost=_needed(record, "BilledCost"),
        effective_cost=_needed(record, "EffectiveCost"),
        list_cost=money(record, "ListCost"),
        contracted_cost=money(record, "ContractedCost"),
        currency=said(record, "BillingCurrency") or "unknown",
        account=said(record, "SubAccountId", "BillingAccountId"),
        team=team_of(tags),
        tags=tags,
    )


def _needed(record: Mapping[str, str], column: str) -> Decimal:
    amount = money(record, column)
    if amount is None:
        msg = f"{column} is empty"
        raise ValueError(msg)
    return amount


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None
