"""GuideLLM: a report of several benchmarks, as JSON or CSV.

JSON: ``benchmarks`` with ``metrics`` of distributions by status; the strategy has lain under ``args`` (0.2,
0.3), ``scheduler`` and, since 0.4, ``config``. CSV: one header row up to 0.3, three (group, field, statistic)
since.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from inferplan.datasets.measurements.document import Document, Value, records
from inferplan.datasets.measurements.recognising import (
    amount,
    deployed,
    inside,
    mapping,
    members,
    seconds,
    text_of,
)
from inferplan.datasets.measurements.result import RefusedRunError, Result, at_rate, refuse_failures

title = "GuideLLM report"
_FIGURES = {
    "time_to_first_token_ms": ("time to first token", "ms"),
    "inter_token_latency_ms": ("inter token latency", "ms"),
    "output_tokens_per_second": ("token throughput", "output tokens/sec"),
    "request_concurrency": ("server throughput", "concurrency"),
    "requests_per_second": ("server throughput", "requests/sec"),
    "prompt_token_count": ("token metrics", "input tokens"),
    "output_token_count": ("token metrics", "output tokens"),
}
"""Metrics of the JSON report, with group and unit of the CSV's columns."""
_STATISTICS = ("mean", "median")
_HEADER_ROWS = 3
_STRATEGY_PLACES = ("config", "scheduler", "args")
_OLD, _NEW = "successful time to first token ms mean", "time to first token"


def recognises(document: Document) -> bool:
    """Return whether the file is a report, or a table of one."""
    if document.rows:
        first = [cell.casefold() for cell in document.rows[0].content]
        return _OLD in first or (_NEW in first and "run info" in first)
    return any(_is_benchmark(value.content) for value in runs(document))


def _is_benchmark(run: Any) -> bool:
    return "time_to_first_token_ms" in mapping(run, "benchmark", "metrics")


def runs(document: Document) -> Iterator[Value]:
    """Yield each benchmark with the report's own settings."""
    for value in document.values:
        for benchmark in members(value.content, "benchmarks"):
            yield Value(value.line, {"report": value.content, "benchmark": benchmark})
    if not document.rows:
        return
    for line, cells in records(document, *_columns(document)):
        yield Value(line, _as_json(cells))


def _columns(document: Document) -> tuple[list[str], tuple[Value, ...]]:
    """Return one name for each column, and the rows below the header."""
    first = [cell.casefold() for cell in document.rows[0].content]
    if _OLD in first:
        return first, document.rows[1:]
    header = document.rows[:_HEADER_ROWS]
    return [
        " | ".join(cell.casefold() for cell in cells)
        for cells in zip(*(row.content for row in header), strict=False)
    ], document.rows[_HEADER_ROWS:]


def _as_json(cells: Mapping[str, str]) -> dict[str, Any]:
    """Return a row of either table as a benchmark of the JSON report."""
    metrics: dict[str, Any] = {}
    for name, (group, unit) in _FIGURES.items():
        spelled = name.replace("_", " ")
        metrics[name] = {
            "successful": {
                statistic: cells.get(f"successful {spelled} {statistic}")
                or cells.get(f"{group} | successful {unit} | {statistic}")
                for statistic in _STATISTICS
            }
        }
    metrics["request_totals"] = {
        status: cells.get(f"{status} requests") or cells.get(f"request counts | {status} | ")
        for status in ("successful", "errored")
    }
    backend = cells.get("backend") or cells.get("run info | backend | ")
    strategy = {"type_": cells.get("name") or cells.get("benchmark | strategy | ")}
    return {"benchmark": {"metrics": metrics, "config": {"strategy": strategy, "backend": _object(backend)}}}


def _object(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return None


def read(run: Any) -> Result:
    """Return what a benchmark says; raises ``RefusedRunError``."""
    benchmark = inside(run, "benchmark")
    totals = inside(benchmark, "metrics", "request_totals") or inside(benchmark, "request_totals")
    completed = amount(inside(totals, "successful"))
    if totals is not None:
        refuse_failures(completed, amount(inside(totals, "errored")) or 0)
    model = next((inside(run, *path) for path in _MODEL_PATHS if text_of(inside(run, *path))), None)
    return Result(
        {
            "input_tokens": _statistic(benchmark, "prompt_token_count", "mean"),
            "output_tokens": _statistic(benchmark, "output_token_count", "mean"),
            **_offered(benchmark),
            "requests": None if completed is None else round(completed),
            "ttft_s": seconds(_statistic(benchmark, "time_to_first_token_ms", "median", "mean")),
            "tpot_s": seconds(_statistic(benchmark, "inter_token_latency_ms", "median", "mean")),
            "output_tokens_per_s": _statistic(benchmark, "output_tokens_per_second", "mean"),
            "measured_at": _start(benchmark),
            "tool_version": text_of(inside(run, "report", "metadata", "guidellm_version")),
        },
        deployed({"model": model}),
        text_of(model),
    )


_MODEL_PATHS = (
    ("benchmark", "config", "backend", "model"), ("benchmark", "benchmarker", "backend", "model"),
    ("benchmark", "worker", "backend_model"), ("report", "args", "model"), ("report", "config", "model"),
    ("report", "config", "backend", "model"), ("report", "args", "backend", "model"),
)  # fmt: skip


def _statistic(benchmark: Any, metric: str, *names: str) -> float | None:
    for name in names:
        if (value := amount(inside(benchmark, "metrics", metric, "successful", name))) is not None:
            return value
    return None


def _offered(benchmark: Any) -> dict[str, Any]:
    """Return the load: the streams or the rate of the strategy, else the requests that were in flight."""
    strategy = next(
        (found for place in _STRATEGY_PLACES if (found := mapping(benchmark, place, "strategy"))), {}
    )
    kind = str(strategy.get("type_") or strategy.get("kind")).casefold()
    if kind.startswith("synchronous"):
        return {"concurrency": 1}
    if kind.startswith(("constant", "poisson", "async")):
        served = _statistic(benchmark, "requests_per_second", "mean")
        rate = amount(strategy.get("rate")) or served
        return {} if rate is None else at_rate(rate, served)
    if kind.startswith("incremental"):
        msg = "its request rate was ramped up"
        raise RefusedRunError(msg)
    streams = amount(strategy.get("streams")) if kind.startswith("concurrent") else None
    in_flight = streams or _statistic(benchmark, "request_concurrency", "mean")
    return {"concurrency": in_flight, "at_once": kind.startswith("throughput")}


def _start(benchmark: Any) -> datetime | None:
    start = amount(inside(benchmark, "start_time")) or amount(inside(benchmark, "run_stats", "start_time"))
    try:
        return None if start is None else datetime.fromtimestamp(start, UTC).replace(tzinfo=None)
    except (OverflowError, OSError, ValueError):
        return None
