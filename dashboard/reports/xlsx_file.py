"""XLSX: real numbers and dates, a frozen header, and a last sheet with inputs, sources and dates."""

import io
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import xlsxwriter

from inferplan.dashboard.reports import Report, ReportFormat, Table, facts_table, text_of

MAX_SHEET_NAME = 31  # Excel's limit, as are the characters it refuses in a sheet's name
FORBIDDEN_IN_SHEET_NAME = re.compile(r"[\[\]:*?/\\]")
MAX_TEXT = 32_767  # characters of one Excel cell
MIN_WIDTH, MAX_WIDTH = 8, 60


def write(report: Report) -> bytes:
    """Return a workbook with a sheet for each table of ``report`` and one for its facts."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(
        target, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    book.set_properties({"title": report.title, "created": report.made_at})
    styles = {
        "header": book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}),
        "text": book.add_format({"valign": "top"}),
        "whole": book.add_format({"num_format": "#,##0"}),
        "number": book.add_format({"num_format": "#,##0.00####"}),
        "date": book.add_format({"num_format": "yyyy-mm-dd"}),
        "datetime": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
    }
    taken: set[str] = set()
    for table in (*report.tables, facts_table(report)):
        sheet = book.add_worksheet(_sheet_name(table.title, taken))
        _fill(sheet, table, styles)
    book.close()
    return target.getvalue()


def _fill(sheet: Any, table: Table, styles: dict[str, Any]) -> None:
    for column_number, column in enumerate(table.columns):
        sheet.write_string(0, column_number, column.header, styles["header"])
        texts = (text_of(row[column_number]) for row in table.rows[:500])
        widest = max((len(column.name), *map(len, texts)))
        sheet.set_column(column_number, column_number, min(max(widest + 2, MIN_WIDTH), MAX_WIDTH))
    for row_number, row in enumerate(table.rows, start=1):
        for column_number, value in enumerate(row):
            _put(sheet, row_number, column_number, value, styles)
    sheet.freeze_panes(1, 0)
    if table.rows:
        sheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)


def _put(sheet: Any, row: int, column: int, value: object, styles: dict[str, Any]) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int):
        sheet.write_number(row, column, value, styles["whole"])
    elif isinstance(value, (float, Decimal)):
        sheet.write_number(row, column, float(value), styles["number"])
    elif isinstance(value, datetime):
        sheet.write_datetime(row, column, value, styles["datetime"])
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, styles["date"])
    else:
        sheet.write_string(row, column, text_of(value)[:MAX_TEXT], styles["text"])


def _sheet_name(title: str, taken: set[str]) -> str:
    base = FORBIDDEN_IN_SHEET_NAME.sub(" ", title).strip("' ") or "Sheet"
    name, number = base[:MAX_SHEET_NAME], 1
    while name.casefold() in taken:
        number += 1
        name = f"{base[: MAX_SHEET_NAME - 4]} {number}"
    taken.add(name.casefold())
    return name


FORMAT = ReportFormat(
    "Excel", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", write
)
