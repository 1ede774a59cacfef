"""FOCUS 1.0 to 1.2: the FinOps cost and usage specification, as CSV or Parquet.

Purchase rows have no effective cost, the usage that they cover has; unused commitment stands in rows of its
own without a resource; so does a capacity reservation that nothing ran in, with the reservation as resource
(FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec, tags v1.0, v1.1, v1.2). Before there were SkuPriceDetails Azure
told the size of a machine in x_SkuDetails, as ServiceType.
"""

from inferplan.datasets.uploads.fields import amounts, machine, tags, texts, times
from inferplan.datasets.uploads.metrics import plain
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import BillLine, Items, ReadOptions, RecordTable, Tally, Target
from inferplan.datasets.uploads.scanning import column_names, opened
from inferplan.datasets.uploads.tables import header

name = "focus"
title = "FOCUS 1.0 to 1.2 cost and usage"
kind = "bill"

_NEEDED = {"billedcost", "effectivecost", "chargecategory", "chargeperiodstart", "chargeperiodend"}
_FIELDS = (
    *times(period_start="ChargePeriodStart", period_end="ChargePeriodEnd"),
    machine("SkuPriceDetails", "x_SkuDetails"),
    *amounts(
        quantity="ConsumedQuantity",
        billed_cost="BilledCost",
        effective_cost="EffectiveCost",
        list_cost="ListCost",
        contracted_cost="ContractedCost",
    ),
    tags("Tags"),
    *texts(
        charge_category="ChargeCategory",
        charge_class="ChargeClass",
        commitment_status="CommitmentDiscountStatus",
        reservation_status="CapacityReservationStatus",
        commitment_id="CommitmentDiscountId",
        description="ChargeDescription",
        service="ServiceName",
        region="RegionId",
        resource_id="ResourceId",
        resource_name="ResourceName",
        service_category="ServiceCategory",
        quantity_unit="ConsumedUnit",
        currency="BillingCurrency",
        account=("SubAccountId", "BillingAccountId"),
    ),
)
_LINE = Target(
    BillLine,
    needed=("period_start", "period_end", "billed_cost", "effective_cost"),
    columns={
        "charge_category": "coalesce(charge_category, 'Usage')",
        "commitment_status": "CASE WHEN lower(reservation_status) = 'unused' THEN 'unused' "
        "ELSE lower(commitment_status) END",
        "currency": "coalesce(currency, 'unknown')",
        "tags": "coalesce(tags, '{}')",
    },
)


def sniff(head: str) -> bool:
    """Recognise the columns that the specification makes mandatory."""
    return {plain(cell) for cell in header(head)} >= _NEEDED


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the table of which each row is a line of the bill."""
    with opened(upload, column_names(upload), tally) as table:
        yield RecordTable(table, _FIELDS, (_LINE,))
