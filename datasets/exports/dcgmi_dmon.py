"""``dcgmi dmon``: a printed table without times; the header comes again every few rounds.

Shape: NVIDIA/DCGM dcgmi/DeviceMonitor.cpp. Short names are those of dcgmlib/src/dcgm_fields.cpp.
"""

import re

from inferplan.datasets.uploads.clock import start_us
from inferplan.datasets.uploads.gathering import Gatherer
from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import (
    Items,
    Labels,
    NeedsAnswerError,
    Question,
    ReadOptions,
    Series,
    Tally,
)
from inferplan.datasets.uploads.values import number

name = "dcgmi-dmon"
title = "dcgmi dmon printout"
kind = "usage"

_HEADER = re.compile(r"^#\s*Entity\s", re.MULTILINE)
_ENTITY = re.compile(r"^(?P<kind>GPU|GPU-I|GPU-CI|GI|CI|Switch|Link|CPU|CPU Core)\s+(?P<id>[\d/:]+)$")
_US = 1_000_000
QUESTIONS = (
    Question("start", "dcgmi dmon prints no times: when was its first line printed (UTC unless said)?"),
    Question(
        "interval_s",
        "dcgmi dmon prints no times: how many seconds lie between two rounds (its -d)?",
    ),
)


def sniff(head: str) -> bool:
    """Recognise the ``#Entity`` line."""
    return bool(_HEADER.search(head))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield samples, one round of printing after another."""
    first_us = start_us(options)
    if first_us is None or not options.interval_s or options.interval_s <= 0:
        raise NeedsAnswerError(*(q for q in QUESTIONS if not getattr(options, q.option)))
    gatherer = Gatherer(tally)
    metrics: list[Naming | None] = []
    printed: set[str] = set()
    rounds = 0
    for line_number, line in upload.lines(tally):
        tokens = line.split()
        if _HEADER.match(line):
            names = line.lstrip("# ").split()[1:]
            metrics = [named(short) for short in names]
            tally.ignored.update(
                short for short, naming in zip(names, metrics, strict=True) if naming is None
            )
            continue
        if not tokens or tokens[0] == "ID" or line.startswith("#"):
            continue
        tally.rows_read += 1
        entity = " ".join(tokens[: len(tokens) - len(metrics)])
        match = _ENTITY.match(entity)
        if match is None or not metrics:
            tally.refuse(line_number, f"not an entity and {len(metrics)} values: {line.strip()[:60]!r}")
            continue
        if entity in printed:
            rounds += 1
            printed.clear()
        printed.add(entity)
        us = first_us + round(rounds * options.interval_s * _US)
        labels = _labels(match["kind"], match["id"], options)
        for naming, cell in zip(metrics, tokens[-len(metrics) :], strict=True):
            if labels and naming:
                _take(cell, naming, labels, us, line_number, tally, gatherer)
        if gatherer.full:
            yield from gatherer.flush()
    yield from gatherer.flush()


def _labels(kind: str, number_text: str, options: ReadOptions) -> Labels | None:
    if kind == "GPU":
        return Labels(gpu_index=number_text, host=options.host)
    if kind in ("GPU-I", "GI"):
        return Labels(mig_id=number_text, host=options.host)
    return None


def _take(
    cell: str, naming: Naming, labels: Labels, us: int, line: int, tally: Tally, gatherer: Gatherer
) -> None:
    try:
        value = number(cell)[0]
    except ValueError as error:
        tally.refuse(line, str(error))
        return
    if value is None:
        tally.values_missing += 1
    else:
        gatherer.add(Series(naming.metric, labels), naming.factor, us, value, line)
