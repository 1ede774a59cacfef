"""Read an engine's start-up log: what it really allocated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import GIB
from inferplan.planner.engine_log.patterns import PATTERNS, SIGNATURES

MIB = 1024**2
HUB_FOLDER = re.compile(r"\bmodels--([\w.-]+?)--([\w.-]+)")
LONGEST_LOG_CHARACTERS = 1_000_000
LONGEST_LINE_CHARACTERS = 10_000
V0_BLOCK_TOKENS = 16  # vllm/config.py CacheConfig.block_size, which V0 does not print
_SIZES = {"gib": GIB, "gb": GIB, "mib": MIB, "bytes": 1}
Facts = Mapping[str, str | float]
_LARGEST = {"weights", "activation", "non_torch", "peak_torch", "keys", "values"}
_SMALLEST = {"kv", "kv_tokens", "blocks"}


class EngineLogError(InferplanError):
    """A text in which no engine's start-up lines were found."""


@dataclass(frozen=True)
class EngineLog:
    """Facts of a start-up log, per GPU; ``None`` is not printed. Of several ranks, the fullest one's."""

    engine: str
    version: str | None = None
    model: str | None = None
    weights_bytes: int | None = None
    activation_bytes: int | None = None
    non_torch_bytes: int | None = None
    cuda_graph_bytes: int | None = None
    kv_bytes: int | None = None
    state_bytes: int | None = None
    kv_tokens: int | None = None
    concurrency: float | None = None
    total_bytes: int | None = None
    memory_share: float | None = None
    max_model_len: int | None = None
    batch_tokens: int | None = None
    sequences: int | None = None
    block_tokens: int | None = None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    ep: int | None = None
    block_size: int | None = None
    """Tokens of a page that were asked for; ``block_tokens`` is what the engine made of it."""
    prefix_caching: bool | None = None
    kv_dtype: str | None = None
    weights_dtype: str | None = None
    eager: bool | None = None
    evidence: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The line that each fact was read from."""

    @property
    def kv_bytes_per_token(self) -> float | None:
        """Return bytes of cache per printed token."""
        if not self.kv_bytes or not self.kv_tokens:
            return None
        return self.kv_bytes / self.kv_tokens

    def case_fields(self) -> dict[str, object]:
        """Return the fields of a ``Case`` that the log states, to plan the same deployment."""
        fields: dict[str, object] = {
            "engine": self.engine,
            "engine_version": self.version,
            "model": self.model,
            "tp": self.tp,
            "pp": self.pp,
            "dp": self.dp,
            "ep": self.ep,
            "block_size": self.block_size,
            "enable_prefix_caching": self.prefix_caching,
            "kv_dtype": self.kv_dtype,
            "gpu_memory_utilization": self.memory_share,
            "gpu_memory_gib": self.total_bytes / GIB if self.total_bytes else None,
            "max_model_len": self.max_model_len,
            "max_num_batched_tokens": self.batch_tokens,
            "max_num_seqs": self.sequences,
            "enforce_eager": self.eager,
        }
        return {name: value for name, value in fields.items() if value is not None}


def read_log(text: str) -> EngineLog:
    """Return what a pasted start-up log says, whichever engine wrote it.

    Raises
    ------
    EngineLogError
        If the text is too long, or no engine's memory lines are in it.

    Examples
    --------
    >>> log = read_log("INFO 12-20 worker.py:241] model weights take 7.51GiB; non_torch_memory takes 0.39GiB;"
    ...     " the rest of the memory reserved for KV Cache is 3.76GiB.")
    >>> log.engine, round(log.kv_bytes / 2**30, 2)
    ('vllm', 3.76)
    """
    if len(text) > LONGEST_LOG_CHARACTERS:
        limit = f"{LONGEST_LOG_CHARACTERS:,}"
        msg = f"the log has {len(text):,} characters; paste the start-up part, at most {limit}"
        raise EngineLogError(msg)
    lines = [line[:LONGEST_LINE_CHARACTERS] for line in text.splitlines()]
    engine = _engine(lines)
    facts, evidence = _facts(engine, lines)
    return _log(engine, facts, evidence)


def _engine(lines: list[str]) -> str:
    votes = {
        engine: sum(bool(pattern.search(line)) for line in lines for pattern in patterns)
        for engine, patterns in SIGNATURES.items()
    }
    best = max(votes, key=lambda engine: votes[engine])
    if not votes[best]:
        msg = (
            "no start-up lines of vLLM, SGLang, TensorRT-LLM or llama.cpp were found: paste the log from the"
            " engine's start, with lines such as 'Model loading took ...' or 'GPU KV cache size: ...'"
        )
        raise EngineLogError(msg)
    return best


def _facts(engine: str, lines: list[str]) -> tuple[dict[str, str | float], dict[str, str]]:
    """Return each fact, sizes in bytes: of ranks the largest use and smallest pool, else the last word."""
    facts: dict[str, str | float] = {}
    evidence: dict[str, str] = {}
    for line in lines:
        for pattern in PATTERNS[engine]:
            found = pattern.search(line)
            for name, text in (found.groupdict() if found else {}).items():
                if text is not None:
                    _take(facts, evidence, name, text, line)
    return facts, evidence


def _take(facts: dict[str, str | float], evidence: dict[str, str], name: str, text: str, line: str) -> None:
    fact, _, unit = name.rpartition("_")
    if unit not in _SIZES:
        fact, value = name, _number(text)
    else:
        number = _number(text)
        if isinstance(number, str):
            return
        value = number * _SIZES[unit]
    known = facts.get(fact)
    if isinstance(known, float) and isinstance(value, float):
        if fact.endswith("_sum"):
            value += known
        elif fact in _LARGEST:
            value = max(known, value)
        elif fact in _SMALLEST:
            value = min(known, value)
    facts[fact] = value
    evidence[fact] = line.strip()


def _number(text: str) -> str | float:
    try:
        return float(text.rstrip(".,").replace(",", ""))
    except ValueError:
        return text


def _log(engine: str, facts: Facts, evidence: Mapping[str, str]) -> EngineLog:
    peak_torch, weights = _size(facts, "peak_torch"), _size(facts, "weights", "weights_sum")
    activation = _size(facts, "activation", "activation_sum")
    if activation is None and peak_torch is not None and weights is not None:
        activation = peak_torch - weights
    log = EngineLog(
        engine=engine,
        version=_word(facts, "version"),
        model=_model(facts),
        weights_bytes=weights,
        activation_bytes=activation,
        non_torch_bytes=_size(facts, "non_torch"),
        cuda_graph_bytes=_size(facts, "cuda_graph", "cuda_graph_estimate"),
        kv_bytes=_size(facts, "kv") or _total(facts, "keys", "values") or _size(facts, "kv_sum"),
        state_bytes=_total(facts, "states", "conv_states") or _size(facts, "states_sum"),
        kv_tokens=_tokens(facts),
        concurrency=_real(facts, "concurrency"),
        total_bytes=_size(facts, "total"),
        memory_share=_real(facts, "memory_share"),
        max_model_len=_count(facts, "max_model_len"),
        batch_tokens=_count(facts, "batch_tokens"),
        sequences=_count(facts, "sequences"),
        block_tokens=_count(facts, "block_tokens"),
        tp=_count(facts, "tp"),
        pp=_count(facts, "pp"),
        dp=_count(facts, "dp"),
        ep=_experts_over(facts),
        block_size=_count(facts, "block_size"),
        prefix_caching=_flag(facts, "prefix_caching"),
        kv_dtype=_word(facts, "kv_dtype"),
        weights_dtype=_word(facts, "weights_dtype"),
        eager=_flag(facts, "eager"),
        evidence=evidence,
    )
    if log.weights_bytes is None and log.kv_bytes is None and log.kv_tokens is None:
        msg = f"the text looks like {engine}, but no line says how much memory weights or the KV cache take"
        raise EngineLogError(msg)
    return log


def _model(facts: Facts) -> str | None:
    """Return the model's name; a folder of the Hub's cache (models--org--name) stands for its model."""
    name = _word(facts, "model")
    cached = HUB_FOLDER.search(name or "")
    return "/".join(cached.groups()) if cached else name


def _flag(facts: Facts, name: str) -> bool | None:
    value = facts.get(name)
    return None if value is None else str(value).casefold() == "true"


def _experts_over(facts: Facts) -> int | None:
    """Return the GPUs that share the experts: as printed, else all of TP x DP where a flag asks for it."""
    asked = facts.get("expert_parallel")
    if asked is None or str(asked).casefold() == "false":
        return _count(facts, "ep")
    return (_count(facts, "tp") or 1) * (_count(facts, "dp") or 1)


def _real(facts: Facts, name: str) -> float | None:
    value = facts.get(name)
    return value if isinstance(value, float) else None


def _count(facts: Facts, name: str) -> int | None:
    value = _real(facts, name)
    return None if value is None else round(value)


def _size(facts: Facts, *names: str) -> int | None:
    """Return the first of the sizes that was printed."""
    return next((size for name in names if (size := _count(facts, name)) is not None), None)


def _total(facts: Facts, *names: str) -> int | None:
    """Return the sum of the sizes that were printed."""
    found = [size for name in names if (size := _count(facts, name)) is not None]
    return sum(found) if found else None


def _tokens(facts: Facts) -> int | None:
    tokens, blocks = _count(facts, "kv_tokens"), _count(facts, "blocks")
    if tokens is not None or blocks is None:
        return tokens
    return blocks * (_count(facts, "block_tokens") or V0_BLOCK_TOKENS)


def _word(facts: Facts, name: str) -> str | None:
    value = facts.get(name)
    return None if value is None or str(value).casefold() == "none" else _plain(value)


def _plain(value: str | float) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
