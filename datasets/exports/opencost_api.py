"""OpenCost's allocation API: per window an object of allocations, ``__idle__`` among them.

Fields: opencost/opencost core/pkg/opencost/allocation_json.go. ``totalEfficiency`` leaves the GPU out and is
not used; a cost's adjustment, which its total contains, is apart.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from inferplan.datasets.uploads.json_stream import members
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Allocation, Items, ReadOptions, Tally
from inferplan.datasets.uploads.records import moment, team_of

name = "opencost-api"
title = "OpenCost or Kubecost allocation API"
kind = "allocation"

_SHAPE = re.compile(r'"(gpuCost|cpuCoreHours|totalEfficiency)"\s*:')


_SETS = re.compile(r'"data"\s*:\s*\{\s*"sets"\s*:\s*\[')  # of Kubecost's own answers


def sniff(head: str) -> bool:
    """Recognise allocation fields in a JSON document."""
    return head.lstrip("\ufeff \t\r\n").startswith("{") and '"data"' in head and bool(_SHAPE.search(head))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield an allocation per named object of every window."""
    with upload.text() as text:
        key = "sets" if _SETS.search(upload.head) else "data"
        for position, window in enumerate(members(text, key, upload.file_name), start=1):
            found = window.get("allocations", window) if isinstance(window, Mapping) else {}
            for label, content in found.items() if isinstance(found, Mapping) else ():
                tally.rows_read += 1
                try:
                    yield _allocation(position, str(label), content)
                except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
                    tally.refuse(position, f"{label}: {error}")


def _allocation(position: int, label: str, content: Mapping[str, Any]) -> Allocation:
    properties, gpu = content.get("properties") or {}, content.get("gpuAllocation") or {}
    cost, total = _amount(content.get("gpuCost")), _amount(content.get("totalCost"))
    if total is None:
        msg = "it has no totalCost"
        raise ValueError(msg)
    return Allocation(
        line=position,
        period_start=moment(content.get("start"), "start"),
        period_end=moment(content.get("end"), "end"),
        cluster=properties.get("cluster"),
        node=properties.get("node"),
        namespace=properties.get("namespace"),
        controller=properties.get("controller"),
        pod=properties.get("pod"),
        container=properties.get("container"),
        team=team_of(properties.get("labels") or {}),
        is_idle="__idle__" in label.split("/"),
        gpu_hours=content.get("gpuHours"),
        gpu_usage_ratio=content.get("gpuUsageAverage", gpu.get("gpuUsageAverage")),
        gpu_cost=None if cost is None else cost + (_amount(content.get("gpuCostAdjustment")) or Decimal(0)),
        total_cost=total,
    )


def _amount(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))
