"""Bin packing against every possible packing of a few processes."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inferplan.planner.rightsizing.packing import Capacity, Item, lower_bound, pack

week = st.lists(st.floats(0, 0.8), min_size=3, max_size=3).map(lambda found: np.repeat(found, 14))
items = st.lists(
    st.builds(
        lambda workload, host, memory, sm, dram: (workload, host, memory, sm, dram),
        st.sampled_from("abc"), st.sampled_from(["x", "y", None]), st.floats(1, 60), week, week,
    ),
    min_size=1, max_size=6,
).map(lambda found: [Item(str(at), *one) for at, one in enumerate(found)])  # fmt: skip
ROOM = Capacity(77.0, 0.8, 0.8)


def holds(members: tuple[Item, ...]) -> bool:
    return (
        sum(one.memory_bytes for one in members) <= ROOM.memory_bytes
        and (sum(one.sm for one in members) <= ROOM.sm + 1e-9).all()
        and (sum(one.dram for one in members) <= ROOM.dram + 1e-9).all()
        and len({one.workload for one in members}) == len(members)
    )


def partitions(rest: list[Item]) -> Iterator[list[list[Item]]]:
    if not rest:
        yield []
        return
    for parts in partitions(rest[1:]):
        for at in range(len(parts)):
            yield [*parts[:at], [rest[0], *parts[at]], *parts[at + 1 :]]
        yield [[rest[0]], *parts]


@settings(max_examples=60, deadline=None)
@given(found=items)
def test_packing_holds_everything_once_and_no_fewer_gpus_than_the_bound(found: list[Item]) -> None:
    shared = pack(found, ROOM)
    assert sorted(one.key for members in shared for one in members) == sorted(one.key for one in found)
    assert all(holds(members) for members in shared if len(members) > 1)
    fewest = min(len(parts) for parts in partitions(found) if all(holds(tuple(one)) for one in parts))
    assert lower_bound(found, ROOM) <= fewest <= len(shared)
