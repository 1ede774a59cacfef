"""Bin packing: how few GPUs hold processes whose memory and load at the same hours add up.

First-fit decreasing with anti-affinity. Memory is hard: the largest use ever seen of each. Activity is the
sum of what each does in the same four hours of the week: work by day and work by night share a GPU. No
packing can do with fewer GPUs than ``lower_bound``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


def pack(items: Sequence[Item], capacity: Capacity) -> tuple[tuple[Item, ...], ...]:
    """Return which processes share a GPU, the one that stays where it is first.

    >>> quiet, busy = np.full(42, 0.1), np.full(42, 0.5)
    >>> items = [Item(name, name, None, 10.0, week, quiet)
    ...          for name, week in (("a", quiet), ("b", quiet), ("c", busy))]
    >>> [[item.key for item in shared] for shared in pack(items, Capacity(25.0, 0.8, 0.65))]
    [['c', 'a'], ['b']]
    """
    held = np.array([item.memory_bytes for item in items]) / capacity.memory_bytes
    weeks = np.array([(item.sm, item.dram) for item in items]) / [[capacity.sm], [capacity.dram]]
    least, most = weeks.min(axis=-1), weeks.max(axis=-1)
    size = np.maximum(held, most.max(axis=-1)).tolist()
    may_share = (weeks + weeks.min(axis=0)).max(axis=(1, 2)) <= 1  # beside who does the least at every hour
    gpus = _Gpus(len(items))
    bins: list[list[Item]] = []
    at_home = {(item.host, item.workload) for item in items if item.host}
    sharing = np.flatnonzero(may_share).tolist()
    for this in sorted(sharing, key=lambda this: (-size[this], items[this].key)):
        item, opened = items[this], len(bins)
        fitting = gpus.fitting(opened, held[this], weeks[this], least[this], most[this])
        at = next((at for at in fitting if not _meets(item, bins[at], at_home)), opened)
        if at == opened:
            bins.append([])
        bins[at].append(item)
        if host := bins[at][0].host:
            at_home.add((host, item.workload))
        gpus.add(at, held[this], weeks[this])
    return (*map(tuple, bins), *((items[this],) for this in np.flatnonzero(~may_share).tolist()))


class _Gpus:
    """What the GPUs that stay are filled with so far, as shares of what they may be filled to.

    Activity and bandwidth are rows of two: a week of each, and its quietest and busiest hours.
    """

    def __init__(self, count: int) -> None:
        self.held = np.zeros(count)
        self.weeks = np.zeros((count, 2, BLOCKS_PER_WEEK))
        self.least, self.most = np.zeros((2, count)), np.zeros((2, count))

    def add(self, at: int, held: float, week: Week) -> None:
        self.held[at] += held
        self.weeks[at] += week
        self.least[:, at], self.most[:, at] = self.weeks[at].min(axis=1), self.weeks[at].max(axis=1)

    def fitting(self, opened: int, held: float, week: Week, least: Week, most: Week) -> list[int]:
        """Return where it fits, of those not ruled out by their quietest and busiest hours alone."""
        may = (self.most[:, :opened] <= 1 - least[:, None]) & (self.least[:, :opened] <= 1 - most[:, None])
        tried = np.flatnonzero(may[0] & may[1] & (self.held[:opened] <= 1 - held))[:MOST_TRIED]
        fits = (self.weeks[tried] + week).max(axis=(1, 2)) <= 1
        found: list[int] = tried[fits].tolist()
        return found


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
