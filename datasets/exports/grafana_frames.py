"""Grafana's data frames in JSON: answers of ``/api/ds/query``, and what a panel's inspector shows.

Shapes: grafana/grafana packages/grafana-data/src/dataframe/DataFrameJSON.ts (``schema`` beside ``data``) and
types/dataFrame.ts (``fields`` with ``values``). Times are epochs in ms, a gap is null. A field of text tells
the place of its row.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.gathering import in_told_unit, in_unit, told_metric
from inferplan.datasets.uploads.json_stream import documents
from inferplan.datasets.uploads.legends import legend
from inferplan.datasets.uploads.metrics import EITHER, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, Tally
from inferplan.datasets.uploads.taking import SeriesTaker

name = "grafana-frames"
title = "Grafana data frames (JSON)"
kind = "usage"

_DEEPEST = 12  # of the shapes above none is deeper than 6
_NAMELESS = ("Value", "value")
_FIELDS = re.compile(r'"fields"\s*:\s*\[\s*\{')
_TYPE = re.compile(r'"type"\s*:\s*"time"')
_UNITS = {"percentunit": "ratio", "decbytes": "b", "decmbytes": "mb", "decgbytes": "gb", "mbytes": "mib",
          "gbytes": "gib", "kbytes": "kib"}  # fmt: skip
"""Units that Grafana calls otherwise (packages/grafana-data/src/valueFormats/categories.ts)."""


def sniff(head: str) -> bool:
    """Recognise fields of which one is the time."""
    return head.lstrip("\ufeff \t\r\n").startswith(("{", "[")) and bool(
        _FIELDS.search(head) and _TYPE.search(head)
    )


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every field of numbers."""
    taker = SeriesTaker(options, tally, Clock(options, tally).us)
    with upload.text() as text:
        frames = (frame for document in documents(text, upload.file_name) for frame in _frames(document))
        yield from taker.each(frames, _take)


def _frames(value: Any, depth: int = 0) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the fields of every frame in a document, each with its ``values``."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for one in value:
            yield from _frames(one, depth + 1)
    elif isinstance(value, Mapping):
        columns = _at(value, "data", "values")
        fields = _at(value, "schema", "fields") if isinstance(columns, list) else value.get("fields")
        if isinstance(fields, list) and isinstance(columns, list):
            cells = [*columns, *([] for _ in fields)]  # one without values is refused: of another length
            known = [field if isinstance(field, Mapping) else {} for field in fields]
            yield [{**field, "values": found} for field, found in zip(known, cells, strict=False)]
        elif isinstance(fields, list) and fields and all(isinstance(_at(f, "values"), list) for f in fields):
            yield fields
        else:
            for one in value.values():
                yield from _frames(one, depth + 1)


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _take(frame: list[Mapping[str, Any]], position: int, taker: SeriesTaker) -> None:
    """Take each field of numbers of a frame, one series for each place that fields of text tell."""
    clocks = [field["values"] for field in frame if field.get("type") == "time"]
    if not clocks:
        return
    times = clocks[0]
    texts = [field for field in frame if field.get("type") in ("string", "enum")]
    places = list(zip(*(map(str, field["values"]) for field in texts), strict=True)) or [()] * len(times)
    for field in (field for field in frame if field.get("type") == "number"):
        rows: dict[tuple[str, ...], list[tuple[Any, Any]]] = {}
        for at, place, value in zip(times, places, field["values"], strict=True):
            rows.setdefault(place, []).append((at, value))
        for place, points in rows.items():
            said = dict(zip((str(one.get("name")) for one in texts), place, strict=True))
            _take_series(field, said, points, position, taker)


def _take_series(
    field: Mapping[str, Any],
    said: Mapping[str, str],
    points: list[tuple[Any, Any]],
    position: int,
    taker: SeriesTaker,
) -> None:
    """Take one series; what neither labels nor name nor legend call a metric was told, or is asked for."""
    config = field.get("config") or {}
    labels = {**said, **{str(key): str(value) for key, value in (field.get("labels") or {}).items()}}
    own = str(field.get("name", ""))
    name = labels.get("__name__") or ("" if own.startswith(_NAMELESS) else own)
    naming = named(name, tuple(labels.items())) if name else None
    if naming is None and not labels:
        shown = legend(str(config.get("displayName") or config.get("displayNameFromDS") or own))
        naming, labels, name = shown.naming, dict(shown.labels), shown.unknown or ""
    if naming is None and name:
        taker.ignore(name, len(points))
        return
    if naming is None or naming.factor == EITHER:
        naming = in_told_unit(naming or told_metric(taker.options.metric), taker.options.metric)
    if naming.factor == EITHER and (unit := str(config.get("unit") or "")):
        naming = in_unit(naming, _UNITS.get(unit, unit), taker.tally)
    taker.take_as(naming, labels, points, position)
