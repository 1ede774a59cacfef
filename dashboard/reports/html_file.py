"""HTML: the whole report as one page that prints well and loads nothing from anywhere."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from html import escape

from inferplan.dashboard.reports import Column, Report, ReportFormat, Table, facts_table, text_of

MOST_COLUMNS = 12
"""Of a table that a sheet of paper has room for; the rows of a wider one are blocks of named values."""
EASY_COLUMNS = 8
"""Of a table that is written in full size."""
LONG_TEXT = 80
SHARE = "share"
STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; color: #17212f; max-width: 60rem; margin: 2rem auto }
body { padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: .25rem }
h2 { font-size: 1.1rem; margin-top: 2rem }
h3 { font-size: 1rem; margin: 0 }
p.answer { font-size: 1.1rem }
table { border-collapse: collapse; width: 100%; overflow-wrap: break-word }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0 }
td { border-bottom: 1px solid #d5dbe3 }
th { border-bottom: 2px solid #17212f }
table.many { font-size: .75rem }
.number { text-align: right; font-variant-numeric: tabular-nums }
td.number, td.date { white-space: nowrap }
article { border-top: 1px solid #d5dbe3; padding: .5rem 0; overflow-wrap: anywhere }
dl { display: flex; flex-wrap: wrap; gap: 0 1.5rem; margin: 0 }
dl div.long { flex-basis: 100% }
dt, dd { display: inline; margin: 0 }
dt { color: #56616f }
dt::after { content: ": " }
footer { margin-top: 2rem; color: #56616f; font-size: .85rem }
@media print { body { margin: 0; max-width: none } tr, article { break-inside: avoid } }
"""


def write(report: Report) -> bytes:
    """Return all tables and facts of ``report`` as one page."""
    title = escape(report.title)
    answer = f'<p class="answer">{escape(report.answer)}</p>' if report.answer else ""
    sections = "".join(map(_section, (*report.tables, facts_table(report))))
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{title}</h1>{answer}{sections}<footer>Made by Inferplan on "
        f"{report.made_at:%Y-%m-%d at %H:%M} UTC</footer></body></html>\n"
    )
    return page.encode()


def _section(table: Table) -> str:
    title = f"<h2>{escape(table.title)}</h2>"
    if not table.rows:
        return f"{title}<p>None.</p>"
    if len(table.columns) > MOST_COLUMNS:
        return title + "".join(_block(table.columns, row) for row in table.rows)
    kinds = [_kind(next((row[place] for row in table.rows if row[place] is not None), None))
             for place in range(len(table.columns))]  # fmt: skip
    header = "".join(
        f"<th{kind}>{escape(_header(column))}</th>" for column, kind in zip(table.columns, kinds, strict=True)
    )
    rows = "".join(f"<tr>{''.join(map(_cell, table.columns, row))}</tr>" for row in table.rows)
    small = ' class="many"' if len(table.columns) > EASY_COLUMNS else ""
    return f"{title}<table{small}><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>"


def _block(columns: Sequence[Column], row: Sequence[object]) -> str:
    """Return a row below its first two values, without the columns in which it has none."""
    head = " · ".join(filter(None, map(_text, row[:2])))
    named = [
        (_header(column), _text(value, column.unit))
        for column, value in zip(columns[2:], row[2:], strict=True)
    ]
    long = ' class="long"'
    values = "".join(
        f"<div{long if len(text) > LONG_TEXT else ''}><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>"
        for name, text in named
        if text
    )
    return f"<article><h3>{escape(head)}</h3><dl>{values}</dl></article>"


def _cell(column: Column, value: object) -> str:
    return f"<td{_kind(value)}>{escape(_text(value, column.unit))}</td>"


def _header(column: Column) -> str:
    return column.name if column.unit == SHARE else column.header


def _kind(value: object) -> str:
    if isinstance(value, date):
        return ' class="date"'
    is_number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    return ' class="number"' if is_number else ""


def _text(value: object, unit: str = "") -> str:
    """Return a value as people read it: thousands apart, few digits after the point, shares as percents."""
    if unit == SHARE and isinstance(value, (float, Decimal)):
        return f"{value:.1%}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".") if abs(value) >= 0.01 or not value else f"{value:.4g}"
    return text_of(value)


FORMAT = ReportFormat("HTML, to print", "html", "text/html", write)
