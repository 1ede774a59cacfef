"""What `vllm bench serve` and SGLang's `bench_serving` print at their end, as the fields of their JSON."""

import re
from collections.abc import Iterator
from typing import Any

MARK = "Serving Benchmark Result"
LONGEST_PRINTED_LINE = 300
"""Characters; a summary's lines have 50."""
_LINE = re.compile(r"^[\s|>]*([A-Z][\w .#%()/-]*?):\s+(\S.*?)\s*$")
_MODEL = re.compile(r"\bmodel(?:_id)?='([^']+)'")
_RATE = re.compile(r"\brequest_rate=([\w.]+)")
_LABELS = {
    "successful requests": "completed",
    "failed requests": "failed",
    "maximum request concurrency": "max_concurrency",
    "max request concurrency": "max_concurrency",
    "request rate configured (rps)": "request_rate",
    "traffic request rate": "request_rate",
    "benchmark duration (s)": "duration",
    "total input tokens": "total_input_tokens",
    "total generated tokens": "total_output_tokens",
    "request throughput (req/s)": "request_throughput",
    "output token throughput (tok/s)": "output_throughput",
    "acceptance length": "spec_decode_acceptance_length",
    "accept length": "accept_length",
    "backend": "backend",
    **{
        f"{statistic} {metric} (ms)": f"{statistic}_{metric}_ms"
        for statistic in ("mean", "median")
        for metric in ("ttft", "tpot")
    },
}
"""What both tools print before a figure, and the field of their JSON that it is."""
_BEFORE = ("model_id", "request_rate", "max_concurrency", "backend")
"""Fields that are printed before a summary begins."""
UNSTATED = "not stated"


def summaries(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each printed summary of ``text`` with the line on which it begins.

    A load that no line states is written as such: it is not taken for all at once.
    """
    before: dict[str, Any] = {}
    run: dict[str, Any] = {}
    begun = 0
    for number, line in enumerate(text.splitlines(), 1):
        if MARK in line:
            if begun:
                yield begun, _stated(run)
            run, begun = dict(before), number
        elif begun and run.keys() >= {"completed"} and set(line.strip()) == {"="}:
            yield begun, _stated(run)
            run, begun, before = {}, 0, {}
        else:
            found = _fields(line)
            if begun:
                run.update(found)
            else:
                before.update({name: value for name, value in found.items() if name in _BEFORE})
    if begun:
        yield begun, _stated(run)


def _fields(line: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, pattern in (("model_id", _MODEL), ("request_rate", _RATE)):
        said = pattern.search(line)
        if said:
            found[name] = said[1]
    printed = _LINE.match(line) if len(line) <= LONGEST_PRINTED_LINE else None
    if printed and (label := printed[1].casefold()) in _LABELS:
        found[_LABELS[label]] = printed[2]
    return found


def _stated(run: dict[str, Any]) -> dict[str, Any]:
    known = run.keys() & {"request_rate", "max_concurrency"}
    return run if known else {**run, "request_rate": UNSTATED}
