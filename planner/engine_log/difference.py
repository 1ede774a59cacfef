"""The log beside the prediction, term by term, with what explains a difference."""

from dataclasses import dataclass

from inferplan.datasets.schema import GIB
from inferplan.planner.engine_log.log import EngineLog
from inferplan.planner.memory import Fit

NEGLIGIBLE = 0.02  # a log prints two decimals of GiB, and sizes of ranks differ by about as much


@dataclass(frozen=True)
class Difference:
    """One term: what the log printed and what was predicted, in ``unit``."""

    term: str
    unit: str
    logged: float
    predicted: float
    explanation: str

    @property
    def relative(self) -> float | None:
        """Return (predicted - logged) / logged, ``None`` for a term that the log prints as zero."""
        return (self.predicted - self.logged) / self.logged if self.logged else None


def differences(log: EngineLog, fit: Fit) -> tuple[Difference, ...]:
    """Return every term that the log prints beside its prediction; sizes in GiB per GPU."""
    memory = fit.memory
    sizes = (
        ("memory of the GPU", log.total_bytes, memory.total_bytes, _total_words),
        ("weights", log.weights_bytes, memory.weights_bytes + memory.draft_bytes, _weights_words),
        ("activation peak", log.activation_bytes, memory.activation_bytes, _activation_words),
        ("outside of PyTorch", log.non_torch_bytes, memory.non_torch_bytes, _non_torch_words),
        ("CUDA graphs", log.cuda_graph_bytes, memory.cuda_graph_bytes, _graph_words),
        ("recurrent states", log.state_bytes, memory.state_pool_bytes, _plain_words),
        ("KV cache pool", log.kv_bytes, memory.kv_pool_bytes, _pool_words),
    )
    found = [
        Difference(term, "GiB", logged / GIB, predicted / GIB, words(log, logged, predicted))
        for term, logged, predicted, words in sizes
        if logged is not None
    ]
    if (per_token := log.kv_bytes_per_token) is not None:
        own = fit.memory.kv_pool_bytes / fit.kv_pool_tokens if fit.kv_pool_tokens else 0.0
        found.append(
            Difference("cache per printed token", "bytes", per_token, own, _token_words(per_token, own))
        )
    if log.kv_tokens is not None:
        words = _count_words(log.kv_tokens, fit.kv_pool_tokens)
        found.append(Difference("printed tokens", "tokens", log.kv_tokens, fit.kv_pool_tokens, words))
    if log.concurrency is not None:
        words = _count_words(log.concurrency, fit.max_concurrency)
        found.append(Difference("sequences at once", "", log.concurrency, fit.max_concurrency, words))
    return tuple(found)


def _same(logged: float, predicted: float) -> bool:
    return abs(predicted - logged) <= NEGLIGIBLE * max(abs(logged), abs(predicted))


def _plain_words(log: EngineLog, logged: int, predicted: int) -> str:
    return "agrees" if _same(logged, predicted) else "differs"


def _total_words(log: EngineLog, logged: int, predicted: int) -> str:
    if _same(logged, predicted):
        return "agrees"
    return "another card than the one chosen: give the total that the log prints"


def _weights_words(log: EngineLog, logged: int, predicted: int) -> str:
    if _same(logged, predicted):
        return "agrees"
    if predicted > logged:
        return "the log loads less: a smaller format, more GPUs, or towers that were left out"
    return "the log loads more: a tower, a draft model, or matrices that stay in 16 bit in this checkpoint"


def _activation_words(log: EngineLog, logged: int, predicted: int) -> str:
    if _same(logged, predicted):
        return "agrees"
    limits = (
        f"{log.sequences or 'the default number of'} sequences, {log.batch_tokens or 'default'} batch tokens"
    )
    return f"the profiled batch differs ({limits}), or the sampler's kernel does"


def _non_torch_words(log: EngineLog, logged: int, predicted: int) -> str:
    return "agrees" if _same(logged, predicted) else "context and NCCL buffers vary with driver and topology"


def _graph_words(log: EngineLog, logged: int, predicted: int) -> str:
    return "agrees" if _same(logged, predicted) else "depends on the captured batch sizes and on kernels"


def _pool_words(log: EngineLog, logged: int, predicted: int) -> str:
    if _same(logged, predicted):
        return "agrees"
    return "what the other terms leave: their differences add up here"


def _token_words(logged: float, predicted: float) -> str:
    if _same(logged, predicted):
        return "agrees"
    return "another cache type, a draft model's layers, or windows counted at full length"


def _count_words(logged: float, predicted: float) -> str:
    return "agrees" if _same(logged, predicted) else "follows from the pool and the cache per token"
