"""Bytes of weights on each GPU: formats, padding, sharding, copies, pipeline stages.

Sources of the rules (vllm-project/vllm v0.33.0): vocabulary padded to 64 in vocab_parallel_embedding.py;
key and value heads copied when there are more GPUs than heads (``num_kv_head_replicas`` in
layers/linear.py); latent
down-projections, routers and indexers on every rank; two more 16-bit copies of ``kv_b_proj`` in
layers/attention/mla_attention.py ``process_weights_after_loading``; experts over TP x DP in
docs/serving/data_parallel_deployment.md.
"""

from dataclasses import dataclass
from functools import lru_cache

from inferplan.planner.architecture import (
    Architecture,
    CompressedAttention,
    LatentAttention,
    RecurrentState,
    SoftmaxAttention,
    Tensor,
)
from inferplan.planner.kv_cache import ShardError, stages
from inferplan.planner.quantization import Storage, storage

_VOCABULARY_MULTIPLE = {
    "vllm": 64,
    "sglang": 64,
}  # DEFAULT_VOCAB_PADDING_SIZE in both engines' embedding layers
_COPIES_LATENT_MATRICES = frozenset({"vllm", "sglang", "tensorrt-llm"})
_EXPERTS_OVER_DATA_PARALLEL = frozenset({"vllm"})


@dataclass(frozen=True, slots=True)
class WeightBytes:
    """Weights of one deployment as its engine holds them."""

    per_gpu_bytes: int
    """On the fullest GPU."""
    rank: str
    """Which one that is."""
    total_bytes: int
    """On all GPUs of one data-parallel replica together, copies included."""
    checkpoint_bytes: int
    """Of one copy without sharding: about the size of the weight files that are loaded."""
    by_role: tuple[tuple[str, int], ...]
    """Parts of ``per_gpu_bytes``; they sum to it."""
    format: str
    """Name of the weights format."""


@dataclass(frozen=True, slots=True)
class _Split:
    tp: int
    ep: int
    expert_ways: int
    """GPUs that share one expert's matrices, times the expert-parallel size."""
    vocabulary_multiple: int


@lru_cache(maxsize=4096)
def weights(
    architecture: Architecture,
    dtype: str | None = None,
    *,
    engine: str = "vllm",
    tp: int = 1,
    pp: int = 1,
    ep: int = 1,
    dp: int = 1,
    mtp: bool = False,
    towers: bool = True,
) -> WeightBytes:
    """Return the bytes of weights per GPU.

    Parameters
    ----------
    dtype
        Weights type, ``None`` for what the config says.
    engine
        vllm, sglang, tensorrt-llm or llama.cpp: padding and extra copies differ.
    tp, pp, ep, dp
        Tensor, pipeline, expert and data parallel sizes.
    mtp
        Whether the blocks for multi-token prediction are loaded (engines skip them without speculation).
    towers
        Whether the vision and audio towers are loaded.

    Raises
    ------
    ShardError
        When there are more pipeline stages than layers or expert parallelism without experts to spread.

    Examples
    --------
    >>> from inferplan.planner.architecture import parse
    >>> model = parse({"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
    ...     "vocab_size": 128256, "num_attention_heads": 32, "num_key_value_heads": 8,
    ...     "intermediate_size": 14336})
    >>> weights(model).per_gpu_bytes
    16060522496
    """
    stored = storage(architecture, dtype)
    split = _split(architecture, engine, tp, ep, dp)
    loaded = [tensor for tensor in architecture.tensors if _is_loaded(tensor, mtp=mtp, towers=towers)]
    ranks = _ranks(architecture, loaded, stored, split, pp)
    if engine in _COPIES_LATENT_MATRICES:
        _add_latent_copies(architecture, loaded, split, ranks)
    fullest = max(range(pp), key=lambda stage: sum(ranks[stage].values()))
    return WeightBytes(
        per_gpu_bytes=sum(ranks[fullest].values()),
        rank=_rank_name(fullest, pp),
        total_bytes=tp * sum(sum(rank.values()) for rank in ranks),
        checkpoint_bytes=sum(stored.stored_bytes(t, t.out_features, t.in_features, t.count) for t in loaded),
        by_role=tuple(sorted(ranks[fullest].items())),
        format=stored.name,
    )


def _split(architecture: Architecture, engine: str, tp: int, ep: int, dp: int) -> _Split:
    over_replicas = bool(architecture.experts) and engine in _EXPERTS_OVER_DATA_PARALLEL
    ways = tp * dp if over_replicas else max(tp, ep)
    if ep > 1 and (not architecture.experts or ways % ep):
        msg = (
            f"ep is {ep}, but the model has {architecture.experts} experts on {ways} GPUs; "
            "ep must divide the GPUs that share experts."
        )
        raise ShardError(msg)
    return _Split(tp, ep, ways, _VOCABULARY_MULTIPLE.get(engine, 1))


def _ranks(
    architecture: Architecture, loaded: list[Tensor], stored: Storage, split: _Split, pp: int
) -> list[dict[str, int]]:
    """Return the bytes by role on one GPU of each pipeline stage."""
    ranks = [dict[str, int]() for _ in range(pp)]
    by_layer = _stages_by_layer(architecture, pp)
    for tensor in loaded:
        size = shard_bytes(tensor, stored, split)
        for stage in _places(tensor, by_layer, pp, tied=architecture.tied_embeddings):
            ranks[stage][tensor.role] = ranks[stage].get(tensor.role, 0) + size
    return ranks


