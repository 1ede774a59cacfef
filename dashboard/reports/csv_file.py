"""CSV: the first table as raw values with units in the header, safe to open in a spreadsheet."""

import csv
import io

from inferplan.dashboard.reports import Report, ReportFormat, text_of

# OWASP, "CSV Injection": a text that begins so is run as a formula by spreadsheets
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def write(report: Report) -> bytes:
    """Return the first table of ``report``; UTF-8 with a mark, so that Excel reads it as such."""
    table = report.tables[0]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([guarded(column.header) for column in table.columns])
    writer.writerows([[guarded(value) for value in row] for row in table.rows])
    return text.getvalue().encode("utf-8-sig")


def guarded(value: object) -> str:
    """Return a value as text; a text that a spreadsheet would run gets a leading quote, a number never does.

    >>> guarded("=HYPERLINK(1)"), guarded(-3)
    ("'=HYPERLINK(1)", '-3')
    """
    text = text_of(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA_STARTS) else text


FORMAT = ReportFormat("CSV", "csv", "text/csv", write)
