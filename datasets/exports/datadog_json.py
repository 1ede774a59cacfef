"""Datadog's ``/api/v1/query``: series by the tags that were asked for, times in ms, gaps as null.

Shape: docs.datadoghq.com/api/latest/metrics, "Query timeseries points".
"""

import re
from collections.abc import Mapping
from typing import Any

from inferplan.datasets.uploads.clock import epoch_us
from inferplan.datasets.uploads.json_stream import members
from inferplan.datasets.uploads.metrics import EITHER, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, Tally
from inferplan.datasets.uploads.taking import SeriesTaker
from inferplan.datasets.uploads.values import label_pairs

name = "datadog-json"
title = "Datadog metric query (JSON)"
kind = "usage"

_POINTS = re.compile(r'"pointlist"\s*:\s*\[')


def sniff(head: str) -> bool:
    """Recognise the list of points in a series."""
    return head.lstrip("\ufeff \t\r\n").startswith("{") and '"series"' in head and bool(_POINTS.search(head))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every series."""
    taker = SeriesTaker(options, tally, lambda text: epoch_us(float(text)))
    with upload.text() as text:
        yield from taker.each(members(text, "series", upload.file_name), _take)


def _take(series: Mapping[str, Any], position: int, taker: SeriesTaker) -> None:
    if series.get("aggr") in ("avg", None):
        taker.tally.note("Datadog's averages flatten the peaks: ask for max by gpu and host.")
    tags = label_pairs(str(series.get("scope") or ""))
    taker.take(str(series["metric"]), tags, series["pointlist"], position, _unit(series))


def _unit(series: Mapping[str, Any]) -> str:
    """Return the short name of the unit of a metric whose own we do not know.

    Datadog calls the MiB of DCGM megabytes. The first unit stands alone unless the metric is a quotient.
    """
    naming = named(str(series.get("metric")))
    if naming and naming.factor != EITHER:
        return ""
    units = series.get("unit")
    first = units[0] if isinstance(units, list) and units else None
    return str(first.get("short_name") or "") if isinstance(first, Mapping) else ""
