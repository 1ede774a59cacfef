"""From a Hugging Face config to an ``Architecture``."""

from collections.abc import Mapping

from inferplan.planner.architecture.audio import audio_tensors
from inferplan.planner.architecture.decoder import read_decoder
from inferplan.planner.architecture.encoder import read_encoder, read_whisper
from inferplan.planner.architecture.families import Family
from inferplan.planner.architecture.family_facts import ENCODER, UNKNOWN
from inferplan.planner.architecture.fields import ConfigError, Fields, checked, shown
from inferplan.planner.architecture.model import Architecture, Tensor
from inferplan.planner.architecture.mtp import mtp_tensors
from inferplan.planner.architecture.nested_sizes import NESTED_SIZES
from inferplan.planner.architecture.relatives import family_of
from inferplan.planner.architecture.told import reading_notes
from inferplan.planner.architecture.towers import vision_tensors
from inferplan.planner.architecture.zamba import read_zamba

_TEXT_SECTIONS = (
    "text_config",
    "language_config",
    "llm_config",
    "thinker_config.text_config",
    "text_model_config",
)
BY_SHAPE = "by shape"
_READERS = {"encoder": read_encoder, "whisper": read_whisper, "zamba2": read_zamba}
_NOT_UNDERSTOOD = {
    "rwkv": "RWKV", "rwkv5": "RWKV", "rwkv6": "RWKV", "rwkv7": "RWKV", "xlstm": "xLSTM", "retnet": "RetNet",
    "t5": "encoder-decoder", "mt5": "encoder-decoder", "bart": "encoder-decoder", "mbart": "encoder-decoder",
    "pegasus": "encoder-decoder", "marian": "encoder-decoder", "zamba": "Mamba with a shared transformer",
    "hyena": "Hyena", "stripedhyena": "Hyena",
    "jetmoe": "mixture of attention heads", "moshi": "speech codec", "doge": "dynamic mask attention",
    "zaya": "convolutional attention", "hrm_text": "recurrent depth", "inkling_text": "relative attention",
    "reformer": "hashed attention", "xlnet": "two-stream attention",
}  # fmt: skip


def parse(config: Mapping[str, object], *, name: str = "") -> Architecture:
    """Return the architecture that a Hugging Face ``config`` describes.

    Parameters
    ----------
    config
        The object of a ``config.json``. Keys that start with "_" are ignored.
    name
        Name of the model, kept for messages and reports.

    Raises
    ------
    ConfigError
        When fields are missing, out of range or of the wrong kind, or the architecture is not understood.

    Examples
    --------
    >>> config = {"model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 22, "vocab_size": 32000,
    ...           "num_attention_heads": 32, "num_key_value_heads": 4, "intermediate_size": 5632}
    >>> sum(tensor.elements for tensor in parse(config).tensors)
    1100048384
    """
    config = checked(config)
    fields, basis = _text_fields(config)
    fields.require(*_needed(fields))
    layers, tensors = _READERS.get(fields.text("layout"), read_decoder)(fields)
    tensors.extend(mtp_tensors(fields))
    towers = _add_towers(config, fields, tensors)
    return Architecture(
        name=name,
        model_type=fields.text("model_type") or "unknown",
        basis=basis,
        hidden_size=fields.integer("hidden_size"),
        vocab_size=fields.integer("vocab_size"),
        max_position_tokens=fields.optional("positions"),
        dtype=_dtype(config, fields),
        tied_embeddings=fields.flag("tied"),
        layers=tuple(layers),
        tensors=tuple(tensors),
        experts=_experts(fields, "experts") if any(t.role == "expert" for t in tensors) else 0,
        experts_per_token=_experts(fields, "experts_per_token")
        if any(t.role == "expert" for t in tensors)
        else 0,
        quantization=_quantization(config, fields),
        notes=(*reading_notes(fields, by_shape=basis == BY_SHAPE), *towers),
    )


def _add_towers(config: Mapping[str, object], fields: Fields, tensors: list[Tensor]) -> tuple[str, ...]:
    """Add vision and audio towers to ``tensors`` and return what is to be said about them."""
    inner = config.get("thinker_config")
    holder = inner if isinstance(inner, Mapping) else config
    notes = []
    for tower in (vision_tensors, audio_tensors):
        found, note = tower(holder, fields.integer("hidden_size"))
        tensors.extend(found)
        notes.append(note)
    return tuple(note for note in notes if note)


def _needed(fields: Fields) -> list[str]:
    """Return the fields that nothing else can stand in for."""
    needed = ["hidden_size", "vocab_size"]
    if not fields.flag("attention_free"):
        needed.append("heads")
    if not fields.has("layer_types") and not fields.has("layer_pattern"):
        needed.append("layers")
    return needed


def _text_fields(config: Mapping[str, object]) -> tuple[Fields, str]:
    """Return the fields of the language model inside ``config`` and how they were understood."""
    section, path = _language_section(config)
    kind = section.get("model_type", config.get("model_type", ""))
    if not isinstance(kind, str):
        msg = f"model_type is {shown(kind)}; it must be text such as 'llama'."
        raise ConfigError(msg, ["model_type"])
    if kind in _NOT_UNDERSTOOD:
        msg = f"model_type {kind!r} ({_NOT_UNDERSTOOD[kind]}) is an architecture that is not understood yet."
        raise ConfigError(msg, ["model_type"])
    outer = config.get("model_type")
    family = family_of(kind) or (family_of(outer) if isinstance(outer, str) else None)
    basis = f"family {kind}" if family else BY_SHAPE
    if family is None and section.get("is_encoder_decoder") is True:
        msg = f"model_type {kind!r} is an encoder-decoder, which is not understood yet (Whisper is)."
        raise ConfigError(msg, ["is_encoder_decoder"])
    if family is None:
        family = ENCODER if "type_vocab_size" in section else UNKNOWN
    if section is not config:
        section = {**_inherited(config), **section}
        family = Family(family.fixed, {**NESTED_SIZES.get(kind, {}), **family.defaults})
    return Fields(section, family, path=path), basis


def _inherited(config: Mapping[str, object]) -> dict[str, object]:
    names = ("tie_word_embeddings", "torch_dtype", "dtype", "quantization_config")
    return {name: config[name] for name in names if config.get(name) is not None}


def _language_section(config: Mapping[str, object]) -> tuple[Mapping[str, object], str]:
    for place in _TEXT_SECTIONS:
        holder: object = config
        for step in place.split("."):
            holder = holder.get(step) if isinstance(holder, Mapping) else None
        if holder is None:
            continue
        if not isinstance(holder, Mapping):
            msg = f"{place} is {shown(holder)}; it must be an object with the language model's fields."
            raise ConfigError(msg, [place])
        return holder, f"{place}."
    return config, ""


def _dtype(config: Mapping[str, object], fields: Fields) -> str:
    stated = fields.text("dtype").removeprefix("torch.")
    return stated if stated and stated != "auto" else "bfloat16"


def _experts(fields: Fields, name: str) -> int:
    value = fields.find(name)[1]
    if isinstance(value, list):
        return max((item for item in value if isinstance(item, int)), default=0)
    return fields.integer(name, 0, minimum=0)


def _quantization(config: Mapping[str, object], fields: Fields) -> Mapping[str, object] | None:
    for holder in (config, fields.config):
        found = holder.get("quantization_config") or holder.get("compression_config")
        if isinstance(found, Mapping):
            expert_dtype = fields.text("expert_dtype")
            return {**found, "expert_dtype": expert_dtype} if expert_dtype else found
    return None
