"""Prometheus text exposition: what an exporter's ``/metrics`` shows at one instant (or OpenMetrics).

Format: prometheus.io/docs/instrumenting/exposition_formats. A line may end in a time in ms; most do not.
"""

import re

from inferplan.datasets.uploads.clock import epoch_us, start_us
from inferplan.datasets.uploads.gathering import Gatherer
from inferplan.datasets.uploads.metrics import named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, NeedsAnswerError, Question, ReadOptions, Series, Tally
from inferplan.datasets.uploads.values import label_set, labels_of, number

name = "prometheus-text"
title = "Prometheus text exposition (/metrics)"
kind = "usage"

_COMMENT = re.compile(r"^# (HELP|TYPE) [A-Za-z_:]", re.MULTILINE)
_SAMPLE = re.compile(
    r'^(?P<name>[A-Za-z_:][\w:]*)\s*(?P<labels>\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?\s+(?P<value>\S+)(?:\s+(?P<at>-?\d+(?:\.\d+)?))?'
    r"(?:\s+#.*)?$"
)
_VARIANTS = ("finished_reason", "le", "quantile", "priority")
_SCRAPED = Question("start", "The file has no times: when was it scraped (UTC unless it says otherwise)?")


def sniff(head: str) -> bool:
    """Recognise ``# HELP`` or ``# TYPE`` lines, or a first line that is a sample with labels."""
    first = next((line for line in head.splitlines() if line.strip()), "")
    match = _SAMPLE.match(first)
    return bool(_COMMENT.search(head)) or bool(match and match["labels"] and named(match["name"]))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield one sample per line whose metric we use."""
    gatherer = Gatherer(tally)
    scraped_us = start_us(options)
    for line_number, line in upload.lines(tally):
        if not line.strip() or line.startswith("#"):
            continue
        tally.rows_read += 1
        match = _SAMPLE.match(line)
        if match is None:
            tally.refuse(line_number, "not a sample: name, labels in braces, value")
            continue
        naming = named(match["name"])
        if naming is None:
            tally.ignored[match["name"]] += 1
            continue
        try:
            value = number(match["value"])[0]
            us = epoch_us(float(match["at"])) if match["at"] else scraped_us
        except ValueError as error:
            tally.refuse(line_number, str(error))
            continue
        if value is None:
            tally.values_missing += 1
            continue
        if us is None:
            raise NeedsAnswerError(_SCRAPED)
        labels = label_set(match["labels"] or "")
        variant = ",".join(labels[key] for key in _VARIANTS if key in labels)
        gatherer.add(Series(naming.metric, labels_of(labels), variant), naming.factor, us, value, line_number)
        if gatherer.full:
            yield from gatherer.flush()
    yield from gatherer.flush()
