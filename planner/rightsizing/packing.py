"""Bin packing: how few GPUs hold processes whose memory and load at the same hours add up.

First-fit decreasing with anti-affinity. Memory is hard: the largest use ever seen of each. Activity is the
sum of what each does in the same four hours of the week: work by day and work by night share a GPU. No
packing can do with fewer GPUs than ``lower_bound``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inferplan.planner.rightsizing.evidence import BLOCKS_PER_WEEK, Week

MOST_TRIED = 64
"""GPUs that are looked at block by block for one process, the first ones."""


@dataclass(frozen=True)
class Item:
    """A process on one GPU."""

    key: str
    workload: str
    """No two of a workload share a GPU, and none joins another on its machine."""
    host: str | None
    memory_bytes: float
    sm: Week
    dram: Week


@dataclass(frozen=True)
class Capacity:
    """What a GPU may be filled to."""

    memory_bytes: float
    sm: float
    dram: float


class _Loads:
    """One resource of every GPU that stays: what it does over the week so far."""

    def __init__(self, most: int, limit: float) -> None:
        self.weeks = np.zeros((most, BLOCKS_PER_WEEK))
        self.least, self.greatest, self.limit = np.zeros(most), np.zeros(most), limit

    def add(self, at: int, week: Week) -> None:
        self.weeks[at] += week
        self.least[at], self.greatest[at] = self.weeks[at].min(), self.weeks[at].max()

    def may_fit(self, opened: int, week: Week) -> NDArray[np.bool_]:
        """Return which GPUs cannot be ruled out by their quietest and their busiest hours alone."""
        found: NDArray[np.bool_] = (self.greatest[:opened] + week.min() <= self.limit) & (
            self.least[:opened] + week.max() <= self.limit
        )
        return found

    def fits(self, tried: NDArray[np.intp], week: Week) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (self.weeks[tried] + week).max(axis=1) <= self.limit
        return found


def pack(items: Sequence[Item], capacity: Capacity) -> tuple[tuple[Item, ...], ...]:
    """Return which processes share a GPU, the one that stays where it is first.

    >>> quiet, busy = np.full(42, 0.1), np.full(42, 0.5)
    >>> items = [Item(name, name, None, 10.0, week, quiet)
    ...          for name, week in (("a", quiet), ("b", quiet), ("c", busy))]
    >>> [[item.key for item in shared] for shared in pack(items, Capacity(25.0, 0.8, 0.65))]
    [['c', 'a'], ['b']]
    """
    memory = np.zeros(len(items))
    sm, dram = _Loads(len(items), capacity.sm), _Loads(len(items), capacity.dram)
    bins: list[list[Item]] = []
    at_home = {(item.host, item.workload) for item in items if item.host}
    for item in sorted(items, key=lambda item: (-_size(item, capacity), item.key)):
        opened = len(bins)
        may = memory[:opened] + item.memory_bytes <= capacity.memory_bytes
        may &= sm.may_fit(opened, item.sm) & dram.may_fit(opened, item.dram)
        tried = np.flatnonzero(may)[:MOST_TRIED]
        fitting = tried[sm.fits(tried, item.sm) & dram.fits(tried, item.dram)]
        at = next((at for at in fitting.tolist() if not _meets(item, bins[at], at_home)), opened)
        if at == opened:
            bins.append([])
        bins[at].append(item)
        if host := bins[at][0].host:
            at_home.add((host, item.workload))
        memory[at] += item.memory_bytes
        sm.add(at, item.sm)
        dram.add(at, item.dram)
    return tuple(map(tuple, bins))


def _meets(item: Item, members: Sequence[Item], at_home: set[tuple[str, str]]) -> bool:
    """Return whether a replica of the same workload is on that GPU, or would be joined on that machine."""
    host = members[0].host
    moves_beside_one = host is not None and host != item.host and (host, item.workload) in at_home
    return moves_beside_one or any(item.workload == one.workload for one in members)


def lower_bound(items: Sequence[Item], capacity: Capacity) -> int:
    """Return how many GPUs are needed at the very least: by memory, by the busiest hours, by replicas."""
    if not items:
        return 0
    alike: dict[str, int] = {}
    for item in items:
        alike[item.workload] = alike.get(item.workload, 0) + 1
    sums = (
        sum(item.memory_bytes for item in items) / capacity.memory_bytes,
        float(np.sum([item.sm for item in items], axis=0).max()) / capacity.sm,
        float(np.sum([item.dram for item in items], axis=0).max()) / capacity.dram,
    )
    return max(*(math.ceil(total - 1e-9) for total in sums), *alike.values(), 1)


def _size(item: Item, capacity: Capacity) -> float:
    return max(
        item.memory_bytes / capacity.memory_bytes,
        float(item.sm.max()) / capacity.sm,
        float(item.dram.max()) / capacity.dram,
    )
