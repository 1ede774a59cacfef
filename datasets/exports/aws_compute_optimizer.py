"""AWS Compute Optimizer's recommendations, exported or as the API answers: EC2 instances and idle resources.

Columns are chosen by the exporter and lower-cased by Athena; the idle file writes names without underscores
(docs.aws.amazon.com/compute-optimizer/latest/ug/exported-files.html). Utilization is the maximum.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from inferplan.datasets.uploads.json_stream import members
from inferplan.datasets.uploads.metrics import plain
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Advice, Items, ReadOptions, Tally
from inferplan.datasets.uploads.records import money, quantity, records, said
from inferplan.datasets.uploads.tables import header

name = "aws-compute-optimizer"
title = "AWS Compute Optimizer recommendations"
kind = "advice"

_ANSWER = re.compile(r'"(instanceRecommendations|idleRecommendations)"\s*:\s*\[')
_FINDINGS = {
    "overprovisioned": "over",
    "underprovisioned": "under",
    "notoptimized": "over",
    "optimized": "optimized",
    "idle": "idle",
    "unused": "idle",
    "unattached": "idle",
}


def sniff(head: str) -> bool:
    """Recognise a finding beside an instance or resource ARN, or the API's list of them."""
    if _ANSWER.search(head):
        return True
    names = {plain(cell) for cell in header(head)}
    return "finding" in names and bool(names & {"instancearn", "resourcearn"})


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield a piece of advice per row; a row with an error code says that there is none."""
    for line, record in _answered(upload, tally) if _ANSWER.search(upload.head) else records(upload, tally):
        try:
            yield _advice(line, record)
        except ValueError as error:
            tally.refuse(line, str(error))


def _answered(upload: Upload, tally: Tally) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the API's recommendations as the exported file has them."""
    with upload.text() as text:
        key = found[1] if (found := _ANSWER.search(upload.head)) else ""
        for position, item in enumerate(members(text, key, upload.file_name), start=1):
            tally.rows_read += 1
            if not isinstance(item, Mapping):
                tally.refuse(position, "not a recommendation")
                continue
            record = dict(_flat("", {**item, "utilizationMetrics": None, "recommendationOptions": None}))
            for metric in item.get("utilizationMetrics") or ():
                name = f"utilizationMetrics {metric.get('name')} {metric.get('statistic')}"
                record[plain(name)] = str(metric.get("value"))
            for rank, option in enumerate(item.get("recommendationOptions") or (), start=1):
                record.update(_flat(f"recommendationOptions {rank} ", option))
            yield position, record


def _flat(start: str, item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is said in an object and the ones in it, by the column that the exported file has for it."""
    for name, value in item.items():
        if isinstance(value, Mapping):
            inner = "" if name == "savingsOpportunity" else name
            yield from _flat(f"{start}{inner} ", value)
        elif value is not None and not isinstance(value, list):
            yield plain(f"{start}{name}"), str(value)


def _advice(line: int, record: Mapping[str, str]) -> Advice:
    error = said(record, "errorCode")
    finding = _FINDINGS.get(plain(said(record, "finding") or ""), "undecided")
    arn = said(record, "instanceArn", "resourceArn")
    if arn is None:
        msg = "the row names no resource"
        raise ValueError(msg)
    resource_id = said(record, "resourceId") or arn.rsplit("/", 1)[-1]
    currency = said(
        record, "recommendationOptions_1_estimatedMonthlySavings_currency", "estimatedMonthlySavingsCurrency"
    )
    savings = money(record, "recommendationOptions_1_estimatedMonthlySavings_value") or money(
        record, "estimatedMonthlySavingsValue"
    )
    used = {
        key: value
        for key in ("cpuMaximum", "memoryMaximum", "gpuPercentageMaximum", "gpuMemoryPercentageMaximum")
        if (value := quantity(record, f"utilizationMetrics_{key}")) is not None
    }
    return Advice(
        line=line,
        tool=title,
        resource=said(record, "instanceName", "resourceId") or resource_id,
        resource_id=resource_id,
        resource_type=said(record, "resourceType") or "EC2Instance",
        finding="error" if error else finding,
        current=said(record, "currentInstanceType"),
        recommended=said(record, "recommendationOptions_1_instanceType"),
        risk=said(record, "recommendationOptions_1_performanceRisk", "currentPerformanceRisk"),
        lookback_days=quantity(record, "lookBackPeriodInDays"),
        savings_usd_per_month=savings if currency in (None, "USD") else None,
        detail={"error": error, "message": said(record, "errorMessage")} if error else used,
    )
