"""Amazon CloudWatch ``get-metric-data``, ``get-metric-statistics`` and metric streams in JSON.

The first gives parallel arrays, the newest first, dimensions only in the label; the second one metric without
dimensions; the third a line per metric and minute, with all of them. Shapes: botocore's cloudwatch model;
docs.aws.amazon.com, CloudWatch-metric-streams-formats-json. The CLI prints ISO times, the API gives epochs.
Data older than 15 days has 5-minute steps, older than 63 days hourly ones: ask for Maximum, averages flatten
the peaks.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.cloudwatch_labels import meaning, unfit_statistic
from inferplan.datasets.uploads.gathering import Gatherer
from inferplan.datasets.uploads.json_stream import documents, members
from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, Labels, ReadOptions, Series, Tally
from inferplan.datasets.uploads.values import finite, labels_of

name = "cloudwatch-json"
title = "Amazon CloudWatch metrics (JSON)"
kind = "usage"

_RESULTS = re.compile(r'"(MetricDataResults|metricDataResults)"\s*:\s*\[')
_SINGLE = re.compile(r'"Datapoints"\s*:\s*\[|"metric_stream_name"\s*:')
_STATISTICS = ("Maximum", "Average")


def sniff(head: str) -> bool:
    """Recognise the list of results, of data points, or a record of a stream."""
    start = head.lstrip("\ufeff \t\r\n")
    return start.startswith(("{", "[")) and bool(_RESULTS.search(head) or _SINGLE.search(head))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every result."""
    taker = _Taker(options, tally)
    with upload.text() as text:
        if results := _RESULTS.search(upload.head):
            for position, result in enumerate(members(text, results[1], upload.file_name), start=1):
                taker.result(result, position)
                yield from taker.full()
        else:
            for position, document in enumerate(documents(text, upload.file_name), start=1):
                taker.document(document, position)
                yield from taker.full()
    yield from taker.gatherer.flush()


class _Taker:
    """Takes samples out of what CloudWatch answers."""

    def __init__(self, options: ReadOptions, tally: Tally) -> None:
        self._options, self._tally = options, tally
        self._clock, self.gatherer = Clock(options, tally), Gatherer(tally)
        self._named: dict[tuple[str, Labels], str] = {}

    def full(self) -> Items:
        """Yield what was gathered, where it is enough."""
        if self.gatherer.full:
            yield from self.gatherer.flush()

    def result(self, result: Any, position: int) -> None:
        """Take a result of ``get-metric-data``."""
        result = (
            {key.casefold(): value for key, value in result.items()} if isinstance(result, Mapping) else {}
        )
        label, identity = str(result.get("label", "")), str(result.get("id", ""))
        times, values = result.get("timestamps"), result.get("values")
        if not isinstance(times, list) or not isinstance(values, list):
            self._tally.refuse(position, "not a result with lists of timestamps and values")
            return
        if len(times) != len(values):
            self._tally.rows_read += len(times)
            self._tally.refuse(position, f"{len(times)} times beside {len(values)} values", rows=len(times))
            return
        if result.get("statuscode") == "PartialData":
            self._tally.note(f"{label}: CloudWatch returned only part of the data; fetch the next page too.")
        naming, labels = meaning(label, identity, self._options)
        pairs = sorted(zip((str(at) for at in times), values, strict=True), key=lambda pair: pair[0])
        self._take(label, naming, self._apart(naming, labels, identity), pairs, position)

    def document(self, document: Any, position: int) -> None:
        """Take an answer of ``get-metric-statistics`` or a record of a metric stream."""
        if not isinstance(document, Mapping):
            self._tally.refuse(position, "not a metric")
        elif isinstance(points := document.get("Datapoints"), list):
            label = str(document.get("Label", ""))
            naming, labels = meaning(label, label, self._options)
            points = [point for point in points if isinstance(point, Mapping)]
            pairs = [(str(point.get("Timestamp")), _statistic(point)) for point in points]
            self._take(label, naming, labels, sorted(pairs, key=lambda pair: pair[0]), position)
            if self._options.host is None:
                self._tally.note("get-metric-statistics names no machine: say which with --host.")
        else:
            name, dimensions = str(document.get("metric_name")), document.get("dimensions")
            labels = labels_of({key: str(value) for key, value in _called(dimensions)})
            value = document.get("value") or {}
            pair = (str(document.get("timestamp")), value.get("max") if isinstance(value, Mapping) else value)
            self._take(name, named(name), labels, [pair], position)

    def _apart(self, naming: Naming | None, labels: Labels, identity: str) -> Labels:
        """Return labels that keep results apart whose labels name the same metric and no place."""
        if naming is None or labels != Labels(host=self._options.host):
            return labels
        first = self._named.setdefault((naming.metric, labels), identity)
        if first == identity:
            return labels
        self._tally.note("Labels of several results name no machine or GPU: they are told apart by their Id.")
        return replace(labels, host=identity)

    def _take(
        self, label: str, naming: Naming | None, labels: Labels, pairs: list[tuple[str, Any]], position: int
    ) -> None:
        self._tally.rows_read += len(pairs)
        if naming is None:
            self._tally.ignored[label] += len(pairs)
            return
        if unfit := unfit_statistic(label, self._tally):
            self._tally.refuse(position, f"{label}: {unfit}", rows=len(pairs))
            return
        for at, value in pairs:
            try:
                number = finite(float(value))
                us = self._clock.us(at, label)
            except (TypeError, ValueError) as error:
                self._tally.refuse(position, f"{label}: {error}")
                continue
            if number is None:
                self._tally.values_missing += 1
            else:
                self.gatherer.add(Series(naming.metric, labels), naming.factor, us, number, position)


def _statistic(point: Mapping[str, Any]) -> Any:
    """Return the value of a data point: its maximum where it has one, since averages flatten the peaks.

    What has neither says by how it is refused that sums and minima do not tell how much was used.
    """
    return next((point[name] for name in _STATISTICS if name in point), "neither Maximum nor Average")


def _called(dimensions: Any) -> Iterator[tuple[str, Any]]:
    """Yield dimensions as labels; the CloudWatch agent calls a GPU's kind ``name``."""
    for key, value in dimensions.items() if isinstance(dimensions, Mapping) else ():
        yield "gpu_name" if key == "name" else key, value
