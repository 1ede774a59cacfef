"""OpenCost's daily allocation CSV, and Kubecost's with the start and end of each row.

OpenCost's days are UTC; it has no row for idle cost and no GPU usage.

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

_NEEDED = {"gpucost", "totalcost"}
_STARTS, _ENDS = ("Date", "Start", "WindowStart"), ("End", "WindowEnd")
_HOURS_PER_DAY = 24


def sniff(head: str) -> bool:
    """Recognise the cost columns beside a date."""
    names = {plain(cell) for cell in header(head)}
    return names >= _NEEDED and any(plain(start) in names for start in _STARTS)


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield an allocation per row."""
    for line, record in records(upload, tally):
        try:
            yield _allocation(line, record)
        except ValueError as error:
            tally.refuse(line, str(error))


def _allocation(line: int, record: Mapping[str, str]) -> Allocation:
    start = moment(said(record, *_STARTS), "Date")
    end = said(record, *_ENDS)
    total = money(record, "TotalCost")
    if total is None:
        msg = "TotalCost is empty"
        raise ValueError(msg)
    labels = mapping(said(record, "Labels"))
    gpus, gpu_hours = quantity(record, "GPUs"), quantity(record, "GPUHours")
    namespace = said(record, "Namespace")
    return Allocation(
        line=line,
        period_start=start,
        period_end=moment(end, "End") if end else start + timedelta(days=1),
        cluster=said(record, "Cluster"),
        node=said(record, "Node"),
        namespace=namespace,
        controller=said(record, "ControllerName", "Controller"),
        pod=said(record, "Pod"),
        container=said(record, "Container"),
        team=said(record, "Label_team") or team_of(labels),
        is_idle="__idle__" in (namespace, *(said(record, "Name") or "").split("/")),
        gpu_hours=gpus * _HOURS_PER_DAY if gpu_hours is None and gpus is not None else gpu_hours,
        gpu_cost=money(record, "GPUCost"),
        total_cost=total,
    )
