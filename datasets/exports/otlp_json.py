"""OpenTelemetry metrics in JSON, as the Collector's file exporter writes them: a batch in each line.

Shape: open-telemetry/opentelemetry-proto metrics.proto in its JSON form. Gauges and cumulative sums are read;
what is a delta or a histogram is named and left out.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from inferplan.datasets.uploads.clock import epoch_us
from inferplan.datasets.uploads.json_stream import documents
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, Tally
from inferplan.datasets.uploads.taking import SeriesTaker

name = "otlp-json"
title = "OpenTelemetry metrics (JSON of the Collector)"
kind = "usage"

_START = re.compile(r'\A\s*\[?\s*\{\s*"resourceMetrics"\s*:')
_UNITS = {"By": "b", "KiBy": "kib", "MiBy": "mib", "GiBy": "gib", "Cel": "c", "%": "%", "W": "w", "mW": "mw",
          "s": "s", "ms": "ms"}  # fmt: skip
"""Units of UCUM that say more than the name does."""
_DELTA = (1, "AGGREGATION_TEMPORALITY_DELTA")
_VALUES = ("asDouble", "asInt")


def sniff(head: str) -> bool:
    """Recognise the list of resources."""
    return _START.match(head.lstrip("\ufeff")) is not None


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every gauge and sum."""
    taker = SeriesTaker(options, tally, lambda text: epoch_us(float(text)))
    with upload.text() as text:
        yield from taker.each(documents(text, upload.file_name), _take_all)


def _take_all(document: Any, position: int, taker: SeriesTaker) -> None:
    for resource in _list(document, "resourceMetrics"):
        place = _attributes(resource.get("resource"))
        for scope in _list(resource, "scopeMetrics"):
            for metric in _list(scope, "metrics"):
                _take(metric, place, position, taker)


def _take(metric: Mapping[str, Any], place: Mapping[str, str], position: int, taker: SeriesTaker) -> None:
    said = str(metric.get("name", ""))
    data = metric.get("gauge") or metric.get("sum")
    if not isinstance(data, Mapping) or data.get("aggregationTemporality") in _DELTA:
        what = "deltas, export cumulative sums" if isinstance(data, Mapping) else "neither gauge nor sum"
        taker.ignore(f"{said} ({what})", 1)
        return
    unit = _UNITS.get(str(metric.get("unit")), "")
    for point in _list(data, "dataPoints"):
        value = next((point[key] for key in _VALUES if key in point), None)
        labels = {**place, **_attributes(point)}
        taker.take(said, labels, [(point.get("timeUnixNano"), value)], position, unit)


def _list(value: Any, key: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects in a list of an object."""
    found = value.get(key) if isinstance(value, Mapping) else None
    yield from (one for one in found if isinstance(one, Mapping)) if isinstance(found, list) else ()


def _attributes(value: Any) -> dict[str, str]:
    """Return attributes as labels: each value stands in an object by its type."""
    found = {}
    for attribute in _list(value, "attributes"):
        typed = attribute.get("value")
        if isinstance(typed, Mapping) and typed:
            found[str(attribute.get("key"))] = str(next(iter(typed.values())))
    return found
