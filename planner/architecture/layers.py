"""Which kind of attention, state and feed-forward each layer has, from the many ways a config may say it."""

from collections.abc import Callable, Mapping
from typing import Any

from inferplan.planner.architecture.fields import ConfigError, Fields, shown, whole
from inferplan.planner.architecture.per_layer import NONE, LayerPlan, own_values, with_blocks

MAX_LAYERS = 2048
MAX_RATIO = 1_000_000
"""Most tokens that one compressed cache entry may stand for."""

FULL, WINDOW, CHUNK, LINEAR = "full", "window", "chunk", "linear"
COMPRESSED, PARALLEL, CROSS = "compressed", "parallel", "cross"
DENSE, EXPERTS = "dense", "experts"

_MIXERS: Mapping[str, str] = {
    **dict.fromkeys(("full_attention", "attention", "full", "global", "global_attention",
    "indexed_attention"), FULL),
    **dict.fromkeys(("sliding_attention", "local_attention", "sliding", "local", "swa",
    "sliding_window"), WINDOW),
    "chunked_attention": CHUNK,
    **dict.fromkeys(("mamba", "mamba2", "linear_attention", "recurrent", "linear", "ssm", "conv",
    "short_conv"), LINEAR),
    **dict.fromkeys(("heavily_compressed_attention", "compressed_sparse_attention", "compressed"),
    COMPRESSED),
    "hybrid": PARALLEL,
    **dict.fromkeys(("mlp", "moe", "none", "no_op"), NONE),
}  # fmt: skip
_LETTERS: Mapping[str, str] = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
# transformers v5.23.0 configuration_deepseek_v4.py, default_compress_rates
_COMPRESS_RATES = {"compressed_sparse_attention": 4, "heavily_compressed_attention": 128}
_FEED_FORWARDS: Mapping[str, str] = {
    **dict.fromkeys(("sparse", "moe", "hash_moe", "experts"), EXPERTS),
    **dict.fromkeys(("dense", "mlp"), DENSE),
}


def layer_plans(fields: Fields) -> list[LayerPlan]:
    """Return the plan of every layer.

    Raises
    ------
    ConfigError
        When a list of layers has the wrong length or names a kind that we do not know.
    """
    words = _written_kinds(fields)
    count = fields.integer("layers", len(words) if words else None, maximum=MAX_LAYERS)
    if words is not None and len(words) < count:
        where = fields.find("layer_types" if fields.has("layer_types") else "layer_pattern")[0]
        msg = (
            f"{where} names {len(words)} layers but there are {count} of them; give one kind for each layer."
        )
        raise ConfigError(msg, [where])
    mixers = (
        [_kind(fields, word, _MIXERS) for word in words[:count]] if words else _derived_mixers(fields, count)
    )
    if compress_ratios(fields, count) is not None:
        mixers = [COMPRESSED] * count
    single = words is not None and any(word in ("mlp", "moe") for word in words)
    feeds = _single_sublayer(fields, words or [], count) if single else _feed_forwards(fields, count)
    own = own_values(fields, count)
    plans = [LayerPlan(mixers[i], feeds[i], tuple(sorted(own[i].items()))) for i in range(count)]
    return with_blocks(fields, plans)


def _kind(fields: Fields, word: object, kinds: Mapping[str, str]) -> str:
    if isinstance(word, str) and word in kinds:
        return kinds[word]
    where = fields.path + "layer_types"
    known = ", ".join(sorted(kinds))
    msg = f"{where} names a kind of layer that is not known: {shown(word)}. Known are {known}."
    raise ConfigError(msg, [where])


def _written_kinds(fields: Fields) -> list[Any] | None:
    """Return the words of a list (or letters of a pattern) that names each layer's kind."""
    written, value = fields.find("layer_pattern")
    if isinstance(value, str):
        unknown = sorted(set(value) - set(_LETTERS))
        if unknown:
            msg = f"{written} holds {shown(''.join(unknown))}; known letters are M, *, - and E."
            raise ConfigError(msg, [written])
        return [_LETTERS[letter] for letter in value]
    words = fields.sequence("layer_types")
    if words is None or not words:
        return None
    count = fields.optional("layers", maximum=MAX_LAYERS)
    if count and len(words) < count and fields.find("layer_types")[0].endswith("block_types"):
        words = [words[i % len(words)] for i in range(count)]
    return words


