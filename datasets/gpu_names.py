"""Recognise an accelerator by the many ways to write its name."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache

from inferplan.datasets.schema import Gpu

# Words that say who made or sells a card and never which one it is.
_FILLER = frozenset(
    ("nvidia", "amd", "intel", "google", "aws", "tesla", "geforce", "instinct", "corporation", "generation")
)
# What follows names a part of the card: a MIG slice, or Kubernetes' label for time slicing.
_PART = re.compile(r"[\s\-_]*(\bmig\b.*|\b\d+g\.\d+gb\b.*|\bshared)$", re.IGNORECASE)
_FORM_FACTOR = re.compile(r"^(sxm|pcie)\d$")
_RTX = re.compile(r"rtx(?=a?\d)")
_SPLIT = re.compile(r"[\s\-_/(),]+")
_MEMORY_TOLERANCE = 0.03  # driver versions reserve up to 2.7 % differently (B300: 268.6 of 276 GiB)

Key = frozenset[str]


@lru_cache(maxsize=4096)
def normal_form(name: str) -> Key:
    """Return the words of ``name`` that tell accelerators apart, in no order.

    >>> sorted(normal_form("NVIDIA A100-SXM4-80GB"))
    ['80gb', 'a100', 'sxm']
    """
    spaced = _RTX.sub("rtx ", name.casefold())
    words = (_FORM_FACTOR.sub(r"\1", word) for word in _SPLIT.split(spaced))
    return frozenset(word for word in words if word and word not in _FILLER)


class GpuIndex:
    """Accelerators by every unambiguous way to write their names."""

    def __init__(self, gpus: Iterable[Gpu]) -> None:
        """Index the names and aliases of ``gpus``, each also with the marketed memory size."""
        self._by_key: dict[Key, Gpu] = {}
        self._gpus = tuple(gpus)
        sized: defaultdict[Key, list[Gpu]] = defaultdict(list)
        for gpu in self._gpus:
            for key in _keys(gpu):
                self._by_key.setdefault(key, gpu)
                sized[key | {f"{gpu.memory_marketed_gb:g}gb"}].append(gpu)
        for key, found in sized.items():
            if all(gpu is found[0] for gpu in found):
                self._by_key.setdefault(key, found[0])

    def find(self, name: str) -> Gpu | None:
        """Return the accelerator that goes by ``name``, ``None`` for none or several."""
        return self._by_key.get(normal_form(name))

    def related(self, name: str) -> tuple[Gpu, ...]:
        """Return the accelerators that ``name`` could mean: those that have all of its words."""
        words = normal_form(name)
        return tuple(gpu for gpu in self._gpus if words and any(words <= key for key in _keys(gpu)))

    def find_reported(self, name: str, memory_total_bytes: int | None) -> Gpu | None:
        """Return the accelerator that a driver reports as ``name``; its memory settles doubt."""
        whole = _PART.sub("", name)
        exact = self.find(whole)
        sliced = whole != name
        if exact is not None and (sliced or _has_memory(exact, memory_total_bytes)):
            return exact
        if memory_total_bytes is None or sliced:
            return exact
        words = normal_form(whole)
        alike = [gpu for gpu in self._gpus if _same_chip(gpu, words) and _has_memory(gpu, memory_total_bytes)]
        return alike[0] if len(alike) == 1 else exact


def _keys(gpu: Gpu) -> Iterator[Key]:
    for name in (gpu.name, *gpu.aliases):
        yield normal_form(name)


def _same_chip(gpu: Gpu, words: Key) -> bool:
    """Whether ``words`` and a name of ``gpu`` are alike but for memory size and form factor."""
    return any(_chip(words) == _chip(key) for key in _keys(gpu))


def _chip(words: Key) -> Key:
    variant = re.compile(r"\d+gb?|sxm|pcie|hbm\d\w*")
    return frozenset(word for word in words if not variant.fullmatch(word))


def _has_memory(gpu: Gpu, memory_total_bytes: int | None) -> bool:
    if memory_total_bytes is None:
        return True
    return abs(memory_total_bytes / gpu.memory_total_bytes - 1) <= _MEMORY_TOLERANCE