def _add_latent_copies(
    architecture: Architecture, loaded: list[Tensor], split: _Split, ranks: list[dict[str, int]]
) -> None:
    """Add the two 16-bit copies of the latent up-projection that engines build beside it."""
    by_layer = _stages_by_layer(architecture, len(ranks))
    for tensor in loaded:
        if tensor.name.endswith("self_attn.kv_b_proj.weight"):
            rank = ranks[by_layer.get(tensor.layer, len(ranks) - 1)]
            copies = 2 * _local(tensor, split)[0] * tensor.in_features
            rank["latent_copies"] = rank.get("latent_copies", 0) + copies


def _is_loaded(tensor: Tensor, *, mtp: bool, towers: bool) -> bool:
    return (mtp or tensor.part != "mtp") and (towers or tensor.part not in ("vision", "audio"))


def _rank_name(stage: int, pp: int) -> str:
    return "every GPU" if pp == 1 else f"pipeline stage {stage + 1} of {pp}"


def _stages_by_layer(architecture: Architecture, pp: int) -> dict[int | None, int]:
    return {
        layer: number
        for number, stage in enumerate(stages(max(1, len(architecture.layers)), pp))
        for layer in stage
    }


def _places(tensor: Tensor, by_layer: dict[int | None, int], pp: int, *, tied: bool) -> tuple[int, ...]:
    """Return the pipeline stages that hold ``tensor``: embedding first, head last, a tied one on both."""
    if tensor.part == "mtp":
        return (pp - 1,)
    if tensor.layer is not None and tensor.part == "language_model":
        return (by_layer.get(tensor.layer, pp - 1),)
    if tensor.role == "lm_head" or tensor.name.startswith(("model.norm", "model.hc_head")):
        return (pp - 1,)
    if tensor.role == "embedding" and tensor.name.startswith("model.embed_tokens.") and tied and pp > 1:
        return (0, pp - 1)
    return (0,)


def shard_bytes(tensor: Tensor, stored: Storage, split: _Split) -> int:
    """Return the bytes of what one GPU holds of ``tensor``."""
    out_features, in_features, count = _local(tensor, split)
    return stored.stored_bytes(tensor, out_features, in_features, count)


def _local(tensor: Tensor, split: _Split) -> tuple[int, int, int]:
    """Return (out_features, in_features, count) of one GPU's shard."""
    out_features, in_features, count = tensor.out_features, tensor.in_features, tensor.count
    ways = split.tp
    if tensor.role == "expert":
        count = -(-count // split.ep)
        ways = max(1, split.expert_ways // split.ep)
    if tensor.shard == "vocab":
        padded = -(-out_features // split.vocabulary_multiple) * split.vocabulary_multiple
        return -(-padded // ways), in_features, count
    units = tensor.shard_units
    if tensor.shard in ("column", "kv_heads"):
        return _cut(out_features, units, ways), in_features, count
    if tensor.shard == "row":
        return out_features, _cut(in_features, units, ways), count
    return out_features, in_features, count


def _cut(features: int, units: int, ways: int) -> int:
    """Return the largest share of ``features`` that one of ``ways`` GPUs gets, cut between ``units``."""
    if units and features % units == 0:
        return -(-units // ways) * (features // units)
    return -(-features // ways)


@lru_cache(maxsize=4096)
def illegal_tp(architecture: Architecture, tp: int) -> str | None:
    """Return why ``tp`` does not divide the model's heads, or ``None`` when it does.

    Source: the checks of vllm v0.33.0 config/model.py ``verify_with_parallel_config`` and models/llama.py.

    Examples
    --------
    >>> from inferplan.planner.architecture import parse
    >>> model = parse({"model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 28,
    ...     "vocab_size": 152064, "num_attention_heads": 28, "num_key_value_heads": 4,
    ...     "intermediate_size": 18944})
    >>> illegal_tp(model, 8)
    '28 attention heads do not divide among 8 GPUs'
    """
    if tp < 1:
        return f"tp is {tp}; it must be 1 at least"
    for layer in architecture.layers:
        for mixer in layer.mixers:
            if (
                isinstance(mixer, SoftmaxAttention | LatentAttention | CompressedAttention)
                and mixer.query_heads % tp
            ):
                return f"{mixer.query_heads} attention heads do not divide among {tp} GPUs"
            if isinstance(mixer, SoftmaxAttention) and mixer.kv_heads % tp and tp % mixer.kv_heads:
                return (
                    f"{mixer.kv_heads} key-value heads neither divide among {tp} GPUs nor the other way round"
                )
            if isinstance(mixer, RecurrentState) and mixer.heads % tp:
                return f"{mixer.heads} heads of the recurrent state do not divide among {tp} GPUs"
    return _uneven_experts(architecture, tp)


def _uneven_experts(architecture: Architecture, tp: int) -> str | None:
    for tensor in architecture.tensors:
        if (
            tensor.role in ("mlp", "expert", "shared_expert")
            and tensor.shard == "column"
            and tensor.out_features % tp
        ):
            return f"an intermediate size of {tensor.out_features} does not divide among {tp} GPUs"
    return None
