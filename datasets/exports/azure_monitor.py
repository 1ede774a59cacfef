"""Azure Monitor's metrics in JSON, as ``az monitor metrics list`` prints them.

Shape: learn.microsoft.com/rest/api/monitor/metrics/list. The machine stands in the metric's id, other
dimensions in ``metadatavalues``; whether a point has an average, a maximum or more depends on what was asked.
"""

import re
from collections.abc import Mapping
from typing import Any

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.json_stream import members
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, Tally
from inferplan.datasets.uploads.taking import SeriesTaker

name = "azure-monitor"
title = "Azure Monitor metrics (JSON)"
kind = "usage"

_SERIES = re.compile(r'"timeseries"\s*:\s*\[')
_RESOURCE = re.compile(r"/([^/]+)/providers/Microsoft\.Insights/metrics/", re.IGNORECASE)
_UNITS = {"Percent": "%", "Bytes": "b", "Seconds": "s", "MilliSeconds": "ms"}


def sniff(head: str) -> bool:
    """Recognise series of Microsoft's metrics."""
    is_json = head.lstrip("\ufeff \t\r\n").startswith("{")
    return is_json and "microsoft.insights/metrics" in head.casefold() and bool(_SERIES.search(head))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every series."""
    taker = SeriesTaker(options, tally, Clock(options, tally).us)
    with upload.text() as text:
        yield from taker.each(members(text, "value", upload.file_name), _take)


def _take(metric: Mapping[str, Any], position: int, taker: SeriesTaker) -> None:
    resource = _RESOURCE.search(str(metric.get("id", "")))
    place = {"host": resource[1]} if resource else {}
    for series in metric["timeseries"]:
        said = {str(one["name"]["value"]): str(one["value"]) for one in series.get("metadatavalues") or []}
        data = series["data"]
        best = next((key for key in ("maximum", "average") if any(key in point for point in data)), None)
        if best is None and data:
            taker.ignore(f"{metric['name']['value']} (neither maximum nor average)", len(data))
            continue
        if best == "average":
            taker.tally.note("Averages flatten the peaks: ask Azure Monitor for --aggregation Maximum.")
        points = [(point["timeStamp"], point.get(best)) for point in data]
        unit = _UNITS.get(str(metric.get("unit")), "")
        taker.take(str(metric["name"]["value"]), {**said, **place}, points, position, unit)
