"""Prometheus text exposition: what an exporter's ``/metrics`` shows at one instant (or OpenMetrics).

Format: prometheus.io/docs/instrumenting/exposition_formats. A line may end in a time in ms; most do not.
``promtool tsdb dump`` writes such lines with the name among the labels.
"""

import re
from functools import lru_cache
from itertools import islice

from inferplan.datasets.uploads.clock import epoch_us
from inferplan.datasets.uploads.gathering import Gatherer
from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Batch, Items, Labels, ReadOptions, Series, Tally
from inferplan.datasets.uploads.rounds import Rounds
from inferplan.datasets.uploads.values import label_set, labels_of, number, variant_of

name = "prometheus-text"
title = "Prometheus text exposition (/metrics)"
kind = "usage"

_COMMENT = re.compile(r"^# (HELP|TYPE) [A-Za-z_:]", re.MULTILINE)
_SAMPLE = re.compile(
    r'^(?P<name>[A-Za-z_:][\w:]*(?=[\s{])|(?=\{))\s*(?P<labels>\{(?:[^"}]++|"(?:[^"\\]++|\\.)*+")*+\})?\s+(?P<value>\S+)(?:\s+(?P<at>-?\d+(?:\.\d+)?))?'
    r"(?:\s+#.*)?$"
)
_NAME_INSIDE = re.compile(r'^\{\s*(?:.*?\b__name__\s*=\s*)?"((?:[^"\\]|\\.)*)"')
_CREATED = "_created"
_FIRST_LINES = 20
_REMEMBERED = 100_000


def sniff(head: str) -> bool:
    """Recognise ``# HELP`` or ``# TYPE`` lines, or a sample first and soon one of a metric that we use."""
    if _COMMENT.search(head):
        return True
    first = islice((line for line in head.splitlines() if line.strip()), _FIRST_LINES)
    samples = [_SAMPLE.match(line) for line in first]
    return bool(samples and samples[0]) and any(
        match and named(_name(match["name"], match["labels"])) for match in samples
    )


def _name(name: str | None, labels: str | None) -> str:
    """Return the metric's name, which UTF-8 names and ``promtool tsdb dump`` put among the labels."""
    inside = None if name else _NAME_INSIDE.match(labels or "")
    return inside[1] if inside else str(name)


def _seen(name: str | None, labels: str | None) -> tuple[str, Naming | None, Series | None]:
    """Return the name that a sample says, the metric that it is if we use it, and of what."""
    said, pairs = _name(name, labels), label_set(labels or "")
    is_birth = said.endswith(_CREATED)
    naming = named(said.removesuffix(_CREATED) + "_bucket" if is_birth else said, tuple(pairs.items()))
    if naming is None:
        return said, None, None
    return said, naming, Series(naming.metric, labels_of(pairs), variant_of(naming.metric, pairs))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield one sample per line whose metric we use, and the zero that each histogram began with."""
    gatherer = Gatherer(tally)
    rounds = Rounds(options, "A scrape")
    created_us: dict[tuple[str, Labels], int] = {}
    seen = lru_cache(_REMEMBERED)(_seen)  # each scrape names the same series
    for line_number, line in upload.lines(tally):
        if not line.strip() or line.startswith("#"):
            continue
        tally.rows_read += 1
        match = _SAMPLE.match(line)
        if match is None:
            tally.refuse(line_number, "not a sample: name, labels in braces, value")
            continue
        said, naming, series = seen(match["name"], match["labels"])
        if naming is None or series is None:
            tally.ignored[said] += 1
            continue
        try:
            value = number(match["value"])[0]
            if said.endswith(_CREATED):
                created_us[naming.metric, series.labels] = epoch_us(float(match["value"]))
                continue
            us = epoch_us(float(match["at"])) if match["at"] else None
        except ValueError as error:
            tally.refuse(line_number, str(error))
            continue
        if value is None:
            tally.values_missing += 1
            continue
        if us is None:  # the same again is of a later scrape
            us = rounds.us((match["name"], match["labels"]))
        gatherer.add(series, naming.factor, us, value, line_number)
        if gatherer.full:
            yield from gatherer.flush()
    for batch in gatherer.flush():
        yield _from_birth(batch, created_us.get((batch.series.metric, batch.series.labels)))


def _from_birth(batch: Batch, created_us: int | None) -> Batch:
    """Return the readings of a histogram's bucket that has but one with the zero before it.

    So a single scrape tells how long requests took since the process started.
    """
    if created_us is None or created_us >= batch.times_us[0] or len(set(batch.times_us)) > 1:
        return batch
    return batch._replace(times_us=[created_us, *batch.times_us], values=[0.0, *batch.values])
