"""`inferplan rightsize`: what the measured utilization says should change."""

import json
import sys
from dataclasses import asdict

import click

from inferplan.dashboard.command_line.printing import harmless, print_table
from inferplan.datasets import samples
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import list_imports
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.rightsizing.finding import Evidence, Finding, Savings
from inferplan.planner.rightsizing.profile import PRODUCTION, PROFILES, customised, profile_named
from inferplan.planner.rightsizing.recommend import recommend

CUSTOM = "custom"
NO_CHANGE = {"keep", "insufficient_history"}


@click.command()
@click.option("--profile", type=click.Choice([*sorted(PROFILES), CUSTOM]), default="production",
              show_default=True, help="How careful to be; custom begins as production.")  # fmt: skip
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True,
              help="Change the profile: sm_target=0.7, ttft_target_s=2, exclude=team=search.")  # fmt: skip
@click.option("--import-id", "import_ids", type=int, multiple=True, help="Only this import; repeatable.")
@click.option("--sample", is_flag=True, help="Put the sample fleet into the warehouse first.")
@click.option("--json", "as_json", is_flag=True, help="Print findings with all their evidence as JSON.")
@click.option("--check", is_flag=True, help="Exit with 1 when something should change.")
def command(
    profile: str,
    changes: tuple[str, ...],
    import_ids: tuple[int, ...],
    sample: bool,
    as_json: bool,
    check: bool,
) -> None:
    """Say what should change, from percentiles of the utilization that was imported."""
    base = PRODUCTION.model_copy(update={"name": CUSTOM}) if profile == CUSTOM else profile_named(profile)
    chosen = customised(base, changes)
    with Warehouse.open() as warehouse:
        if sample:
            samples.load(warehouse)
        known = {found.import_id for found in list_imports(warehouse)}
        if not known:
            msg = "nothing was imported yet: use 'inferplan import FILE', or --sample for the demo fleet"
            raise InferplanError(msg)
        if absent := sorted(set(import_ids) - known):
            msg = f"there is no import {absent[0]}; there are {', '.join(map(str, sorted(known)))}"
            raise InferplanError(msg)
        findings = recommend(warehouse, chosen, import_ids or None)
    if as_json:
        click.echo(json.dumps([_record(finding) for finding in findings], default=str))
    else:
        _print(findings)
    if check and any(finding.action not in NO_CHANGE for finding in findings):
        sys.exit(1)


def _record(finding: Finding) -> dict[str, object]:
    return asdict(finding) | {"confidence": finding.confidence.name.lower()}


def _print(findings: tuple[Finding, ...]) -> None:
    print_table([_row(finding) for finding in findings])
    for finding in findings:
        if finding.action in NO_CHANGE:
            continue
        click.echo(harmless(f"\n{finding.title}\n  {finding.detail}"))
        for evidence in finding.evidence:
            then = "" if evidence.then is None else f", then {evidence.then:.4g}"
            limit = f"{then}, against {evidence.limit:.4g}" if evidence.limit is not None else then
            click.echo(
                f"  {evidence.metric} {evidence.statistic}: {_value(evidence)}{limit} "
                f"({evidence.samples:,} {_observed(evidence)} over {_days(evidence)})"
            )
        if finding.savings:
            click.echo(f"  prices: {finding.savings.basis}")
            click.echo(f"  {finding.savings.condition}")
            click.echo(f"  {_as_billed(finding.savings)}")


def _value(evidence: Evidence) -> str:
    value = f"{evidence.value:.4g} {evidence.unit}"
    if evidence.low is None:
        return value
    end = "no bound" if evidence.high is None else f"{evidence.high:g}"
    return f"{value} ({evidence.low:g} to {end})"


def _days(evidence: Evidence) -> str:
    until = f" to {evidence.last_at:%Y-%m-%d}" if evidence.last_at else ""
    return f"{evidence.span_days:.1f} days{until}"


def _observed(evidence: Evidence) -> str:
    return f"by {evidence.basis}" if evidence.basis else "samples"


def _as_billed(savings: Savings) -> str:
    if savings.effective is None or savings.net is None:
        return f"as billed: {savings.billed}"
    return (
        f"as billed: {savings.effective:,} USD a month, {savings.net:,} net of commitments ({savings.billed})"
    )


def _row(finding: Finding) -> dict[str, str]:
    savings = finding.savings
    return {
        "advice": finding.action.replace("_", " ") + (" (sample data)" if finding.is_sample else ""),
        "on": finding.entity,
        "GPUs": f"{finding.gpu_count} x {finding.gpu_name or 'unknown'}",
        "confidence": finding.confidence.name.lower(),
        "risk": "-" if finding.risk is None else str(finding.risk),
        "saves USD/month": (
            f"{savings.expected:,.0f} ({savings.low:,.0f} to {savings.high:,.0f})"
            if savings
            else finding.no_savings_reason or "-"
        ),
    }
