"""Amazon CloudWatch ``get-metric-data``: parallel arrays, the newest first, dimensions only in the label.

Shape: botocore's cloudwatch model. The CLI prints ISO times, the API gives epochs. Data older than 15 days
has 5-minute steps, older than 63 days hourly ones: ask for Maximum, averages flatten the peaks.
"""

import re
from collections.abc import Mapping
from typing import Any

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.gathering import Gatherer, told_metric
from inferplan.datasets.uploads.json_stream import members
from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, Labels, ReadOptions, Series, Tally
from inferplan.datasets.uploads.values import finite

name = "cloudwatch-json"
title = "Amazon CloudWatch get-metric-data"
kind = "usage"

_INSTANCE = re.compile(r"^i-[0-9a-f]{8,17}$")
_TYPE = re.compile(r"^[a-z][a-z0-9-]*\.(?:\d*x?large|metal(?:-\d+xl)?|small|medium|micro|nano)$")
_UUID = re.compile(r"^(?:GPU|MIG)-[0-9a-f-]{36}$", re.IGNORECASE)
_WORD = re.compile(r"[^\s,;|]+")


def sniff(head: str) -> bool:
    """Recognise the list of results."""
    return head.lstrip("\ufeff \t\r\n").startswith("{") and '"MetricDataResults"' in head


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every result."""
    clock, gatherer = Clock(options, tally), Gatherer(tally)
    with upload.text() as text:
        for position, result in enumerate(members(text, "MetricDataResults", upload.file_name), start=1):
            _take(result, position, options, clock, tally, gatherer)
            if gatherer.full:
                yield from gatherer.flush()
    yield from gatherer.flush()


def _take(
    result: Any, position: int, options: ReadOptions, clock: Clock, tally: Tally, gatherer: Gatherer
) -> None:
    if not isinstance(result, Mapping):
        tally.refuse(position, "not a result")
        return
    label = str(result.get("Label", ""))
    times, values = result.get("Timestamps") or [], result.get("Values") or []
    tally.rows_read += len(times)
    if len(times) != len(values):
        tally.refuse(position, f"{len(times)} times beside {len(values)} values", rows=len(times))
        return
    if result.get("StatusCode") == "PartialData":
        tally.note(f"{label}: CloudWatch returned only part of the data; fetch the next page too.")
    naming, labels = _meaning(label, str(result.get("Id", "")), options, tally)
    if naming is None:
        tally.ignored[label] += len(times)
        return
    pairs = sorted(zip((str(at) for at in times), values, strict=True), key=lambda pair: pair[0])
    for at, value in pairs:
        try:
            number = finite(float(value))
            us = clock.us(at, label)
        except (TypeError, ValueError) as error:
            tally.refuse(position, f"{label}: {error}")
            continue
        if number is None:
            tally.values_missing += 1
        else:
            gatherer.add(Series(naming.metric, labels), naming.factor, us, number, position)


def _meaning(label: str, identity: str, options: ReadOptions, tally: Tally) -> tuple[Naming | None, Labels]:
    """Return metric and place from the words of a label; what it does not say cannot be known."""
    words = _WORD.findall(label)
    naming = next((found for word in words if (found := named(word))), None) or named(identity)
    instance = next((word for word in words if _INSTANCE.match(word)), None)
    uuid = next((word for word in words if _UUID.match(word)), None)
    rest = [
        word
        for word in words
        if not (named(word) or _INSTANCE.match(word) or _TYPE.match(word) or _UUID.match(word))
    ]
    index = next((word for word in rest if word.isdigit()), None)
    place = next((word for word in rest if not word.isdigit()), None)
    labels = Labels(
        gpu_uuid=uuid,
        gpu_index=index,
        host=place or options.host,
        instance_id=instance,
        instance_type=next((word for word in words if _TYPE.match(word)), None),
    )
    if naming is None and options.metric:
        return told_metric(options.metric), labels
    if naming is None and not (instance or uuid):
        return None, labels
    return naming or told_metric(options.metric), labels
