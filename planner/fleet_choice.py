"""The cheapest machines that serve all models of a portfolio, whole ones.

A model alone is served best by the offer whose whole machines cost it least. Sharing pays where replicas of
several models fill machines that one of them would leave partly empty. So the answer is a division of the
models into groups, each on one offer. Every division is tried (sums over subsets), with the replicas of a
group packed onto machines largest first: exact where their sizes divide each other, as 1, 2, 4, 8 do.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from inferplan.datasets.errors import InferplanError
from inferplan.planner.compare import Comparison
from inferplan.planner.economics import HOURS_PER_MONTH
from inferplan.planner.portfolio import Portfolio

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Placement:
    """One model's replicas on machines of one offer."""

    offer_id: str
    gpus: int
    """Of one replica."""
    replicas: int
    machines_per_replica: int
    machine_gpus: int
    machine_usd_per_hour: Decimal
    row: "pd.Series[Any]"
    """The row of ``Comparison.sizes``: deployment, speed, and the price's date and source."""


@dataclass(frozen=True)
class Purchase:
    """Machines of one offer and the models on them."""

    offer_id: str
    machines: int
    machine_usd_per_hour: Decimal
    placements: tuple[Placement, ...]

    @property
    def usd_per_hour(self) -> Decimal:
        """Of all machines, whole."""
        return self.machines * self.machine_usd_per_hour

    @property
    def usd_per_month(self) -> Decimal:
        """Of 730 hours, to the cent."""
        return (self.usd_per_hour * HOURS_PER_MONTH).quantize(_CENT)

    @property
    def gpus(self) -> int:
        """GPUs of all machines."""
        return self.machines * self.placements[0].machine_gpus

    @property
    def gpus_idle(self) -> int:
        """GPUs that are paid for and run nothing."""
        return self.gpus - sum(placed.replicas * placed.gpus for placed in self.placements)


@dataclass(frozen=True)
class Fleet:
    """The cheapest machines that serve a portfolio."""

    purchases: tuple[Purchase, ...]
    apart: tuple[Purchase, ...]
    """The same with machines of its own for each model."""
    usd_per_mtok: float
    """Per million tokens, input and output together."""

    @property
    def offer_ids(self) -> frozenset[str]:
        """Offers whose prices the answer rests on, those of the models apart included."""
        return frozenset(purchase.offer_id for purchase in (*self.purchases, *self.apart))

    @property
    def apart_usd_per_hour(self) -> Decimal:
        """Of machines of its own for each model."""
        return _total(self.apart)

    @property
    def usd_per_hour(self) -> Decimal:
        """Of all machines."""
        return _total(self.purchases)

    @property
    def usd_per_month(self) -> Decimal:
        """The sum of the purchases' months."""
        return sum((purchase.usd_per_month for purchase in self.purchases), Decimal(0))


def cheapest_fleet(portfolio: Portfolio, found: Comparison) -> Fleet:
    """Return the cheapest machines for all members; ``found`` compares ``portfolio.cases()`` by cost.

    Old prices that the comparison sets aside are used only where a member has no other.

    Raises
    ------
    InferplanError
        If no offer serves one of the members; the message says which and why.
    """
    options = [_options(portfolio, found, index) for index in range(len(portfolio.members))]
    alone = [
        min((_purchase([placed]) for placed in placements), key=lambda one: (one.usd_per_hour, one.offer_id))
        for placements in options
    ]
    shareable = [_by_offer(placements) for placements in options]
    best: dict[frozenset[int], tuple[Purchase, ...]] = {frozenset(): ()}
    everyone = range(len(options))
    for size in range(1, len(options) + 1):
        for chosen in map(frozenset, itertools.combinations(everyone, size)):
            best[chosen] = _best_division(chosen, shareable, alone, best)
    purchases = best[frozenset(everyone)]
    workloads = [case.workload() for case in portfolio.cases()]
    tokens_per_s = sum(
        (load.request_rate_per_s or 0) * (load.input_tokens + load.output_tokens) for load in workloads
    )
    usd_per_mtok = float(_total(purchases)) / 3600 / tokens_per_s * 1e6
    return Fleet(purchases, tuple(alone), usd_per_mtok)


ByOffer = Mapping[str, Sequence[Placement]]


