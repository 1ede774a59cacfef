"""Options that engines take for adapters, drafts, caches and towers, and what their commands cannot say."""

import json
from collections.abc import Iterator, Mapping

from inferplan.planner.deployment import Deployment
from inferplan.planner.memory_options import Lora, MemoryOptions

Option = tuple[str, object | None]
VLLM_LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # vllm/config/lora.py MaxLoRARanks
_MODULES: Mapping[str, tuple[str, ...]] = {
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
}
"""Names under which SGLang's --lora-target-modules knows the matrices of a role."""
_STATED: Mapping[str, frozenset[str]] = {
    "vllm": frozenset(
        {"adapters", "draft model", "mtp", "context parallel", "page size", "towers", "hybrid"}
    ),
    "sglang": frozenset({"adapters", "draft model", "mtp", "page size", "prefix"}),
    "tensorrt-llm": frozenset(),
    "llama.cpp": frozenset({"draft model"}),
}
"""Options that an engine's command states here."""


def vllm_options(options: MemoryOptions) -> list[Option]:
    """Return vLLM's options that take a value."""
    lora = options.lora
    return [
        ("--decode-context-parallel-size", above_one(options.decode_context_parallel)),
        ("--block-size", options.block_tokens),
        ("--max-lora-rank", lora and _allowed_rank(lora)),
        ("--max-loras", lora and lora.slots),
        ("--speculative-config", _speculative_config(options)),
    ]


def vllm_flags(options: MemoryOptions) -> list[str]:
    """Return vLLM's options without a value."""
    caching = {True: ["--enable-prefix-caching"], False: ["--no-enable-prefix-caching"]}
    flags = [] if options.prefix_caching is None else caching[options.prefix_caching]
    flags += ["--enable-lora"] if options.lora else []
    flags += [] if options.vision else ["--language-model-only"]
    return flags + (["--disable-hybrid-kv-cache-manager"] if options.hybrid_manager is False else [])


def sglang_options(options: MemoryOptions) -> list[Option]:
    """Return SGLang's options that take a value; a chain of drafts verifies one token more than it drafts."""
    lora, drafted = options.lora, options.draft_tokens
    algorithm = "NEXTN" if options.mtp else "STANDALONE" if options.draft else None
    chain = algorithm is not None and drafted > 0
    return [
        ("--page-size", options.block_tokens),
        ("--max-lora-rank", lora and lora.rank),
        ("--max-loras-per-batch", lora and lora.slots),
        ("--speculative-algorithm", algorithm),
        ("--speculative-draft-model-path", options.draft and options.draft.name),
        ("--speculative-num-steps", drafted if chain else None),
        ("--speculative-eagle-topk", 1 if chain else None),
        ("--speculative-num-draft-tokens", drafted + 1 if chain else None),
    ]


def sglang_flags(options: MemoryOptions) -> list[str]:
    """Return SGLang's options without a value, and the one that takes many."""
    flags = ["--disable-radix-cache"] if options.prefix_caching is False else []
    if options.lora is None:
        return flags
    known = all(role in _MODULES for role in options.lora.roles)
    modules = [name for role in options.lora.roles for name in _MODULES[role]] if known else ["all"]
    return [*flags, "--enable-lora", "--lora-target-modules", *modules]


def llama_cpp_options(options: MemoryOptions) -> list[Option]:
    """Return llama.cpp's options that take a value."""
    if options.draft is None:
        return []
    return [("-hfd", options.draft.name), ("--draft-max", options.draft_tokens or None)]


def option_notes(deployment: Deployment) -> Iterator[str]:
    """Yield what was chosen and the command does not say."""
    options, stated = deployment.options, _STATED[deployment.engine]
    chosen = {
        "adapters": (options.lora is not None, "LoRA slots"),
        "draft model": (options.draft is not None, "the draft model"),
        "mtp": (options.mtp, "drafting by the model's own MTP layers"),
        "context parallel": (options.decode_context_parallel > 1, "decode context parallelism"),
        "page size": (options.block_tokens is not None, "the page size"),
        "towers": (not options.vision, "leaving out the vision and audio towers"),
        "hybrid": (options.hybrid_manager is False, "turning off the hybrid cache manager"),
    }
    missing = [words for name, (is_chosen, words) in chosen.items() if is_chosen and name not in stated]
    if missing:
        yield f"the command does not say {', '.join(missing)}: set that in {deployment.engine} itself"
    drafts = (options.mtp and "mtp" in stated) or (options.draft and "draft model" in stated)
    if drafts and not options.draft_tokens:
        yield "how many tokens are drafted was not given: the engine needs that number"
    if options.lora is not None and "adapters" in stated:
        yield f"name the adapters with {'--lora-modules' if deployment.engine == 'vllm' else '--lora-paths'}"


def above_one(size: int) -> int | None:
    """Return ``size`` where it must be said: 1 is every engine's default."""
    return size if size > 1 else None


def _speculative_config(options: MemoryOptions) -> str | None:
    """Return vLLM's JSON, or ``None`` where nothing drafts or how much is drafted is not known."""
    if not options.draft_tokens or not (options.mtp or options.draft):
        return None
    drafts = {"method": "mtp"} if options.draft is None else {"model": options.draft.name}
    return json.dumps({**drafts, "num_speculative_tokens": options.draft_tokens})


def _allowed_rank(lora: Lora) -> int:
    """Return the smallest rank of vLLM's list that holds the adapters."""
    return next((rank for rank in VLLM_LORA_RANKS if rank >= lora.rank), lora.rank)
