"""Small files to import, and what has landed of them."""

from pathlib import Path

from inferplan.datasets.warehouse import Warehouse

HEADER = "timestamp,host,gpu,sm_active_ratio\n"
ROW = "2024-05-01T12:00:00Z,n1,0,0.5\n"
FOCUS = (
    "BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,ResourceId,"
    "Tags\n"
)
CHARGE = "1.5,1.5,USD,Usage,2024-05-01T00:00:00Z,2024-05-01T01:00:00Z,i-1,{}\n"
TABLES = ("imports", "usage_series", "usage_samples", "bill_lines", "cost_allocations", "tool_advice")


def rows(warehouse: Warehouse) -> dict[str, int]:
    return {table: warehouse.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
