"""OpenCost's daily allocation CSV: days are UTC, there is no row for idle cost and no GPU usage.

Columns: opencost/opencost pkg/costmodel/csv_export.go. Labels are one JSON column or ``Label_<name>`` each.
"""

from collections.abc import Mapping
from datetime import timedelta

from inferplan.datasets.uploads.metrics import plain
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Allocation, Items, ReadOptions, Tally
from inferplan.datasets.uploads.records import (
    mapping,
    moment,
    money,
    quantity,
    records,
    said,
    team_of,
)
from inferplan.datasets.uploads.tables import header

name = "opencost-csv"
title = "OpenCost or Kubecost daily allocation CSV"
kind = "allocation"

_NEEDED = {"date", "namespace", "gpucost", "totalcost"}
_HOURS_PER_DAY = 24


def sniff(head: str) -> bool:
    """Recognise the cost columns beside a date."""
    return {plain(cell) for cell in header(head)} >= _NEEDED


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield an allocation per row."""
    for line, record in records(upload, tally):
        try:
            yield _allocation(line, record)
        except ValueError as error:
            tally.refuse(line, str(error))


def _allocation(line: int, record: Mapping[str, str]) -> Allocation:
    start = moment(said(record, "Date"), "Date")
    total = money(record, "TotalCost")
    if total is None:
        msg = "TotalCost is empty"
        raise ValueError(msg)
    labels = mapping(said(record, "Labels"))
    gpus = quantity(record, "GPUs")
    return Allocation(
        line=line,
        period_start=start,
        period_end=start + timedelta(days=1),
        cluster=said(record, "Cluster"),
        node=said(record, "Node"),
        namespace=said(record, "Namespace"),
        controller=said(record, "ControllerName"),
        pod=said(record, "Pod"),
        container=said(record, "Container"),
        team=said(record, "Label_team") or team_of(labels),
        is_idle=said(record, "Namespace") == "__idle__",
        gpu_hours=gpus * _HOURS_PER_DAY if gpus is not None else None,
        gpu_cost=money(record, "GPUCost"),
        total_cost=total,
    )