def _single_sublayer(fields: Fields, words: list[Any], count: int) -> list[str]:
    """Return the feed-forward of layers that are either a mixer or a feed-forward (Nemotron-H)."""
    return [{"mlp": DENSE, "moe": EXPERTS}.get(word, NONE) for word in words[:count]]


def compress_ratios(fields: Fields, count: int) -> list[int] | None:
    """Return how many tokens each layer's cache entries stand for (0: a window alone), ``None`` without.

    Stated per layer, or per kind of layer beside the list of kinds.
    """
    stated = fields.sequence("compress_ratios")
    if stated:
        return [whole("compress_ratios", ratio, 0, MAX_RATIO) for ratio in stated[:count]] + [0] * max(
            0, count - len(stated)
        )
    words = (fields.sequence("layer_types") or [])[:count]
    if not any(_MIXERS.get(word) == COMPRESSED for word in words if isinstance(word, str)):
        return None
    rates = {**_COMPRESS_RATES, **(fields.section("compress_rates") or {})}
    return [whole(f"compress_rates.{word}", rates.get(word, 0), 0, MAX_RATIO) for word in words]


def _bits(fields: Fields, name: str, count: int) -> list[bool] | None:
    values = fields.sequence(name)
    if values is None:
        return None
    where = fields.find(name)[0]
    if len(values) < count:
        msg = f"{where} has {len(values)} entries but there are {count} layers."
        raise ConfigError(msg, [where])
    return [bool(whole(where, int(v) if isinstance(v, bool) else v, 0)) for v in values[:count]]


def _indices(fields: Fields, name: str, count: int) -> set[int] | None:
    written, value = fields.find(name)
    if isinstance(value, str):
        value = [int(part) if part.strip().isdecimal() else part for part in value.split(",") if part.strip()]
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        msg = f"{written} is {shown(value)}; it must be a list of layer numbers."
        raise ConfigError(msg, [written])
    return {whole(written, item, 0, MAX_LAYERS) for item in value}


def _derived_mixers(fields: Fields, count: int) -> list[str]:
    """Return the kinds from the fields that state them in other ways than a list of words."""
    if fields.flag("attention_free"):
        return [LINEAR] * count
    if fields.flag("parallel_mixers"):
        return [PARALLEL] * count
    for found in (_by_lists, _by_period, _by_interval, _by_chunk, _by_window):
        mixers = found(fields, count)
        if mixers is not None:
            return mixers
    hybrid = fields.text("recurrent") in ("mamba1", "mamba2", "lightning")
    return [LINEAR if hybrid else FULL] * count


def _by_lists(fields: Fields, count: int) -> list[str] | None:
    crossing = _indices(fields, "cross_attention_layers", count)
    if crossing:
        return [CROSS if i in crossing else FULL for i in range(count)]
    full = _bits(fields, "linear_or_full", count)
    if full is not None:
        return [FULL if bit else LINEAR for bit in full]
    window = _bits(fields, "full_or_window", count)
    if window is not None:
        return [WINDOW if bit else FULL for bit in window]
    layers = _indices(fields, "window_layers", count)
    if layers is not None:
        return [WINDOW if i in layers else FULL for i in range(count)]
    layers = _indices(fields, "full_attention_layers", count)
    if layers is not None:
        return [FULL if i + 1 in layers else LINEAR for i in range(count)]
    layers = _indices(fields, "attention_layer_indices", count)
    if layers is not None:
        return [FULL if i in layers else LINEAR for i in range(count)]
    return None


def _by_period(fields: Fields, count: int) -> list[str] | None:
    period = fields.optional("attention_layer_period")
    cycle = fields.sequence("layer_cycle")
    if cycle is not None:
        return [_windowed(fields, _kind(fields, cycle[i % len(cycle)], _MIXERS)) for i in range(count)]
    if period is None or not fields.has("recurrent"):
        return None
    offset = fields.integer("attention_layer_offset", 0, minimum=0)
    return [FULL if i % period == offset else LINEAR for i in range(count)]


