"""Checked reading of a Hugging Face config: one name per meaning, one clear error per mistake."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from inferplan.datasets.errors import InferplanError
from inferplan.planner.architecture.families import Family
from inferplan.planner.architecture.names import NAMES

MAX_INTEGER = 10**9
LIMITS = {
    "hidden_size": 2**20,
    "vocab_size": 10**8,
    "intermediate_size": 10**7,
    "expert_intermediate_size": 10**7,
    "shared_intermediate_size": 10**7,
    "heads": 2**16,
    "kv_heads": 2**16,
    "head_dim": 2**16,
    "experts": 10**5,
    "experts_per_token": 10**5,
    "shared_experts": 10**3,
    "kv_lora_rank": 2**20,
    "q_lora_rank": 2**20,
}
"""Largest values that are read as a model's: far above any that exists."""
MAX_DEPTH = 40
MAX_VALUES = 200_000
LARGEST_CONFIG_BYTES = 4 * 1024**2


class ConfigError(InferplanError):
    """A config that does not describe a model we understand; ``fields`` are the ones to look at."""

    def __init__(self, message: str, fields: Sequence[str] = ()) -> None:
        """Keep the ``fields`` beside the message, for a page that marks them."""
        self.fields = tuple(fields)
        super().__init__(message)


def shown(value: object) -> str:
    """Return ``value`` short enough for a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def read_config(text: str | bytes, *, source: str = "") -> Mapping[str, object]:
    """Return the object that the ``text`` of a config.json holds.

    Parameters
    ----------
    source
        The file's name, which messages begin with.

    Raises
    ------
    ConfigError
        When it is too large, not JSON, nested too deep or not an object.

    Examples
    --------
    >>> read_config('{"model_type": "llama"}')
    {'model_type': 'llama'}
    """
    try:
        return _object_of(text)
    except ConfigError as error:
        if not source:
            raise
        msg = f"{source}: {error}"
        raise ConfigError(msg, error.fields) from None


def _object_of(text: str | bytes) -> Mapping[str, object]:
    if len(text) > LARGEST_CONFIG_BYTES:
        size = len(text) / 1024**2
        msg = (
            f"This file has {size:.1f} MiB; a config.json has a few KiB. "
            "Give the model's config.json, not its weights or tokenizer."
        )
        raise ConfigError(msg)
    try:
        config = json.loads(text)
    except RecursionError:
        msg = f"The config is nested deeper than {MAX_DEPTH} levels: it is not a model's config.json."
        raise ConfigError(msg) from None
    except ValueError as error:
        msg = f"The config is not valid JSON ({error}). Give the model's config.json as it is on the Hub."
        raise ConfigError(msg) from None
    return checked(config)


def checked(config: object) -> Mapping[str, object]:
    """Return ``config``, or raise ``ConfigError`` unless it is an object of the size of a model's config."""
    if not isinstance(config, Mapping):
        msg = (
            "A config is a JSON object with fields such as hidden_size; "
            f"this is {type(config).__name__} {shown(config)}."
        )
        raise ConfigError(msg)
    pending: list[tuple[object, int]] = [(config, 1)]
    values = characters = 0
    while pending:
        value, depth = pending.pop()
        values += 1
        if isinstance(value, str):
            characters += len(value)
        if depth > MAX_DEPTH:
            msg = f"The config is nested deeper than {MAX_DEPTH} levels: it is not a model's config.json."
            raise ConfigError(msg)
        if values > MAX_VALUES or characters > LARGEST_CONFIG_BYTES:
            msg = (
                f"The config holds more than {MAX_VALUES:,} values or "
                f"{LARGEST_CONFIG_BYTES // 1024**2} MiB of text: it is not a model's config.json."
            )
            raise ConfigError(msg)
        if isinstance(value, Mapping):
            pending.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list | tuple):
            pending.extend((item, depth + 1) for item in value)
    return config


