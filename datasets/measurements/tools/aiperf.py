"""AIPerf and its predecessor GenAI-Perf: one run in a file, as JSON (``profile_export_*.json``) or CSV.

A metric is an object of ``unit``, ``avg``, ``p50`` and more; in CSV it is a row "Name (unit)" of a table with
percentiles or, for sums over the run, of a table with a value.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from inferplan.datasets import catalog
from inferplan.datasets.measurements.document import Document, Value
from inferplan.datasets.measurements.recognising import amount, deployed, inside, members, text_of
from inferplan.datasets.measurements.result import RefusedRunError, Result, at_rate, refuse_failures

title = "AIPerf or GenAI-Perf profile"
_OWN = ("request_latency", "request_throughput")
_PER_SECOND = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_NAME_AND_UNIT = re.compile(r"(.*?)\s*(?:\(([^)]*)\))?")
_METRIC_COLUMN = "Metric"


def recognises(document: Document) -> bool:
    """Return whether the file holds metrics under the tools' names."""
    return any(all(name in run.content for name in _OWN) for run in runs(document))


def runs(document: Document) -> Iterator[Value]:
    """Yield the run of each JSON object, or of the table."""
    if document.rows:
        yield Value(document.rows[0].line, _metrics(document))
    for value in document.values:
        if isinstance(value.content, dict):
            yield value


def _metrics(document: Document) -> dict[str, Any]:
    """Return a table's metrics as the JSON export has them."""
    header: list[str] = []
    found: dict[str, Any] = {"gpus": []}
    for _, cells in document.rows:
        if _METRIC_COLUMN in cells:
            header = cells
            continue
        row = dict(zip(header, cells, strict=False))
        if "GPU_Name" in row:
            found["gpus"].append(row)
            continue
        match = _NAME_AND_UNIT.fullmatch(row.get(_METRIC_COLUMN, ""))
        if match and match[1]:
            value = {"avg": row.get("Value"), **row, "unit": match[2]}
            found.setdefault(match[1].casefold().replace(" ", "_"), value)
    return found


def read(run: Any) -> Result:
    """Return what the run says; raises ``RefusedRunError``."""
    completed = _figure(run, "request_count", "avg")
    failed = _figure(run, "error_request_count", "avg") or 0
    if inside(run, "request_count") is not None:
        refuse_failures(completed, failed)
    if inside(run, "was_cancelled") is True:
        msg = "it was cancelled before its end"
        raise RefusedRunError(msg)
    load = {
        "input_tokens": _figure(run, "input_sequence_length", "avg"),
        "output_tokens": _figure(run, "output_sequence_length", "avg"),
        **_offered(run),
        "requests": None if completed is None else round(completed),
        "ttft_s": _duration(run, "time_to_first_token"),
        "tpot_s": _duration(run, "inter_token_latency"),
        "output_tokens_per_s": _figure(run, "output_token_throughput", "avg"),
        "measured_at": _start(run),
        "tool_version": text_of(inside(run, "aiperf_version")),
    }
    model = _model(run)
    said = {"model": model, "gpu": _gpu(run), "backend": _backend(run)}
    return Result(load, deployed(said), text_of(model))


def _figure(run: Any, metric: str, *statistics: str) -> float | None:
    return next((v for s in statistics if (v := amount(inside(run, metric, s))) is not None), None)


def _duration(run: Any, metric: str) -> float | None:
    value, unit = _figure(run, metric, "p50", "avg"), inside(run, metric, "unit")
    factor = _PER_SECOND.get(str(unit).casefold())
    return None if value is None or factor is None else value * factor


def _offered(run: Any) -> dict[str, Any]:
    """Return the load that was asked for; else what was in flight by Little's law."""
    asked = _asked(inside(run, "input_config"))
    served = _figure(run, "request_throughput", "avg")
    if "request_rate" in asked:
        return at_rate(asked["request_rate"], served, asked.get("concurrency"))
    if "concurrency" in asked:
        return {"concurrency": asked["concurrency"]}
    latency_s = _figure(run, "request_latency", "avg")
    unit = _PER_SECOND.get(str(inside(run, "request_latency", "unit")).casefold())
    return {"concurrency": latency_s * unit * served if latency_s and unit and served else None}


def _asked(config: Any) -> Mapping[str, float]:
    """Return concurrency and rate from wherever this version of the tool keeps them."""
    places = (
        config, inside(config, "loadgen"), inside(config, "perf_analyzer", "stimulus"),
        *(phase for phase in members(config, "phases") if "warmup" not in str(inside(phase, "name"))),
    )  # fmt: skip
    found: dict[str, float] = {}
    for place in places:
        for name, spelling in (
            ("concurrency", "concurrency"), ("request_rate", "request_rate"), ("request_rate", "rate"),
        ):  # fmt: skip
            if name not in found and (value := amount(inside(place, spelling))) is not None:
                found[name] = value
    return found


def _model(run: Any) -> Any:
    config = inside(run, "input_config")
    for path in (
        ("endpoint", "model_names", 0), ("models", "items", 0, "name"), ("model_names", 0), ("model", 0),
        ("model",), ("formatted_model_name",),
    ):  # fmt: skip
        if text_of(inside(config, *path)):
            return inside(config, *path)
    return None


def _backend(run: Any) -> Any:
    config = inside(run, "input_config")
    return inside(config, "endpoint", "backend") or inside(config, "backend")


def _gpu(run: Any) -> str | None:
    """Return the GPU of the telemetry, if all were alike."""
    names = {text_of(inside(gpu, "GPU_Name")) for gpu in members(run, "gpus")}
    for endpoint in members(run, "telemetry_data", "endpoints"):
        names |= {text_of(inside(gpu, "gpu_name")) for gpu in members(endpoint, "gpus")}
    if len(names) != 1 or (name := names.pop()) is None:
        return None
    known = catalog.gpu_by_driver_name(name)
    return known.name if known else None


def _start(run: Any) -> datetime | None:
    try:
        start = datetime.fromisoformat(str(inside(run, "start_time")))
    except ValueError:
        return None
    return start.astimezone(UTC).replace(tzinfo=None) if start.tzinfo else start
