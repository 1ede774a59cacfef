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
from inferplan.datasets.uploads.json_stream import documents, members
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, Tally, UnreadableError
from inferplan.datasets.uploads.taking import SeriesTaker

name = "prometheus-json"
title = "Prometheus HTTP API (query_range or query)"
kind = "usage"

_ENDING_BYTES = 16 << 10
_SERIES = re.compile(r'\A\s*\[?\s*\{\s*"(?:metric|values?|timestamps)"\s*:\s*[\[{]')
_ERROR = re.compile(r'"status"\s*:\s*"error"')
_TYPE = re.compile(r'"resultType"\s*:\s*"(\w+)"')
_WARNINGS = re.compile(r'"warnings"\s*:\s*(?=\[|")')
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
    for warning in dict.fromkeys((*warnings_of(upload.head), *warnings_of(_ending(upload)))):
        tally.note(f"Prometheus warns: {warning}")
    taker = SeriesTaker(options, tally, lambda text: epoch_us(float(text)))
    with upload.text() as text:
        bare = _SERIES.match(upload.head.lstrip("\ufeff")) is not None
        found = documents(text, upload.file_name) if bare else members(text, "result", upload.file_name)
        yield from taker.each(found, _take)


def _ending(upload: Upload) -> str:
    """Return the last characters of a file: warnings stand behind the data."""
    with upload.binary() as stream:
        stream.seek(max(0, upload.size_bytes - _ENDING_BYTES))
        return stream.read().decode(upload.encoding, "replace")


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


def _take(member: Mapping[str, Any], position: int, taker: SeriesTaker) -> None:
    """Take one series, the one at ``position`` in the answer."""
    points, metric = _points(member), member["metric"]
    if not isinstance(points, list):
        msg = "the series has no 'values'"
        raise TypeError(msg)
    labels = {str(key): str(value) for key, value in metric.items()}
    taker.take(labels.get("__name__"), labels, points, position)


def _points(member: Mapping[str, Any]) -> Any:
    """Return pairs of time and value; VictoriaMetrics' export has them in two lists."""
    values, times = member.get("values", [member.get("value")]), member.get("timestamps")
    if isinstance(times, list) and isinstance(values, list) and len(times) == len(values):
        return list(zip(times, values, strict=True))
    return values
