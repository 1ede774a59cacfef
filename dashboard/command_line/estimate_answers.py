"""The answer to ``estimate``: as JSON for machines, and as facts for the terminal."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from inferplan.planner.economics import UnitCost, UsdInterval
from inferplan.planner.interval import Interval
from inferplan.planner.performance import Disaggregated, Estimate, Task, delivered
from inferplan.planner.workload import Workload

MILLISECONDS = 1000


def as_json(found: Estimate, workload: Workload, cost: UnitCost | None) -> dict[str, Any]:
    """Return the contract's keys and those of the serving features; what is not known is null."""
    gets = delivered(found, workload)
    return {
        "ttft_ms": _ms(found.ttft_s),
        "tpot_ms": _ms(found.tpot_s),
        "output_tokens_per_s": found.output_tokens_per_s._asdict(),
        "requests_per_s": found.requests_per_s,
        "running_sequences": found.running_sequences,
        "bound_by": found.bound_by,
        "saturated": found.saturated,
        "saturated_reason": found.saturated_reason or None,
        "largest_request_rate_per_s": found.largest_request_rate_per_s,
        "ttft_p99_ms": _ms(found.ttft_p99_s),
        "tpot_p99_ms": _ms(found.tpot_p99_s),
        "p99_reason": found.p99_reason or None,
        "first_visible_token_ms": _ms(gets.first_visible_token_s),
        "visible_output_tokens_per_s": gets.visible_output_tokens_per_s._asdict(),
        "task": _task(gets.task, cost) if gets.task.calls > 1 else None,
        "drafting": asdict(found.drafting) if found.drafting else None,
        "disaggregated": _pools(found.disaggregated) if found.disaggregated else None,
        "usd_per_mtok_input": _usd(cost.usd_per_mtok_input if cost else None),
        "usd_per_mtok_output": _usd(cost.usd_per_mtok_output if cost else None),
        "usd_per_mtok_visible_output": _usd(
            (cost.usd_per_mtok_visible_output or cost.usd_per_mtok_output) if cost else None
        ),
        "tokens_per_usd": _usd(cost.tokens_per_usd if cost else None),
        "notes": list(found.notes),
    }


def as_facts(found: Estimate, workload: Workload, cost: UnitCost | None) -> Iterator[tuple[str, str]]:
    """Yield name and value of what a person wants to know first."""
    gets = delivered(found, workload)
    yield "time to first token", _interval(found.ttft_s.scaled(MILLISECONDS), "ms")
    if found.ttft_p99_s:
        yield "P99 of the first token", _interval(found.ttft_p99_s.scaled(MILLISECONDS), "ms")
    if workload.visible_output_tokens:
        yield "to the first visible token", _interval(gets.first_visible_token_s, "s")
    yield "time per output token", _interval(found.tpot_s.scaled(MILLISECONDS), "ms")
    if found.tpot_p99_s:
        yield "P99 of the token time", _interval(found.tpot_p99_s.scaled(MILLISECONDS), "ms")
    yield "output", _interval(found.output_tokens_per_s, "tokens/s")
    if workload.visible_output_tokens:
        yield "of which visible", _interval(gets.visible_output_tokens_per_s, "tokens/s")
    yield (
        "requests",
        f"{found.requests_per_s:,.3g} per second, {found.running_sequences:,.1f} running at once",
    )
    if gets.task.calls > 1:
        yield "task", _task_words(gets.task)
    if found.largest_request_rate_per_s is not None:
        yield "most that is sustained", f"{found.largest_request_rate_per_s:,.3g} requests per second"
    saturated = f", saturated: {found.saturated_reason}" if found.saturated else ""
    yield "bound by", found.bound_by.replace("_", " ") + saturated
    if found.disaggregated:
        yield from _pool_facts(found.disaggregated)
    if cost:
        yield from _cost_facts(cost)
    yield from (("note", note) for note in found.notes)


def _pool_facts(pools: Disaggregated) -> Iterator[tuple[str, str]]:
    busy = ", ".join(f"{stage.replace('_', ' ')} {share:.0%}" for stage, share in pools.busy)
    yield (
        "pools",
        f"{pools.prefill_gpus} GPUs read prompts, {pools.decode_gpus} decode (best: {pools.best_prefill_gpus}"
        f" read); busy: {busy}",
    )
    yield (
        "cache sent per request",
        f"{pools.kv_transfer_bytes / 1e6:,.4g} MB in {pools.kv_transfer_s * MILLISECONDS:,.3g} ms"
        f" ({pools.kv_link})",
    )
    if together := pools.aggregated:
        ends = (together.ttft_s.expected * MILLISECONDS, together.tpot_s.expected * MILLISECONDS)
        yield (
            "same GPUs without pools",
            f"first token {ends[0]:,.4g} ms, each token {ends[1]:,.4g} ms,"
            f" {together.output_tokens_per_s.expected:,.4g} tokens/s, at most"
            f" {together.largest_request_rate_per_s:,.3g} requests per second",
        )


def _cost_facts(cost: UnitCost) -> Iterator[tuple[str, str]]:
    yield "input tokens", _interval(cost.usd_per_mtok_input, "USD per million")
    yield "output tokens", _interval(cost.usd_per_mtok_output, "USD per million")
    if cost.usd_per_mtok_visible_output:
        yield "visible output tokens", _interval(cost.usd_per_mtok_visible_output, "USD per million")
    if cost.usd_per_task:
        yield "one task", _interval(cost.usd_per_task, "USD")
    yield "deployment", f"{cost.usd_per_hour:,.2f} USD per hour"


def _task(task: Task, cost: UnitCost | None) -> dict[str, Any]:
    return {
        "calls": task.calls,
        "input_tokens": task.input_tokens,
        "cached_input_tokens": task.cached_input_tokens,
        "output_tokens": task.output_tokens,
        "duration_ms": _ms(task.duration_s),
        "tasks_per_s": task.tasks_per_s,
        "tasks_in_flight": task.tasks_in_flight,
        "usd_per_task": _usd(cost.usd_per_task if cost else None),
    }


def _task_words(task: Task) -> str:
    return (
        f"{task.calls} calls in {_interval(task.duration_s, 's')}; {task.input_tokens:,} tokens in,"
        f" {task.cached_input_tokens:,} of them cached, {task.output_tokens:,} out; {task.tasks_per_s:,.3g}"
        f" per second, {task.tasks_in_flight:,.0f} in flight"
    )


def _pools(pools: Disaggregated) -> dict[str, Any]:
    together = pools.aggregated
    return {
        **{name: value for name, value in vars(pools).items() if name not in ("aggregated", "busy")},
        "busy": dict(pools.busy),
        "aggregated": None
        if together is None
        else {
            "ttft_ms": _ms(together.ttft_s),
            "tpot_ms": _ms(together.tpot_s),
            "output_tokens_per_s": together.output_tokens_per_s._asdict(),
            "largest_request_rate_per_s": together.largest_request_rate_per_s,
        },
    }


def _ms(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.scaled(MILLISECONDS)._asdict()


def _usd(interval: UsdInterval | None) -> float | None:
    return None if interval is None else float(interval.expected)


def _interval(interval: Interval | UsdInterval, unit: str) -> str:
    low, expected, high = (f"{value:,.0f}" if value >= 10_000 else f"{value:,.4g}" for value in interval)
    return f"{expected} {unit} (80% interval {low} to {high})"