def _windowed(fields: Fields, kind: str) -> str:
    return WINDOW if kind == FULL and fields.has("window") else kind


def _by_interval(fields: Fields, count: int) -> list[str] | None:
    interval = fields.optional("full_attention_interval")
    if interval is None:
        return [LINEAR] * count if fields.flag("all_linear") else None
    tail = count // interval * interval  # Ling-linear: the layers after the last whole group attend in full
    partial = FULL if fields.family.fixed.get("recurrent") == "bailing_lightning" else LINEAR
    return [FULL if (i + 1) % interval == 0 else partial if i >= tail else LINEAR for i in range(count)]


def _by_chunk(fields: Fields, count: int) -> list[str] | None:
    if not fields.has("rope_layer_interval") or not fields.has("chunk"):
        return None
    rope = fields.sequence("rope_layers")
    if rope:
        bits = _bits(fields, "rope_layers", count)
        return [CHUNK if bit else FULL for bit in bits or []]
    interval = fields.integer("rope_layer_interval")
    return [FULL if (i + 1) % interval == 0 else CHUNK for i in range(count)]


def _by_window(fields: Fields, count: int) -> list[str] | None:
    if not fields.has("window") or not fields.flag("use_window", True):
        return None
    if fields.integer("window", minimum=0) == 0:
        return None
    written, pattern = fields.find("window_pattern")
    if isinstance(pattern, str):
        return (
            [FULL if pattern[i % len(pattern)] == "G" else WINDOW for i in range(count)] if pattern else None
        )
    if pattern is not None:
        period = whole(written, pattern)
        shift = 0 if fields.flag("full_layers_first") else 1
        return [FULL if (i + shift) % period == 0 else WINDOW for i in range(count)]
    first = fields.optional("max_window_layers", minimum=0)
    if first is not None and fields.has("use_window"):
        return [WINDOW if i >= first else FULL for i in range(count)]
    return [WINDOW] * count


def _feed_forwards(fields: Fields, count: int) -> list[str]:
    if fields.flag("attention_free"):
        return [NONE] * count
    if (
        not fields.has("experts")
        or fields.integer("experts", minimum=0) <= 1
        or not fields.flag("enable_moe_block", True)
    ):
        return [DENSE] * count
    words = fields.sequence("feed_forward_types")
    if words is not None and len(words) >= count:
        return [_kind(fields, word, _FEED_FORWARDS) for word in words[:count]]
    rules: list[Callable[[int], bool]] = []
    first = fields.integer("first_dense_layers", 0, minimum=0)
    last = fields.integer("last_moe_layer", -1, minimum=-1)
    rules.append(lambda i: i >= first and (last < 0 or i <= last))
    rules.extend(_frequency_rules(fields, count))
    layers = _indices(fields, "moe_layers", count)
    if layers:
        rules.append(lambda i: i in layers)
    dense = _indices(fields, "dense_layers", count)
    if dense:
        rules.append(lambda i: i not in dense)
    return [EXPERTS if all(rule(i) for rule in rules) else DENSE for i in range(count)]


def _frequency_rules(fields: Fields, count: int) -> list[Callable[[int], bool]]:
    written, frequency = fields.find("moe_frequency")
    rules: list[Callable[[int], bool]] = []
    if isinstance(frequency, list):
        bits = _bits(fields, "moe_frequency", count) or []
        rules.append(lambda i: bits[i])
    elif frequency is not None:
        every = whole(written, frequency)
        shift = 1 if written.endswith("interval") else 0
        rules.append(lambda i: (i + shift) % every == 0)
    step = fields.integer("moe_step", 1)
    rules.append(lambda i: (i + 1) % step == 0)
    period = fields.optional("moe_period")
    if period:
        offset = fields.integer("moe_offset", 0, minimum=0)
        rules.append(lambda i: i % period == offset)
    return rules
