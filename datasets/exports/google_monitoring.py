"""Google Cloud Monitoring's ``timeSeries.list``: series with the newest point first.

Shape: cloud.google.com/monitoring/api/ref_v3/rest/v3/TimeSeries, also as client libraries print the list
alone. Metrics of Managed Prometheus keep their names inside of the type.
"""

import re
from collections.abc import Mapping
from typing import Any

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.json_stream import documents, members
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, Tally
from inferplan.datasets.uploads.taking import SeriesTaker

name = "google-monitoring"
title = "Google Cloud Monitoring time series (JSON)"
kind = "usage"

_LIST = re.compile(r'"timeSeries"\s*:\s*\[')
_KIND = re.compile(r'"metricKind"\s*:\s*"(?:GAUGE|CUMULATIVE|DELTA)"')
_PROMETHEUS = re.compile(r"^prometheus\.googleapis\.com/(?P<name>[^/]+)/(?P<kind>\w+)$")


def sniff(head: str) -> bool:
    """Recognise the kind of a metric, within a list of series or alone."""
    return head.lstrip("\ufeff \t\r\n").startswith(("{", "[")) and bool(_KIND.search(head))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every series of numbers."""
    taker = SeriesTaker(options, tally, Clock(options, tally).us)
    with upload.text() as text:
        named_list = _LIST.search(upload.head)
        found = (
            members(text, "timeSeries", upload.file_name) if named_list else documents(text, upload.file_name)
        )
        yield from taker.each(found, _take)


def _take(series: Mapping[str, Any], position: int, taker: SeriesTaker) -> None:
    metric, points = series["metric"], series.get("points") or []
    prometheus = _PROMETHEUS.match(str(metric["type"]))
    said = prometheus["name"] if prometheus else str(metric["type"])
    is_rate = (
        prometheus is not None and prometheus["kind"] == "counter" and series["metricKind"] != "CUMULATIVE"
    )
    if series["metricKind"] == "DELTA" or is_rate:
        taker.ignore(f"{said} (aligned to deltas or rates: list it without an aligner)", len(points))
        return
    labels = {**(series.get("resource") or {}).get("labels", {}), **metric.get("labels", {})}
    if "make" in labels:  # of an accelerator
        labels["gpu_name"] = labels.pop("model", "")
    pairs = sorted((str(point["interval"]["endTime"]), _number(point["value"])) for point in points)
    taker.take(said, {key: str(value) for key, value in labels.items()}, pairs, position)


def _number(value: Mapping[str, Any]) -> str:
    """Return a point's number; a distribution has none."""
    return str(value.get("doubleValue", value.get("int64Value", "")))
