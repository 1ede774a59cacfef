"""Estimates in words: which limit is reached, and what the reader should know."""

from collections.abc import Iterator

from inferplan.datasets.benchmarks import calibration
from inferplan.planner.performance.batching import Load, room
from inferplan.planner.performance.estimating import Served
from inferplan.planner.performance.own_measurements import OwnEvidence, Traits
from inferplan.planner.performance.queueing import RUN_REQUESTS
from inferplan.planner.performance.result import Drafting, Estimate
from inferplan.planner.workload import Slo, Workload

P99_UNKNOWN = (
    "P99 under a fixed concurrency depends on how requests come in, which published runs do not say: theirs "
    "is 1.0 to 4.4 times the median for the first token (275 runs, 10% to 90%) and 1.0 to 1.3 times for "
    "each token (50 runs). Give a request rate instead."
)


def saturated_reason(served: Served, load: Load) -> str:
    """Return which limit keeps further requests of ``load`` (one row) waiting."""
    limits = room(served.work, load)
    most = float(limits.sequences[0])
    if limits.pool[0] <= most:
        return f"the KV cache of a replica holds {most:,.0f} such sequences"
    if limits.scheduler[0] <= most:
        return f"the scheduler runs {most:,.0f} sequences of a replica at most (max_num_seqs)"
    return (
        f"a step takes in {served.work.batch_tokens[0]:,.0f} tokens at most (max_num_batched_tokens): prompts"
        f" come no faster than {most:,.0f} running sequences of a replica end"
    )


def notes(served: Served, workload: Workload, found: Estimate, in_flight: tuple[int, int]) -> tuple[str, ...]:
    """Return what the reader should know of ``found``, as sentences.

    Parameters
    ----------
    in_flight
        The requests that the latency target lets run at once, and those that everything else does.
    """
    said = (
        _before_and_after(found), _target(workload, in_flight), _load(workload, found),
        _drafts(served, workload, found.drafting), _eager(served),
    )  # fmt: skip
    model = served.deployment.architecture
    told = (f"{note[0].upper()}{note[1:].removesuffix('.')}." for note in model.notes)
    return tuple(filter(None, (*said, *_chain(served, workload, found), *told)))


def _before_and_after(found: Estimate) -> str:
    before = found.published_alone
    if before is None:
        return ""
    pairs = (
        ("the first token", before.ttft_s.scaled(1000), found.ttft_s.scaled(1000), "ms"),
        ("each token", before.tpot_s.scaled(1000), found.tpot_s.scaled(1000), "ms"),
        ("the output", before.output_tokens_per_s, found.output_tokens_per_s, "tokens/s"),
    )
    moves = [
        f"{name} from {old.expected:,.4g} to {new.expected:,.4g} {unit}" for name, old, new, unit in pairs
    ]
    return f"Your own measurements move {moves[0]}, {moves[1]} and {moves[2]}."


def _target(workload: Workload, in_flight: tuple[int, int]) -> str:
    kept, most = in_flight
    if kept == most:
        return ""
    if not kept:
        return "No load keeps the latency target: these figures are those of one request alone."
    return f"The latency target allows {kept:,} requests in flight; without it {most:,} would run at once."


def _eager(served: Served) -> str:
    if not served.deployment.enforce_eager:
        return ""
    # Qwen3-14B in AWQ alone on an A100: 20.6 ms a token where 9.9 are expected (vllm #20469, 2025-07)
    return (
        "Published runs use CUDA graphs. Without them (enforce_eager) small batches decode up to twice as"
        " slowly as these figures say."
    )


def _load(workload: Workload, found: Estimate) -> str:
    asked, most = workload.request_rate_per_s, found.largest_request_rate_per_s
    if asked is None or most is None or asked <= most:
        return ""
    if not found.saturated:
        return (
            f"At {asked:,.3g} requests per second the latency target is missed; it is kept up to {most:,.3g}."
        )
    kept = "keep up within the latency target" if workload.slo != Slo() else "can be served for long"
    return (
        f"{asked:,.3g} requests per second arrive, {most:,.3g} {kept}: the queue grows for ever, and the time"
        f" to first token is that of the middle one of {RUN_REQUESTS} requests that find the GPUs idle."
    )


