"""Markdown: the whole report as text for a wiki, a ticket or a pull request."""

from inferplan.dashboard.reports import Report, ReportFormat, Table, cells, facts_table

MARKUP = str.maketrans({letter: f"\\{letter}" for letter in "\\`*_{}[]<>#|~$"} | {"\n": " ", "\r": " "})


def write(report: Report) -> bytes:
    """Return all tables and facts of ``report``; every text is shown letter by letter."""
    answer = [_escaped(report.answer)] if report.answer else []
    sections = map(_section, (*report.tables, facts_table(report)))
    parts = [f"# {_escaped(report.title)}", *answer, *sections]
    return ("\n\n".join(parts) + "\n").encode()


def _section(table: Table) -> str:
    header = [_escaped(column.header) for column in table.columns]
    lines = [header, ["---"] * len(header)]
    lines += [[_escaped(cell) for cell in row] for row in cells(table.rows)]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"## {_escaped(table.title)}\n\n{body}" if table.rows else f"## {_escaped(table.title)}\n\nNone."


def _escaped(text: str) -> str:
    return text.translate(MARKUP)


FORMAT = ReportFormat("Markdown", "md", "text/markdown", write)