def _best_division(
    chosen: frozenset[int],
    shareable: Sequence[ByOffer],
    alone: Sequence[Purchase],
    best: Mapping[frozenset[int], tuple[Purchase, ...]],
) -> tuple[Purchase, ...]:
    """Return the cheapest purchases for ``chosen``: its first with some of the others, and the rest."""
    first = min(chosen)
    answer = (alone[first], *best[chosen - {first}])
    for count in range(1, len(chosen)):
        for others in itertools.combinations(sorted(chosen - {first}), count):
            rest = best[chosen - {first, *others}]
            limit = _total(answer) - _total(rest)
            shared = _shared([shareable[member] for member in (first, *others)], limit)
            if shared is not None:
                answer = (shared, *rest)
    return answer


def _shared(group: Sequence[ByOffer], limit: Decimal) -> Purchase | None:
    """Return the cheapest offer below ``limit`` USD per hour that the whole group can share."""
    answer = None
    for offer_id in sorted(set.intersection(*(set(placements) for placements in group))):
        choices = [placements[offer_id] for placements in group]
        machine = choices[0][0]
        fewest = sum(rows[0].replicas * rows[0].gpus for rows in choices)
        at_least = -(-fewest // machine.machine_gpus) * machine.machine_usd_per_hour
        if at_least >= limit:
            continue
        for placements in itertools.product(*choices):
            purchase = _purchase(placements)
            if purchase.usd_per_hour < limit:
                answer, limit = purchase, purchase.usd_per_hour
            if purchase.usd_per_hour == at_least:
                break
    return answer


def _by_offer(placements: Iterable[Placement]) -> dict[str, list[Placement]]:
    """Return what lies within one machine by offer, that on the fewest GPUs first."""
    found: dict[str, list[Placement]] = {}
    for placed in sorted(placements, key=lambda placed: placed.replicas * placed.gpus):
        if placed.machines_per_replica == 1:
            found.setdefault(placed.offer_id, []).append(placed)
    return found


def _purchase(placements: Sequence[Placement]) -> Purchase:
    first = placements[0]
    if first.machines_per_replica > 1:
        machines = first.replicas * first.machines_per_replica
    else:
        sizes = [(placed.gpus, placed.replicas) for placed in placements]
        machines = machines_needed(sizes, first.machine_gpus)
    return Purchase(first.offer_id, machines, first.machine_usd_per_hour, tuple(placements))


def machines_needed(sizes: Iterable[tuple[int, int]], machine_gpus: int) -> int:
    """Return how many machines hold replicas, given as (GPUs of each, how many), packed largest first.

    >>> machines_needed([(4, 1), (2, 2), (1, 1)], 8), machines_needed([(4, 3)], 8)
    (2, 2)
    """
    machines = 0
    free: Counter[int] = Counter()  # machines by the GPUs left on them
    for gpus, replicas in sorted(sizes, reverse=True):
        waiting = replicas
        for left in sorted(left for left in free if left >= gpus):
            waiting = _filled(free, left, free.pop(left), gpus, waiting)
        opened = -(-waiting // (machine_gpus // gpus))
        _filled(free, machine_gpus, opened, gpus, waiting)
        machines += opened
    return machines


def _filled(free: Counter[int], left: int, machines: int, gpus: int, waiting: int) -> int:
    """Put replicas of ``gpus`` onto ``machines`` with ``left`` GPUs each; return how many still wait."""
    each = left // gpus
    full = min(machines, waiting // each)
    waiting -= full * each
    free[left - each * gpus] += full
    if waiting and machines > full:
        free[left - waiting * gpus] += 1
        full, waiting = full + 1, 0
    free[left] += machines - full
    return waiting


def _options(portfolio: Portfolio, found: Comparison, index: int) -> list[Placement]:
    rows = found.sizes[found.sizes["case_index"] == index]
    if rows.empty:
        reasons = found.refused.loc[found.refused["case_index"] == index, "reason"].mode()
        why = reasons.iloc[0] if len(reasons) else "nothing fits"
        name = portfolio.members[index].case.model or f"model {index + 1}"
        msg = f"no offer serves {name} within its target; most often: {why}"
        raise InferplanError(msg)
    fresh = rows[~rows["set_aside"]]
    return [_placement(row) for _, row in (rows if fresh.empty else fresh).iterrows()]


def _placement(row: "pd.Series[Any]") -> Placement:
    return Placement(
        offer_id=row["offer_id"],
        gpus=int(row["gpus"]),
        replicas=int(row["replicas"]),
        machines_per_replica=int(row["machines_per_replica"]),
        machine_gpus=int(row["gpu_count"]),
        machine_usd_per_hour=row["machine_usd_per_hour"],
        row=row,
    )


def _total(purchases: Iterable[Purchase]) -> Decimal:
    return sum((purchase.usd_per_hour for purchase in purchases), Decimal(0))