def _drafts(served: Served, workload: Workload, found: Drafting | None) -> str:
    if found is None:
        drafted = served.deployment.options.draft_tokens
        return (
            f"The {drafted} drafted tokens count in memory only: without an acceptance rate their speed is"
            " not known."
            if drafted and workload.speculative is None
            else ""
        )
    cost = (
        f"drafting a token takes {found.step_share:.0%} of a step, and a step yields"
        f" {found.tokens_per_step:.2f} tokens"
    )
    if found.break_even_sequences == 0:
        return f"Drafts hurt at every load: {cost}."
    until = (
        "at every load that fits"
        if found.break_even_sequences is None
        else f"up to {found.break_even_sequences:,} running sequences per replica and hurt beyond"
    )
    here = (
        f"{found.speedup:.2f} times the speed without"
        if found.speedup >= 1
        else (f"they hurt here: {found.speedup:.2f} times the speed without")
    )
    return f"Drafts help {until}; {here} ({cost})."


def _chain(served: Served, workload: Workload, found: Estimate) -> Iterator[str]:
    limit = served.fit.max_model_len
    longest = (workload.longest_input_tokens or workload.input_tokens) + workload.output_tokens
    if longest > limit:
        yield f"The longest call takes {longest:,} tokens, but max_model_len is {limit:,}."
    work, calls = served.work, workload.calls_per_task
    idle = found.requests_per_s * (calls - 1) / calls * workload.tool_wait_s
    if not idle:
        return

    def held(tokens: float) -> float:
        window = min(tokens, float(work.window_tokens[0]))
        return float(
            work.held_token_bytes[0] * tokens + work.held_window_bytes[0] * window + work.held_state_bytes[0]
        )

    pool = float(work.pool_bytes[0] * work.pp[0] * work.dp[0])
    left = pool - found.running_sequences * held(workload.input_tokens + workload.output_tokens / 2)
    wanted = idle * held(workload.input_tokens + workload.output_tokens)
    if wanted > left:
        yield (
            f"{idle:,.0f} tasks wait for a tool at any time; the cache keeps the context of"
            f" {max(0.0, left / wanted):.0%} of them, so fewer prompts are found there than is assumed."
        )


def basis(served: Served, own: OwnEvidence | None) -> str:
    """Return what the estimate rests on and how near that is."""
    used, found, deployment = calibration(), served.evidence, served.deployment
    model, gpu, engine = deployment.architecture.name or "this model", deployment.gpu.name, deployment.engine
    near = (
        f"{found.same_model_gpu_engine} of {model} on {gpu} under {engine}" if found.same_model_gpu_engine
        else f"none of {model} on {gpu} under {engine}: {found.same_gpu_engine} of other models on that GPU,"
        f" {found.same_model_engine:,} of that model on other GPUs, {found.same_engine:,} under {engine}"
        " in all"
    )  # fmt: skip
    split = "run" if found.same_model_gpu_engine else "model"
    error = next((e.median for e in used.errors if e.metric == "tpot" and e.left_out == split), None)
    said = (
        ""
        if error is None
        else f"; with such a {split} left out, time per token is {error:.0%} off at the median"
    )
    fits = "" if served.fit.fits else f"; mind: at these settings {served.fit.reason}"
    return f"{calibrated()}, {near}{said}{_own_basis(served, own)}{fits}"


def calibrated() -> str:
    """Return what every estimate rests on."""
    used = calibration()
    return (
        f"bytes, operations and messages, calibrated on {used.runs:,} published runs (fitted"
        f" {used.fitted_on})"
    )


def _own_basis(served: Served, own: OwnEvidence | None) -> str:
    runs, newest = (0, None) if own is None else own.near(Traits.of(served.deployment))
    return f"; drawn to {runs} own measurement{'s' * (runs != 1)} of {newest}" if runs else ""
