"""Prometheus HTTP API answers: ``query_range`` (matrix) and ``query`` (vector).

Format: prometheus/prometheus docs/querying/api.md. Values are strings and may be NaN or infinite, times may
have decimals, and steps without a sample are absent. The series alone are read as well, as client
libraries and the ``/api/v1/export`` of VictoriaMetrics write them.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from inferplan.datasets.uploads.clock import epoch_us
from inferplan.datasets.uploads.gathering import Gatherer, told_metric
from inferplan.datasets.uploads.json_stream import documents, members
from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, Series, Tally, UnreadableError
from inferplan.datasets.uploads.values import labels_of, number, variant_of

name = "prometheus-json"
title = "Prometheus HTTP API (query_range or query)"
kind = "usage"

_REMEMBERED = 10_000
_SERIES = re.compile(r'\A\s*\[?\s*\{\s*"(?:metric|values?|timestamps)"\s*:\s*[\[{]')
_ERROR = re.compile(r'"status"\s*:\s*"error"')
_TYPE = re.compile(r'"resultType"\s*:\s*"(\w+)"')
_WARNINGS = re.compile(r'"warnings"\s*:\s*')
_PARTIAL = re.compile(r'"isPartial"\s*:\s*true')  # VictoriaMetrics, cluster version


def sniff(head: str) -> bool:
    """Recognise the envelope of an answer, be it an error, or the series without it."""
    start = head.lstrip("\ufeff \t\r\n")
    if _SERIES.match(start):
        return '"metric"' in head and ('"values"' in head or '"value"' in head)
    return start.startswith("{") and (bool(_TYPE.search(head)) or bool(_ERROR.search(head[:2000])))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every series whose metric we use."""
    if _ERROR.search(upload.head[:2000]):
        msg = f"{upload.file_name} is an error of Prometheus, no data: {upload.head[:300].strip()}"
        raise UnreadableError(msg)
    result_type = _TYPE.search(upload.head)
    if result_type and result_type[1] not in ("matrix", "vector"):
        msg = f"{upload.file_name} holds a {result_type[1]}; ask Prometheus for query_range (a matrix)."
        raise UnreadableError(msg)
    for warning in warnings_of(upload.head):
        tally.note(f"Prometheus warns: {warning}")
    taker = _Taker(options, tally)
    with upload.text() as text:
        bare = _SERIES.match(upload.head.lstrip("\ufeff")) is not None
        found = documents(text, upload.file_name) if bare else members(text, "result", upload.file_name)
        for position, member in enumerate(found, start=1):
            taker.take(member, position)
            if taker.gatherer.full:
                yield from taker.gatherer.flush()
    yield from taker.gatherer.flush()


def warnings_of(answer: str) -> tuple[str, ...]:
    """Return what a server says against its own ``answer``, such as that parts of it are missing.

    >>> warnings_of('{"status":"success","warnings":["store 1 is down"],"data":{}}')
    ('store 1 is down',)
    """
    partial = ("the answer is partial",) if _PARTIAL.search(answer) else ()
    found = _WARNINGS.search(answer)
    if found is None:
        return partial
    try:
        said, _ = json.JSONDecoder().raw_decode(answer, found.end())
    except ValueError:
        return partial
    return (*partial, *map(str, said if isinstance(said, list) else [said]))


class _Taker:
    """Takes the samples of series."""

    def __init__(self, options: ReadOptions, tally: Tally) -> None:
        self._options, self._tally = options, tally
        self._taken: dict[Series, Mapping[str, str]] = {}
        self.gatherer = Gatherer(tally)

    def take(self, member: Any, position: int) -> None:
        """Take one series, the one at ``position`` in the answer."""
        metric = member.get("metric") if isinstance(member, Mapping) else None
        points = _points(member) if isinstance(member, Mapping) else None
        if not isinstance(metric, Mapping) or not isinstance(points, list):
            self._tally.rows_read += 1
            self._tally.refuse(position, "the series has no 'metric' or no 'values'")
            return
        self._tally.rows_read += len(points)
        labels = {str(key): str(value) for key, value in metric.items()}
        naming = _naming(labels, self._options)
        if naming is None:
            self._tally.ignored[labels["__name__"]] += len(points)
            return
        series = Series(naming.metric, labels_of(labels), variant_of(naming.metric, labels))
        self._tell_apart(series, labels)
        times_us, values = self._samples(points, position)
        if values:
            self.gatherer.extend(series, naming.factor, times_us, values, position)

    def _tell_apart(self, series: Series, labels: Mapping[str, str]) -> None:
        """Note the labels in which alone two series differ that are the same to us, among the first many."""
        if len(self._taken) < _REMEMBERED:
            self._taken.setdefault(series, labels)
        first = self._taken.get(series, labels)
        differ = sorted(key for key in {*first, *labels} if first.get(key) != labels.get(key))
        if differ:
            self._tally.note(
                f"{series.metric}: series that differ only in {', '.join(differ)} are taken for one, "
                "the larger value at a time is kept. Import them one by one if they are apart."
            )

    def _samples(self, points: list[Any], position: int) -> tuple[list[int], list[float]]:
        times_us, values = [], []
        for point in points:
            try:
                at, text = point
                value = number(str(text))[0]
                us = epoch_us(float(at))
            except (ValueError, TypeError, OverflowError) as error:
                self._tally.refuse(position, f"sample {str(point)[:60]}: {error}")
                continue
            if value is None:
                self._tally.values_missing += 1
                continue
            times_us.append(us)
            values.append(value)
        return times_us, values


def _points(member: Mapping[str, Any]) -> Any:
    """Return pairs of time and value; VictoriaMetrics' export has them in two lists."""
    values, times = member.get("values", [member.get("value")]), member.get("timestamps")
    if isinstance(times, list) and isinstance(values, list) and len(times) == len(values):
        return list(zip(times, values, strict=True))
    return values


def _naming(labels: Mapping[str, str], options: ReadOptions) -> Naming | None:
    if "__name__" not in labels:
        return told_metric(options.metric)
    return named(labels["__name__"], tuple(labels.items()))