class Fields:
    """A config seen through canonical names (``names.NAMES``), with its family's facts filled in.

    A value is looked up in this order: what is set for one layer, what the family's code fixes whatever the
    config says, the config under each of its known names, what the family's class defaults to.
    """

    def __init__(
        self,
        config: Mapping[str, object],
        family: Family,
        *,
        path: str = "",
        layer: Mapping[str, object] | None = None,
        asked: set[str] | None = None,
    ) -> None:
        """Wrap ``config``; ``path`` is its place in the whole file, for messages."""
        self.config = config
        self.family = family
        self.path = path
        self.asked = set() if asked is None else asked
        """Names, as written, that were asked for so far: the rest of the config had no say."""
        self._layer = layer or {}

    def for_layer(self, values: Mapping[str, object]) -> "Fields":
        """Return these fields with the ``values`` (canonical names) that hold for one layer only."""
        if not values:
            return self
        return Fields(self.config, self.family, path=self.path, layer=values, asked=self.asked)

    def find(self, name: str) -> tuple[str, Any]:
        """Return (name as written, value) of the canonical ``name``; the value is ``None`` when absent."""
        names = NAMES.get(name, (name,))
        self.asked.update(written.split(".")[0] for written in names)
        for source in (self._layer, self.family.fixed):
            if source.get(name) is not None:
                return name, source[name]
        stated_none = False
        for written in names:
            holder: object = self.config
            *sections, last = written.split(".")
            for section in sections:
                holder = holder.get(section) if isinstance(holder, Mapping) else None
            if isinstance(holder, Mapping) and holder.get(last) is not None:
                return self.path + written, holder[last]
            stated_none = stated_none or (isinstance(holder, Mapping) and last in holder)
        return self.path + names[0], None if stated_none else self.family.defaults.get(name)

    def has(self, name: str) -> bool:
        """Return whether the canonical ``name`` has a value."""
        return self.find(name)[1] is not None

    def require(self, *names: str) -> None:
        """Raise one ``ConfigError`` that lists every one of the canonical ``names`` that is absent."""
        missing = [name for name in names if not self.has(name)]
        if missing:
            said = "; ".join(
                f"{self.path}{NAMES.get(name, (name,))[0]}"
                + (f" (or {', '.join(NAMES[name][1:4])})" if len(NAMES.get(name, ())) > 1 else "")
                for name in missing
            )
            kind = self.config.get("model_type")
            of_kind = f" (model_type {shown(kind)})" if kind else ""
            msg = (
                f"This config{of_kind} does not describe a transformer: "
                f"missing {said}. Give the whole config.json of the model."
            )
            raise ConfigError(msg, missing)

    def integer(
        self, name: str, default: int | None = None, *, minimum: int = 1, maximum: int | None = None
    ) -> int:
        """Return a whole number in [``minimum``, ``maximum``]; raises ``ConfigError`` for anything else."""
        written, value = self.find(name)
        if value is None:
            if default is None:
                self.require(name)
                raise AssertionError
            return default
        return whole(written, value, minimum, maximum or LIMITS.get(name, MAX_INTEGER))

    def optional(self, name: str, *, minimum: int = 1, maximum: int | None = None) -> int | None:
        """Return a whole number, or ``None`` when the config does not state it."""
        written, value = self.find(name)
        limit = maximum or LIMITS.get(name, MAX_INTEGER)
        return None if value is None else whole(written, value, minimum, limit)

    def number(self, name: str, default: float) -> float:
        """Return a positive finite number."""
        written, value = self.find(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < MAX_INTEGER:
            msg = f"{written} is {shown(value)}; it must be a number above 0."
            raise ConfigError(msg, [written])
        return float(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """Return true or false; raises ``ConfigError`` for anything else."""
        written, value = self.find(name)
        if value is None:
            return default
        if not isinstance(value, bool) and value not in (0, 1):
            msg = f"{written} is {shown(value)}; it must be true or false."
            raise ConfigError(msg, [written])
        negated = written.rsplit(".", 1)[-1].startswith("no_")
        return bool(value) is not negated

    def text(self, name: str, default: str = "") -> str:
        """Return a string."""
        written, value = self.find(name)
        if value is None:
            return default
        if not isinstance(value, str):
            msg = f"{written} is {shown(value)}; it must be text."
            raise ConfigError(msg, [written])
        return value

    def sequence(self, name: str) -> list[Any] | None:
        """Return a list, or ``None`` when absent."""
        written, value = self.find(name)
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            msg = f"{written} is {shown(value)}; it must be a list."
            raise ConfigError(msg, [written])
        return list(value)

    def section(self, name: str) -> Mapping[str, object] | None:
        """Return a nested object, or ``None`` when absent."""
        written, value = self.find(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            msg = f"{written} is {shown(value)}; it must be an object."
            raise ConfigError(msg, [written])
        return value


def whole(written: str, value: object, minimum: int = 1, maximum: int = MAX_INTEGER) -> int:
    """Return ``value`` when it is a whole number in range (8.0 counts, "8" and true do not).

    Examples
    --------
    >>> whole("hidden_size", 4096.0)
    4096
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        hint = " Write it without quotes." if isinstance(value, str) else ""
        msg = f"{written} is {shown(value)}; it must be a whole number.{hint}"
        raise ConfigError(msg, [written])
    if not minimum <= value <= maximum:
        msg = f"{written} is {shown(value)}; it must be between {minimum:,} and {maximum:,}."
        raise ConfigError(msg, [written])
    return value
