"""How careful advice is to be: one profile per kind of service, every number of it open to change."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator

from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.schema import Row
from inferplan.planner.rightsizing.unit import Unit
from inferplan.planner.usage import Window

Share = Annotated[float, Field(gt=0, le=1)]
TAGS = ("team", "namespace", "model", "host", "instance_type", "entity")
_S_PER_MINUTE = 60.0
_WORD = re.compile(r"[^\W_]+")


class Profile(Row):
    """Targets, floors and what counts. Headroom means: measured use may reach ``target`` of what there is.

    A target of 0.8 leaves 20 % free, so that the new shape is at least use / 0.8 = 1.25 times the use.
    """

    name: str = "custom"
    activity_percentile: Literal["p90", "p95", "p99"] = "p95"
    """Statistic of SM and memory-bandwidth activity that must stay below its target."""
    sm_target: Share = 0.80
    dram_target: Share = 0.65
    """Of the peak bandwidth; about 0.8 is the practical ceiling (NVIDIA DCGM, profiling metrics)."""
    kv_target: Share = 0.85
    """P99 of the KV cache's use."""
    slice_target: Share = 0.70
    """Of a MIG slice's share."""
    memory_factor: Annotated[float, Field(ge=1, le=10)] = 1.10
    """The largest memory use ever seen, times this, must fit."""
    min_replicas: Annotated[int, Field(ge=1)] = 2
    spare_replicas: Annotated[int, Field(ge=0)] = 1
    may_schedule: bool = True
    """Whether a service may be stopped by calendar."""
    may_share_gpus: bool = True
    """Whether processes may be put together on a GPU, which does not keep them apart."""
    ttft_target_s: Annotated[float, Field(gt=0)] | None = None
    """Time to first token that a process must keep; missed, it counts as used up. ``None``: not judged."""
    tpot_target_s: Annotated[float, Field(gt=0)] | None = None
    """Time per output token, likewise."""
    e2e_target_s: Annotated[float, Field(gt=0)] | None = None
    """Time of a whole request, likewise."""
    latency_percentile: Literal["p90", "p95", "p99"] = "p95"
    """Of the requests, that must keep the targets."""
    lookback_days: Annotated[float, Field(gt=0, le=3650)] | None = 32.0
    """Days before the newest sample that count; ``None``: all. AWS Compute Optimizer offers 14, 32 and 93."""
    warm_up_minutes: Annotated[float, Field(ge=0, le=1440)] = 30.0
    """Left out of activity after a GPU or process came up: loading a model is no work. Memory counts."""
    protected_words: tuple[str, ...] = ("standby", "dr", "failover", "canary", "reserved")
    """Words in a namespace, pod or host name, numbered or not, that forbid to take anything away."""
    exclude: tuple[str, ...] = ()
    """Nothing is taken from what matches one of these, such as ``team=search`` or ``namespace=prod-*``."""

    @field_validator("exclude")
    @classmethod
    def _are_tags(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            tag, is_pair, wanted = pattern.partition("=")
            if tag not in TAGS or not is_pair or not wanted:
                msg = f"{pattern!r} is no exclusion: write TAG=PATTERN, TAG being one of {', '.join(TAGS)}"
                raise ValueError(msg)
        return patterns

    @property
    def has_targets(self) -> bool:
        """Whether a latency must be kept."""
        return any((self.ttft_target_s, self.tpot_target_s, self.e2e_target_s))

    @property
    def window(self) -> Window:
        """Which samples count."""
        return Window(self.lookback_days, self.warm_up_minutes * _S_PER_MINUTE)

    def why_protected(self, unit: Unit) -> str | None:
        """Return why nothing may be taken away from the unit, ``None`` where it may."""
        said: dict[str, tuple[str | None, ...]] = {
            "team": (unit.team,), "namespace": (unit.namespace,), "model": (unit.model,),
            "host": (unit.host, unit.instance_id), "instance_type": (unit.instance_type,),
            "entity": (unit.key, *unit.gpus),
        }  # fmt: skip
        for pattern in self.exclude:
            tag, _, wanted = pattern.partition("=")
            for name in filter(None, said[tag]):
                if fnmatchcase(name.casefold(), wanted.casefold()):
                    return f"{tag} {name} is excluded by the profile"
        said_words = [_words(name) for name in (unit.namespace, unit.key, unit.host) if name]
        for protected in self.protected_words:
            wanted = _words(protected).partition(" ")[0]
            if any(wanted in words for words in said_words):
                return f"its name says {protected!r}, which the profile protects"
        return None


@lru_cache(maxsize=65_536)
def _words(name: str) -> str:
    """Return the words of a name between hyphens, with and without numbers at their ends.

    >>> _words("prod/Standby2_llm")
    '-prod-standby2-llm- -prod-standby-llm-'
    """
    words = _WORD.findall(name.casefold())
    bare = [word.rstrip("0123456789") or word for word in words]
    return f"-{'-'.join(words)}- -{'-'.join(bare)}-"


PRODUCTION = Profile(name="production")
HIGH_AVAILABILITY = Profile(
    name="high-availability", activity_percentile="p99", sm_target=0.6, dram_target=0.5, kv_target=0.7,
    slice_target=0.5, memory_factor=1.2, min_replicas=3, spare_replicas=2,
    may_schedule=False, may_share_gpus=False, lookback_days=93,
)  # fmt: skip
DEVELOPMENT = Profile(
    name="development", activity_percentile="p90", sm_target=0.9, dram_target=0.75, kv_target=0.9,
    slice_target=0.85, memory_factor=1.05, min_replicas=1, spare_replicas=0,
)  # fmt: skip
PROFILES = {profile.name: profile for profile in (PRODUCTION, HIGH_AVAILABILITY, DEVELOPMENT)}


def profile_named(name: str) -> Profile:
    """Return a ready-made profile; raises ``UnknownNameError`` with the nearest names."""
    if name not in PROFILES:
        raise UnknownNameError("rightsizing profile", name, PROFILES)
    return PROFILES[name]


def customised(base: Profile, changes: Sequence[str]) -> Profile:
    """Return ``base`` with ``FIELD=VALUE`` changes; lists are separated by commas, "none" is no value.

    Raises
    ------
    InferplanError
        If a field is not known or a value is out of bounds.

    >>> customised(PRODUCTION, ["sm_target=0.7", "exclude=team=search,host=gpu-7"]).exclude
    ('team=search', 'host=gpu-7')
    """
    given: dict[str, object] = {}
    for change in changes:
        field, is_pair, value = change.partition("=")
        if not is_pair or field not in Profile.model_fields:
            raise UnknownNameError("field of a profile", field, Profile.model_fields)
        is_list = isinstance(getattr(base, field), tuple)
        is_none = value.casefold() == "none"
        parts = () if is_none else tuple(part for part in value.split(",") if part)
        given[field] = parts if is_list else None if is_none else value
    if not given:
        return base
    try:
        return Profile.model_validate(base.model_dump() | {"name": f"{base.name}, changed"} | given)
    except ValidationError as error:
        words = "; ".join(f"{found['loc'][0]}: {found['msg']}" for found in error.errors())
        msg = f"the profile cannot be changed so: {words}"
        raise InferplanError(msg) from None
