"""Whether the model that runs on a unit would fit another GPU and keep its latency there."""

from dataclasses import dataclass
from functools import lru_cache

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.schema import GIB, Gpu
from inferplan.planner.architecture import parse
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory import Fit, fit
from inferplan.planner.performance import Estimate, estimate
from inferplan.planner.rightsizing.profile import Profile
from inferplan.planner.rightsizing.unit import Unit
from inferplan.planner.workload import Workload

THROUGHPUT_TARGET = 0.7
"""Of the tokens per second that the new GPU makes at most, the busiest percent of the time may ask."""

AS_FAST = 1.1
"""A tenth more for a token is less than the estimate's own error."""


@dataclass(frozen=True)
class ModelCheck:
    """What the planner says of a model on another GPU."""

    reason: str | None
    """Why it must not move there, ``None`` where nothing speaks against it."""
    note: str
    """What was checked, or why nothing could be."""
    holds_memory: bool = False
    """Whether weights and the cache that was really used were shown to fit, so that memory that an engine
    took in advance need not."""
    keeps_latency: bool = False
    """Whether tokens were shown to come as fast as now, or within the targets."""


def check_model(unit: Unit, new: Gpu, profile: Profile) -> ModelCheck:
    """Return whether the unit's model fits ``new``, holds its cache there, and is fast enough.

    The deployment is the catalog's model in the precision of its config, with the engine's defaults. Memory
    can be judged only where those fit the GPU that it runs on now.
    """
    if unit.model is None or unit.gpu is None:
        return ModelCheck(None, "Which model runs there is not known, so only its measurements were checked.")
    tp = len(unit.gpus)
    try:
        now, then = _fit(unit.model, unit.gpu.name, tp), _fit(unit.model, new.name, tp)
    except UnknownNameError:
        return ModelCheck(None, f"{unit.model} is not in the catalog: only its measurements were checked.")
    except InferplanError as error:
        return ModelCheck(str(error), "")
    if not now.fits:
        note = f"{unit.model} as published would not fit where it runs: only its measurements were checked."
        return ModelCheck(None, note)
    if not then.fits:
        return ModelCheck(f"{unit.model} does not fit it: {then.reason}", "")
    cache = unit.get("kv_cache_usage_ratio")  # of a pool that is part of the memory that the engine holds
    if cache is None:
        return _check_speed(unit, new, profile, ModelCheck(None, f"{unit.model} as published fits it."))
    held_gib = cache.max * (unit.memory_peak_bytes or unit.gpu.memory_total_bytes) / GIB
    room_gib = then.memory.kv_pool_bytes / GIB
    held = f"its KV cache has held at most {held_gib:.1f} GiB per GPU, and {room_gib:.1f} GiB are left there"
    if held_gib > profile.kv_target * room_gib:
        return ModelCheck(held, "")
    note = f"{unit.model} fits: {held}."
    return _check_speed(unit, new, profile, ModelCheck(None, note, holds_memory=True))


def _check_speed(unit: Unit, new: Gpu, profile: Profile, so_far: ModelCheck) -> ModelCheck:
    """Add what the performance model says at the load that was measured."""
    load = _load(unit)
    if load is None or unit.model is None or unit.gpu is None:
        note = "Tokens slow down as bandwidth falls, and the load is not known: try a share of the traffic."
        return ModelCheck(None, f"{so_far.note} {note}", so_far.holds_memory)
    asked_per_s = unit.statistics["generation_tokens_per_s"].p99
    try:
        now = _estimate(unit.model, unit.gpu.name, len(unit.gpus), *load)
        then = _estimate(unit.model, new.name, len(unit.gpus), *load)
        most = _estimate(unit.model, new.name, len(unit.gpus), load[0], load[1], None)
    except InferplanError as error:
        return ModelCheck(
            None, f"{so_far.note} Its speed there was not estimated: {error}", so_far.holds_memory
        )
    for name, target_s, found in (
        ("the first token", profile.ttft_target_s, then.ttft_s.expected),
        ("each token", profile.tpot_target_s, then.tpot_s.expected),
    ):
        if target_s is not None and found > target_s:
            late = f"{found * 1000:,.0f} ms, beyond the target of {target_s * 1000:,.0f} ms"
            return ModelCheck(f"{name} would take {late}", "")
    if asked_per_s > THROUGHPUT_TARGET * most.output_tokens_per_s.expected:
        made = f"{most.output_tokens_per_s.expected:,.0f} tokens/s at most"
        return ModelCheck(f"it makes {made}, and {asked_per_s:,.0f} are asked for at the peak", "")
    note = (
        f"Estimated for each token: {then.tpot_s.expected * 1000:.1f} ms there, "
        f"{now.tpot_s.expected * 1000:.1f} ms now."
    )
    as_fast = then.tpot_s.expected <= AS_FAST * now.tpot_s.expected
    keeps = as_fast or profile.tpot_target_s is not None
    return ModelCheck(None, f"{so_far.note} {note}", so_far.holds_memory, keeps)


def _load(unit: Unit) -> tuple[int, int, int] | None:
    """Return input and output tokens of the mean request, and P95 of the requests in flight."""
    names = ("prompt_tokens_per_s", "generation_tokens_per_s", "requests_per_s", "requests_running")
    prompt, generated, requests, running = (unit.get(name) for name in names)
    if not (prompt and generated and requests and running) or requests.mean <= 0:
        return None
    sizes = (round(prompt.mean / requests.mean), round(generated.mean / requests.mean))
    return max(sizes[0], 1), max(sizes[1], 1), max(round(running.p95), 1)


def _deployment(model: str, gpu: str, tp: int) -> Deployment:
    config = catalog.model_config(model)
    return Deployment(architecture=parse(config, name=model), gpu=catalog.gpu(gpu), tp=tp)


@lru_cache(maxsize=1024)
def _fit(model: str, gpu: str, tp: int) -> Fit:
    return fit(_deployment(model, gpu, tp))


@lru_cache(maxsize=1024)
def _estimate(
    model: str, gpu: str, tp: int, input_tokens: int, output_tokens: int, concurrency: int | None
) -> Estimate:
    load = Workload(input_tokens=input_tokens, output_tokens=output_tokens, concurrency=concurrency or "max")
    return estimate(_deployment(model, gpu, tp), load)
