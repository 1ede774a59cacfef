"""``dcgmi dmon``: a printed table without times; the header comes again every few rounds.

Shape: NVIDIA/DCGM dcgmi/DeviceMonitor.cpp. Short names are those of dcgmlib/src/dcgm_fields.cpp.
"""

import re

from inferplan.datasets.uploads.gathering import Gatherer
from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, Labels, ReadOptions, Series, Tally
from inferplan.datasets.uploads.rounds import Rounds

name = "dcgmi-dmon"
title = "dcgmi dmon printout"
kind = "usage"

_HEADER = re.compile(r"^\s*#\s*Entity\s", re.MULTILINE)
_ENTITY = re.compile(
    r"^(?:GPU (?P<parent>\d+)/)?(?P<kind>GPU|GPU-I|GPU-CI|GI|CI|Switch|Link|CPU|CPU Core)\s+(?P<id>[\d/:]+)$"
)


def sniff(head: str) -> bool:
    """Recognise the ``#Entity`` line."""
    return bool(_HEADER.search(head))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield samples, one round of printing after another."""
    rounds = Rounds(options, "dcgmi dmon")
    rounds.ask()
    gatherer = Gatherer(tally)
    metrics: list[Naming | None] = []
    for line_number, line in upload.lines(tally):
        tokens = line.split()
        if _HEADER.match(line):
            names = line.lstrip("# ").split()[1:]
            metrics = [named(short) for short in names]
            tally.ignored.update(
                short for short, naming in zip(names, metrics, strict=True) if naming is None
            )
            continue
        if not tokens or tokens[0].casefold() == "id" or tokens[0].startswith("#"):
            continue
        tally.rows_read += 1
        entity = " ".join(tokens[: len(tokens) - len(metrics)])
        match = _ENTITY.match(entity)
        if match is None or not metrics:
            tally.refuse(line_number, f"not an entity and {len(metrics)} values: {line.strip()[:60]!r}")
            continue
        us = rounds.us(entity)
        labels = _labels(match, options)
        for naming, cell in zip(metrics, tokens[-len(metrics) :], strict=True):
            if labels and naming:
                gatherer.take(cell, naming, Series(naming.metric, labels), us, line_number)
        if gatherer.full:
            yield from gatherer.flush()
    yield from gatherer.flush()


def _labels(match: re.Match[str], options: ReadOptions) -> Labels | None:
    if match["kind"] == "GPU":
        return Labels(gpu_index=match["id"], host=options.host)
    if match["kind"] in ("GPU-I", "GI"):
        return Labels(gpu_index=match["parent"], mig_id=match["id"], host=options.host)
    return None
