"""AWS Cost and Usage Report: 2.0 with the columns that its query chose, or the one before; CSV or Parquet.

The unblended total counts a Savings Plan's usage and its fee; the negation rows take the usage out again.
Amortised: covered usage at the plan's rate, the plan's unused commitment, reservations' effective cost and
their unused fee, all other lines as they are. Split rows divide a machine among pods and are no extra money;
a pod has one for its GPUs, one for its vCPUs and one for its memory
(docs.aws.amazon.com/cur/latest/userguide/split-cost-allocation-data.html). Before 2.0 each tag was a column.
"""

from inferplan.datasets.uploads.fields import amounts, tags, texts, times
from inferplan.datasets.uploads.metrics import plain
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import (
    Allocation,
    BillLine,
    Items,
    ReadOptions,
    RecordTable,
    Tally,
    Target,
)
from inferplan.datasets.uploads.scanning import column_names, opened
from inferplan.datasets.uploads.tables import header

name = "aws-cur"
title = "AWS Cost and Usage Report"
kind = "bill"

_NEEDED = {"lineitemlineitemtype", "lineitemunblendedcost", "lineitemusagestartdate"}
_FIELDS = (
    *times(period_start="line_item_usage_start_date", period_end="line_item_usage_end_date"),
    *amounts(
        billed_cost="line_item_unblended_cost",
        quantity="line_item_usage_amount",
        list_cost="pricing_public_on_demand_cost",
        plan_cost="savings_plan_savings_plan_effective_cost",
        plan_total="savings_plan_total_commitment_to_date",
        plan_used="savings_plan_used_commitment",
        reserved_cost="reservation_effective_cost",
        unused_fee="reservation_unused_recurring_fee",
        unused_upfront="reservation_unused_amortized_upfront_fee_for_billing_period",
        split_cost="split_line_item_split_cost",
        split_unused="split_line_item_unused_cost",
        split_usage="split_line_item_actual_usage",
    ),
    tags("resource_tags", spread="resource_tags"),
    *texts(
        line_type="line_item_line_item_type",
        plan_id="savings_plan_savings_plan_a_r_n",
        reservation_id="reservation_reservation_a_r_n",
        description="line_item_line_item_description",
        service="line_item_product_code",
        region="product_region_code",
        resource_id="line_item_resource_id",
        instance_type="product_instance_type",
        service_category=("product_instance_family", "product_product_family"),
        quantity_unit="pricing_unit",
        usage_type="line_item_usage_type",
        currency="line_item_currency_code",
        account="line_item_usage_account_id",
        node="split_line_item_parent_resource_id",
    ),
)
_LINE = Target(
    BillLine,
    needed=("period_start", "period_end", "billed_cost", "plan_cost", "plan_total", "reserved_cost"),
    rows="node IS NULL",
    matters={
        "plan_cost": "line_type = 'SavingsPlanCoveredUsage'",
        "plan_total": "line_type = 'SavingsPlanRecurringFee'",
        "plan_used": "line_type = 'SavingsPlanRecurringFee'",
        "reserved_cost": "line_type = 'DiscountedUsage'",
        "unused_fee": "line_type = 'RIFee'",
        "unused_upfront": "line_type = 'RIFee'",
        **dict.fromkeys(("split_cost", "split_unused", "split_usage"), "false"),
    },
    columns={
        "charge_category": "CASE WHEN line_type = 'Tax' THEN 'Tax' "
        "WHEN line_type IN ('Credit', 'Refund', 'EdpDiscount', 'BundledDiscount') THEN 'Credit' "
        "WHEN line_type IN ('SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee', 'RIFee', 'Fee') "
        "THEN 'Purchase' ELSE 'Usage' END",
        "charge_class": "coalesce(line_type, 'Usage')",
        "commitment_status": "CASE WHEN line_type IN ('SavingsPlanCoveredUsage', 'DiscountedUsage') "
        "THEN 'used' WHEN line_type IN ('SavingsPlanRecurringFee', 'RIFee') THEN 'unused' END",
        "commitment_id": "coalesce(plan_id, reservation_id)",
        "effective_cost": "CASE "
        "WHEN line_type = 'SavingsPlanCoveredUsage' THEN plan_cost "
        "WHEN line_type IN ('SavingsPlanNegation', 'SavingsPlanUpfrontFee') THEN 0 "
        "WHEN line_type = 'SavingsPlanRecurringFee' THEN plan_total - coalesce(plan_used, 0) "
        "WHEN line_type = 'DiscountedUsage' THEN reserved_cost "
        "WHEN line_type = 'RIFee' THEN coalesce(unused_fee, 0) + coalesce(unused_upfront, 0) "
        "WHEN line_type = 'Fee' AND reservation_id IS NOT NULL THEN 0 "
        "ELSE billed_cost END",
        "currency": "coalesce(currency, 'unknown')",
        "tags": "coalesce(tags, '{}')",
    },
)
_POD = "string_split(string_split(resource_id, ':pod/')[-1], '/')"
_SPLIT = Target(
    Allocation,
    needed=("period_start", "period_end"),
    rows="node IS NOT NULL",
    matters=dict.fromkeys(
        (
            "billed_cost",
            "list_cost",
            "plan_cost",
            "plan_total",
            "plan_used",
            "reserved_cost",
            "unused_fee",
            "unused_upfront",
        ),
        "false",
    ),
    columns={
        "cluster": f"CASE WHEN len({_POD}) >= 3 THEN {_POD}[1] END",
        "namespace": f"CASE WHEN len({_POD}) >= 3 THEN {_POD}[2] END",
        "pod": f"CASE WHEN len({_POD}) >= 3 THEN {_POD}[3] END",
        "is_idle": "false",
        "gpu_hours": "CASE WHEN NOT coalesce(regexp_matches(usage_type, '(vCPU|GB)-Hours'), false) "
        "THEN quantity END",
        "gpu_usage_ratio": "split_usage",
        "total_cost": "coalesce(split_cost, 0) + coalesce(split_unused, 0)",
    },
    note="Split rows divide a machine among its pods: they are no extra money.",
)


def sniff(head: str) -> bool:
    """Recognise the line item columns."""
    return {plain(cell) for cell in header(head)} >= _NEEDED


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the table of which each row is a line of the bill, or an allocation."""
    with opened(upload, column_names(upload), tally) as table:
        yield RecordTable(table, _FIELDS, (_LINE, _SPLIT))
