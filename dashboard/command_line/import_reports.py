"""What an import brought, as the command line says it."""

import json
from dataclasses import asdict

import click

from inferplan.dashboard.command_line.printing import harmless
from inferplan.datasets.exports import ImportReport, ParseReport


def print_report(name: str, outcome: ImportReport | ParseReport, *, as_json: bool) -> None:
    """Print what landed from ``name``, or only what is in it, for people or for machines."""
    landed = outcome if isinstance(outcome, ImportReport) else None
    report = outcome.parsed if isinstance(outcome, ImportReport) else outcome
    if as_json:
        done = {
            "import_id": landed.import_id if landed else None,
            "already_imported": landed is not None and landed.already_imported,
        }
        click.echo(json.dumps({"path": name, **done, **asdict(report)}, default=str))
        return
    if landed is None:
        state = "looked at"
    else:
        state = f"{'already import' if landed.already_imported else 'import'} {landed.import_id}"
    click.echo(f"{name}: {report.title}, {state}")
    for line in _lines(report):
        click.echo(harmless(f"  {line}"))


def print_refusal(name: str, reason: str, *, as_json: bool) -> None:
    """Tell on standard error why the file ``name`` was refused, and machines in a line of their own."""
    if as_json:
        click.echo(json.dumps({"path": name, "error": reason}))
    click.echo(f"Error: {name}: {reason}", err=True)


def _lines(report: ParseReport) -> list[str]:
    lines = [
        f"{report.rows_read:,} rows read, {report.rows_refused:,} refused; "
        f"{report.values_kept:,} values kept, {report.values_missing:,} missing"
    ]
    if report.first_at and report.last_at:
        lines.append(f"{report.series:,} series from {report.first_at} to {report.last_at} UTC")
    lines += [f"line {problem.line}: {problem.reason}" for problem in report.problems]
    if report.ignored:
        lines.append("not used: " + ", ".join(f"{name} ({count:,})" for name, count in report.ignored[:8]))
    lines += [f"asks: {question.text}" for question in report.questions]
    return lines + [f"note: {note}" for note in report.notes]
