"""`vllm bench serve` and SGLang's `bench_serving`, which grew out of it: flat JSON objects, one for each run.

vLLM: ``--save-result``, ``--append-result`` (objects after one another), and the ``summary.json`` and
``summary.csv`` of ``vllm bench sweep serve``, which add the server's settings. SGLang: JSON lines.
Of both the summary that they print.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from inferplan.datasets.measurements.document import Document, Value, records
from inferplan.datasets.measurements.recognising import amount, deployed, mapping, seconds, text_of
from inferplan.datasets.measurements.result import RefusedRunError, Result, at_rate, refuse_failures

title = "vLLM or SGLang serving benchmark"
_OWN = frozenset({"request_throughput", "output_throughput", "duration", "completed"})
_ENDLESS = ("inf", "infinity")


def recognises(document: Document) -> bool:
    """Return whether the values are results of either tool; a sweep's table has their names as its header."""
    if document.rows:
        return set(document.rows[0].content) >= _OWN
    return any(isinstance(value.content, dict) and value.content.keys() >= _OWN for value in document.values)


def runs(document: Document) -> Iterator[Value]:
    """Yield each run with its line."""
    if not document.rows:
        yield from document.values
        return
    yield from records(document, document.rows[0].content, document.rows[1:])


def read(run: Any) -> Result:
    """Return what a run says; raises ``RefusedRunError``."""
    missing = sorted(_OWN - run.keys()) if isinstance(run, dict) else sorted(_OWN)
    if missing:
        msg = f"it has no {', '.join(missing)}: not a result of vllm bench serve or SGLang's bench_serving"
        raise RefusedRunError(msg)
    completed = amount(run["completed"])
    refuse_failures(completed, amount(run.get("failed")) or 0)
    accepted = amount(run.get("accept_length")) or amount(run.get("spec_decode_acceptance_length"))
    if accepted is not None and accepted > 1:
        msg = f"it ran with speculative decoding ({accepted:.3g} tokens accepted per step)"
        raise RefusedRunError(msg)
    count = completed or 1
    said = {**mapping(run, "server_info"), **run}
    return Result(
        {
            "input_tokens": _total(run, "input") / count,
            "output_tokens": _total(run, "output") / count,
            **_offered(run, count),
            "requests": round(count),
            "ttft_s": _latency(run, "ttft"),
            "tpot_s": _latency(run, "tpot"),
            "output_tokens_per_s": amount(run["output_throughput"]),
            "measured_at": _date(run.get("date")),
        },
        deployed(said),
        text_of(run.get("model_id")) or text_of(said.get("model_path")),
    )


def _total(run: Mapping[str, Any], side: str) -> float:
    return amount(run.get(f"total_{side}_tokens")) or amount(run.get(f"total_{side}")) or 0


def _latency(run: Mapping[str, Any], metric: str) -> float | None:
    return seconds(run.get(f"median_{metric}_ms")) or seconds(run.get(f"mean_{metric}_ms"))


def _offered(run: Mapping[str, Any], completed: float) -> dict[str, Any]:
    """Return the load: a rate that was kept up with, else the limit in flight, else all at once."""
    rate, most = amount(run.get("request_rate")), amount(run.get("max_concurrency"))
    if run.get("ramp_up_strategy") or (rate is None and not _endless(run.get("request_rate"))):
        msg = "its requests came at no steady rate that is stated (a ramp, a trace, or not said)"
        raise RefusedRunError(msg)
    if rate is not None:
        return at_rate(rate, amount(run["request_throughput"]), most)
    if most is None or most >= completed:
        return {"concurrency": completed, "at_once": True}
    return {"concurrency": most}


def _endless(rate: object) -> bool:
    return rate is None or str(rate).casefold() in ("", *_ENDLESS)


def _date(value: object) -> datetime | None:
    try:
        return datetime.strptime(str(value), "%Y%m%d-%H%M%S")
    except ValueError:
        return None
