"""``fit``: a deployment's memory, capacity and verdict."""

from collections import Counter
from dataclasses import replace

from inferplan.datasets.schema import GIB
from inferplan.planner.architecture import Architecture
from inferplan.planner.deployment import Deployment
from inferplan.planner.kv_dtypes import cache_dtype
from inferplan.planner.memory.activation import Activation, activation
from inferplan.planner.memory.budget import Loaded, divide
from inferplan.planner.memory.caches import Cache, caches
from inferplan.planner.memory.capacity import Capacity, Pool, capacity, largest_context
from inferplan.planner.memory.extras import adapter_bytes
from inferplan.planner.memory.legality import check_drafting, illegal
from inferplan.planner.memory.native import native_notes
from inferplan.planner.memory.padding import padding_bytes
from inferplan.planner.memory.result import Fit, MemoryBreakdown
from inferplan.planner.memory.settings import Settings, resolve
from inferplan.planner.memory.words import formulas, verdict
from inferplan.planner.parameters import count
from inferplan.planner.weights import weights


def breakdown(deployment: Deployment) -> MemoryBreakdown:
    """Return where the memory of the fullest GPU goes; the parts sum to its total exactly.

    Raises
    ------
    InferplanError
        If the engine, a type or the model's format is not known.
    """
    return _budget(deployment)[0]


def fit(deployment: Deployment) -> Fit:
    """Return whether ``deployment`` fits, with the memory of its fullest GPU.

    It fits when one sequence of the longest context does: that is what engines check at start. Sizes follow
    the engine version's own arithmetic (docs/memory.md); nothing is capped silently.

    Raises
    ------
    InferplanError
        If the engine, a type or the model's format is not known.

    Examples
    --------
    >>> from inferplan.datasets import catalog
    >>> from inferplan.planner.architecture import parse
    >>> model, gpu = parse(catalog.model_config("Qwen/Qwen3-32B")), catalog.gpu("H100 SXM")
    >>> fit(Deployment(model, gpu, engine_version="0.11.0", max_model_len=16000)).reason
    'the KV cache pool of 4.39 GiB holds 1.12 sequences of 16,000 tokens'
    """
    memory, pool, settings, peak = _budget(deployment)
    context = settings.context_tokens
    held = capacity(pool, memory.kv_pool_bytes, memory.state_pool_bytes, context)
    longest = largest_context(
        pool, memory.kv_pool_bytes, memory.state_pool_bytes, _limit(deployment, settings)
    )
    parameters = count(deployment.architecture)
    refused = illegal(deployment, settings.tp)
    fits, reason = verdict(memory, held, settings, longest, refused, cached=bool(pool.caches))
    return Fit(
        fits=fits,
        reason=reason,
        memory=memory,
        parameters=parameters.total,
        active_parameters=parameters.active,
        max_model_len=context,
        kv_bytes_per_token_per_gpu=pool.growing_bytes_per_token,
        kv_window_bytes_per_sequence_per_gpu=pool.window_bytes_per_sequence(context),
        state_bytes_per_sequence_per_gpu=pool.state_bytes_per_sequence,
        kv_pool_tokens=held.tokens,
        max_concurrency=held.concurrency,
        largest_context_tokens=longest,
        formulas=(*formulas(deployment, memory, settings, peak), *held.steps),
    )


def _budget(deployment: Deployment) -> tuple[MemoryBreakdown, Pool, Settings, Activation]:
    check_drafting(deployment)
    settings, options = resolve(deployment), deployment.options
    architecture = deployment.architecture
    loaded = _loaded(deployment, settings)
    pool = Pool(_caches(deployment, settings), settings, options)
    peak = activation(architecture, settings, vision=options.vision, samples=bool(pool.caches))
    notes = (*architecture.notes, *native_notes(deployment), *_context_notes(architecture, settings))
    memory = divide(settings, options, loaded, peak, eager=deployment.enforce_eager, notes=notes)
    apart = pool.state_pool_bytes(memory.kv_pool_bytes)
    memory = replace(memory, kv_pool_bytes=memory.kv_pool_bytes - apart, state_pool_bytes=apart)
    return memory, pool, settings, peak


def _loaded(deployment: Deployment, settings: Settings) -> Loaded:
    options = deployment.options
    own = weights(
        deployment.architecture,
        deployment.weights_dtype,
        engine=deployment.engine,
        tp=settings.tp,
        pp=settings.stages,
        ep=deployment.ep,
        dp=deployment.dp,
        mtp=options.mtp,
        towers=options.vision,
    )
    gpu_architecture = deployment.gpu.architecture
    padding = padding_bytes(deployment.architecture, own, settings, gpu_architecture, deployment.ep)
    overhead = round(settings.profile.load_overhead_gib * GIB)
    draft_bytes = 0
    if options.draft is not None:
        draft = weights(
            options.draft,
            options.draft_weights_dtype,
            engine=deployment.engine,
            tp=settings.tp,
            pp=1,
            ep=1,
            dp=1,
        )
        draft_bytes = draft.per_gpu_bytes
    adapters = adapter_bytes(deployment.architecture, options.lora, settings.tp)
    return Loaded(own.per_gpu_bytes + padding + overhead, draft_bytes, adapters)


def _caches(deployment: Deployment, settings: Settings) -> Counter[Cache]:
    """Return the caches of the fullest pipeline stage, a draft model's included."""
    options = deployment.options
    kv_dtype = cache_dtype(deployment)
    found = caches(deployment.architecture, kv_dtype, settings, options)
    if options.draft is not None:
        one_stage = replace(settings, stages=1)
        found += caches(options.draft, kv_dtype, one_stage, options)
    return found


def _context_notes(architecture: Architecture, settings: Settings) -> tuple[str, ...]:
    limit = architecture.max_position_tokens
    if limit is None or settings.context_tokens <= limit:
        return ()
    words = f"{settings.context_tokens:,} tokens are more than the {limit:,} that the model's config allows"
    return (f"{words}: engines refuse them unless rope scaling or an override is set",)


def _limit(deployment: Deployment, settings: Settings) -> int:
    """Return the longest context worth asking for: the model's own limit, or the one that was set."""
    return max(deployment.architecture.max_position_tokens or 0, settings.context_tokens)


def held_by(deployment: Deployment, kv_pool_bytes: int) -> Capacity:
    """Return the tokens and sequences that a pool of a known size holds: to check a log's own pool."""
    settings = resolve(deployment)
    pool = Pool(_caches(deployment, settings), settings, deployment.options)
    return capacity(pool, kv_pool_bytes, pool.state_pool_bytes(2 * kv_pool_bytes), settings.context_tokens)
