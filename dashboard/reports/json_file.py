"""JSON: the whole report for machines, money as decimal text and times in ISO 8601."""

import json
from decimal import Decimal

from inferplan.dashboard.reports import Report, ReportFormat, text_of


def write(report: Report) -> bytes:
    """Return each table of ``report`` as a list of objects, beside the units of their fields."""
    document = {
        "title": report.title,
        "made_at_utc": report.made_at.isoformat(timespec="seconds"),
        "facts": dict(report.facts),
        "tables": [
            {
                "title": table.title,
                "units": {column.name: column.unit for column in table.columns if column.unit},
                "rows": [
                    dict(zip((column.name for column in table.columns), row, strict=True))
                    for row in table.rows
                ],
            }
            for table in report.tables
        ],
    }
    return (
        json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False, default=_said) + "\n"
    ).encode()


def _said(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else text_of(value)


FORMAT = ReportFormat("JSON", "json", "application/json", write)
