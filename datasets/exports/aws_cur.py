"""AWS Cost and Usage Report 2.0 (Data Exports), as CSV with the columns that its query chose.

The unblended total counts a Savings Plan's usage and its fee; the negation rows take the usage out again.
Amortised: covered usage at the plan's rate, the plan's unused commitment, reservations' effective cost and
their unused fee, all other lines as they are. Split rows divide a machine among pods and are no extra money.
"""

from collections.abc import Mapping
from decimal import Decimal

from inferplan.datasets.uploads.metrics import plain
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Allocation, BillLine, Items, ReadOptions, Tally
from inferplan.datasets.uploads.records import (
    mapping,
    moment,
    money,
    quantity,
    records,
    said,
    team_of,
)
from inferplan.datasets.uploads.tables import header

name = "aws-cur"
title = "AWS Cost and Usage Report 2.0"
kind = "bill"

_NEEDED = {"lineitemlineitemtype", "lineitemunblendedcost", "lineitemusagestartdate"}
_CATEGORIES = {
    "Tax": "Tax", "Credit": "Credit", "Refund": "Credit", "EdpDiscount": "Credit",
    "BundledDiscount": "Credit",
    "SavingsPlanRecurringFee": "Purchase", "SavingsPlanUpfrontFee": "Purchase", "RIFee": "Purchase",
    "Fee": "Purchase",
}  # fmt: skip
_ZERO = Decimal(0)


def sniff(head: str) -> bool:
    """Recognise the line item columns."""
    return {plain(cell) for cell in header(head)} >= _NEEDED


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield a bill line per row, and an allocation per split row."""
    for line, record in records(upload, tally):
        try:
            if said(record, "split_line_item_parent_resource_id"):
                tally.note("Split rows divide a machine among its pods: they are no extra money.")
                yield _split(line, record)
            else:
                yield _line(line, record)
        except ValueError as error:
            tally.refuse(line, str(error))


def _line(line: int, record: Mapping[str, str]) -> BillLine:
    kind_of_line = said(record, "line_item_line_item_type") or "Usage"
    billed = money(record, "line_item_unblended_cost")
    if billed is None:
        msg = "line_item_unblended_cost is empty"
        raise ValueError(msg)
    effective, status = _amortised(kind_of_line, record, billed)
    tags = mapping(said(record, "resource_tags"))
    return BillLine(
        line=line,
        period_start=moment(said(record, "line_item_usage_start_date"), "line_item_usage_start_date"),
        period_end=moment(said(record, "line_item_usage_end_date"), "line_item_usage_end_date"),
        charge_category=_CATEGORIES.get(kind_of_line, "Usage"),
        charge_class=kind_of_line,
        commitment_status=status,
        commitment_id=said(record, "savings_plan_savings_plan_a_r_n", "reservation_reservation_a_r_n"),
        description=said(record, "line_item_line_item_description"),
        service=said(record, "line_item_product_code"),
        region=said(record, "product_region_code"),
        resource_id=said(record, "line_item_resource_id"),
        instance_type=said(record, "product_instance_type"),
        service_category=said(record, "product_instance_family", "product_product_family"),
        quantity=money(record, "line_item_usage_amount"),
        quantity_unit=said(record, "pricing_unit"),
        billed_cost=billed,
        effective_cost=effective,
        list_cost=money(record, "pricing_public_on_demand_cost"),
        currency=said(record, "line_item_currency_code") or "unknown",
        account=said(record, "line_item_usage_account_id"),
        team=team_of(tags),
        tags=tags,
    )


def _amortised(kind_of_line: str, record: Mapping[str, str], billed: Decimal) -> tuple[Decimal, str | None]:
    """Return the amortised cost of a line, and whether a commitment was used in it."""
    if kind_of_line == "SavingsPlanCoveredUsage":
        return money(record, "savings_plan_savings_plan_effective_cost") or _ZERO, "used"
    if kind_of_line in ("SavingsPlanNegation", "SavingsPlanUpfrontFee"):
        return _ZERO, None
    if kind_of_line == "SavingsPlanRecurringFee":
        total = money(record, "savings_plan_total_commitment_to_date") or _ZERO
        return total - (money(record, "savings_plan_used_commitment") or _ZERO), "unused"
    if kind_of_line == "DiscountedUsage":
        return money(record, "reservation_effective_cost") or _ZERO, "used"
    if kind_of_line == "RIFee":
        upfront = money(record, "reservation_unused_amortized_upfront_fee_for_billing_period") or _ZERO
        return (money(record, "reservation_unused_recurring_fee") or _ZERO) + upfront, "unused"
    if kind_of_line == "Fee" and said(record, "reservation_reservation_a_r_n"):
        return _ZERO, None
    return billed, None


def _split(line: int, record: Mapping[str, str]) -> Allocation:
    tags = mapping(said(record, "resource_tags"))
    place = (said(record, "line_item_resource_id") or "").split(":pod/")[-1].split("/")
    is_pod = len(place) >= 3
    used, unused = (money(record, f"split_line_item_{part}_cost") for part in ("split", "unused"))
    return Allocation(
        line=line,
        period_start=moment(said(record, "line_item_usage_start_date"), "line_item_usage_start_date"),
        period_end=moment(said(record, "line_item_usage_end_date"), "line_item_usage_end_date"),
        cluster=place[0] if is_pod else None,
        node=said(record, "split_line_item_parent_resource_id"),
        namespace=place[1] if is_pod else None,
        pod=place[2] if is_pod else None,
        team=team_of(tags),
        gpu_hours=quantity(record, "line_item_usage_amount"),
        gpu_usage_ratio=quantity(record, "split_line_item_actual_usage"),
        total_cost=(used or _ZERO) + (unused or _ZERO),
    )
