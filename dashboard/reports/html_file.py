"""HTML: the whole report as one page that prints well and loads nothing from anywhere."""

from datetime import date
from decimal import Decimal
from html import escape

from inferplan.dashboard.reports import Report, ReportFormat, Table, facts_table, text_of

NUMBER = ' class="number"'
STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; color: #17212f; max-width: 60rem; margin: 2rem auto }
body { padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: .25rem }
h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100%; overflow-wrap: anywhere }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0 }
td { border-bottom: 1px solid #d5dbe3 }
th { border-bottom: 2px solid #17212f }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap }
footer { margin-top: 2rem; color: #56616f; font-size: .85rem }
@media print { body { margin: 0; max-width: none } tr { break-inside: avoid } }
"""


def write(report: Report) -> bytes:
    """Return all tables and facts of ``report`` as one page."""
    title = escape(report.title)
    sections = "".join(map(_section, (*report.tables, facts_table(report))))
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{title}</h1>{sections}<footer>Made by Inferplan on "
        f"{report.made_at:%Y-%m-%d at %H:%M} UTC</footer></body></html>\n"
    )
    return page.encode()


def _section(table: Table) -> str:
    if not table.rows:
        return f"<h2>{escape(table.title)}</h2><p>None.</p>"
    header = "".join(f"<th>{escape(column.header)}</th>" for column in table.columns)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return (
        f"<h2>{escape(table.title)}</h2><table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _cell(value: object) -> str:
    is_number = isinstance(value, (int, float, Decimal, date)) and not isinstance(value, bool)
    return f"<td{NUMBER if is_number else ''}>{escape(text_of(value))}</td>"


FORMAT = ReportFormat("HTML, to print", "html", "text/html", write)
