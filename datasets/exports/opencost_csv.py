"""OpenCost's daily allocation CSV, and Kubecost's with the start and end of each row.

OpenCost's days are UTC; it has no row for idle cost and no GPU usage.

Columns: opencost/opencost pkg/costmodel/csv_export.go. Labels are one JSON column or ``Label_<name>`` each.
Kubecost's allocations as tables keep the names of its API (core/pkg/opencost/allocation_json.go), however
they are spelled: ``properties.pod`` or ``podname``, and adjustments that the GPU's cost does not contain.
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
_STARTS, _ENDS = ("Date", "Start", "WindowStart", "window.start"), ("End", "WindowEnd", "window.end")


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
    period_end = moment(end, "End") if end else start + timedelta(days=1)
    gpus = quantity(record, "GPUs") if said(record, "GPUs") else quantity(record, "GPUCount")
    gpu_hours, gpu_cost = quantity(record, "GPUHours"), money(record, "GPUCost")
    if gpu_hours is None and gpus is not None:
        gpu_hours = gpus * ((period_end - start) / timedelta(hours=1))
    if gpu_cost is not None:
        gpu_cost += money(record, "GPUCostAdjustment") or 0
    namespace = _property(record, "Namespace")
    return Allocation(
        line=line,
        period_start=start,
        period_end=period_end,
        cluster=_property(record, "Cluster"),
        node=_property(record, "Node"),
        namespace=namespace,
        controller=_property(record, "Controller"),
        pod=_property(record, "Pod"),
        container=_property(record, "Container"),
        team=said(record, "Label_team", "properties.labels.team") or team_of(labels),
        is_idle="__idle__" in (namespace, *(said(record, "Name") or "").split("/")),
        gpu_hours=gpu_hours,
        gpu_cost=gpu_cost,
        total_cost=total,
    )


def _property(record: Mapping[str, str], name: str) -> str | None:
    """Return a property of the workload, as either program calls it."""
    return said(record, name, f"{name}Name", f"properties.{name}")
