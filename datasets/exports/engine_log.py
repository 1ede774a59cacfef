"""Logs of serving engines: the line that vLLM and SGLang write of their load every few seconds.

Shapes: vllm-project/vllm vllm/v1/metrics/loggers.py and vllm/engine/metrics.py; sgl-project/sglang
scheduler_metrics_mixin.py. vLLM's times have no year. Its throughputs are means of the 10 s between two
lines (``VLLM_LOG_STATS_INTERVAL``); those of SGLang are of a few steps and not used.
"""

import re
from collections import defaultdict
from collections.abc import Iterator

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.gathering import Gatherer
from inferplan.datasets.uploads.metrics import PERCENT, Naming
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import (
    Batch,
    Items,
    Labels,
    NeedsAnswerError,
    Question,
    ReadOptions,
    Series,
    Tally,
)

name = "engine-log"
title = "vLLM or SGLang log"
kind = "usage"

_LOAD = re.compile(r"Avg generation throughput: [\d.]+ tokens/s|#running-req: \d+")
_ENGINE = re.compile(r"\bEngine (\d+):|\bDP(\d+)\b")
_WHOLE_TIME = re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_VLLM_TIME = re.compile(r"\b(\d\d)-(\d\d) (\d\d:\d\d:\d\d)\b")
_GAUGES = tuple(
    (re.compile(pattern), Naming(metric, factor))
    for pattern, metric, factor in (
        (r"(?:Running: |#running-req: )(\d+)", "requests_running", 1.0),
        (r"(?:Waiting: |Pending: |#queue-req: )(\d+)", "requests_waiting", 1.0),
        (r"GPU KV cache usage: ([\d.]+)%", "kv_cache_usage_ratio", PERCENT),
        (r"\btoken usage: ([\d.]+)", "kv_cache_usage_ratio", 1.0),
    )
)
_RATES = tuple(
    (re.compile(pattern), metric)
    for pattern, metric in (
        (r"Avg prompt throughput: ([\d.]+) tokens/s", "prompt_tokens"),
        (r"Avg generation throughput: ([\d.]+) tokens/s", "generation_tokens"),
    )
)
_INTERVAL_S = 10.0
_YEAR = Question("start", "The times in this log have no year: when did it begin?")


def sniff(head: str) -> bool:
    """Recognise a line of load."""
    return _LOAD.search(head) is not None


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield what each line of load says, and the tokens of the interval before it."""
    times, gatherer = _Times(options, tally), Gatherer(tally)
    tokens: defaultdict[Series, list[tuple[int, float]]] = defaultdict(list)
    for line_number, line in upload.lines(tally):
        if not _LOAD.search(line):
            continue
        tally.rows_read += 1
        engine = _ENGINE.search(line)
        labels = Labels(host=options.host, engine=str(int(engine[1] or engine[2])) if engine else None)
        try:
            us = times.us(line, str(labels.engine))
        except ValueError as error:
            tally.refuse(line_number, str(error))
            continue
        for pattern, naming in _GAUGES:
            if value := pattern.search(line):
                gatherer.take(value[1], naming, Series(naming.metric, labels), us, line_number)
        for pattern, metric in _RATES:
            if value := pattern.search(line):
                tokens[Series(metric, labels)].append((us, float(value[1]) * _INTERVAL_S))
        if gatherer.full:
            yield from gatherer.flush()
            yield from _counted(tokens)
    yield from gatherer.flush()
    yield from _counted(tokens)


def _counted(tokens: dict[Series, list[tuple[int, float]]]) -> Iterator[Batch]:
    """Yield what was counted and forget it."""
    for series, samples in tokens.items():
        yield Batch(series, [us for us, _ in samples], [count for _, count in samples], _INTERVAL_S)
    tokens.clear()


class _Times:
    """Reads the time of a line, with the year of the log's start where it has none."""

    def __init__(self, options: ReadOptions, tally: Tally) -> None:
        self._clock = Clock(options, tally)
        self._year = options.start.year if options.start else None
        self._month = 0

    def us(self, line: str, series: str) -> int:
        """Return the time; raises ``NeedsAnswerError`` where the year is not known."""
        found = _WHOLE_TIME.search(line)
        short = _VLLM_TIME.search(line)
        if found or not short:
            return self._clock.us(found[0] if found else "", series)
        if self._year is None:
            raise NeedsAnswerError(_YEAR)
        month, day, clock = short.groups()
        self._year += int(month) < self._month  # a log that goes on into the next year
        self._month = int(month)
        return self._clock.us(f"{self._year}-{month}-{day} {clock}", series)
