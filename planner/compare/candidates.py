"""The deployments that a comparison tries: every combination that a machine on offer could hold."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Gpu, Offer
from inferplan.planner.case import Case
from inferplan.planner.deployment import Deployment
from inferplan.planner.kv_cache import ShardError
from inferplan.planner.memory import fit
from inferplan.planner.memory.legality import illegal
from inferplan.planner.memory.settings import resolve
from inferplan.planner.offer_search import Search
from inferplan.planner.performance import Served, serve
from inferplan.planner.performance.batching import Load
from inferplan.planner.performance.loads import load_of
from inferplan.planner.workload import Workload

JOINED_MACHINE_GPUS = 8  # machines made to be joined by a network hold 8 GPUs or more: NVIDIA HGX, AMD UBB

Refusal = Literal["cannot be split so", "does not fit", "cannot be run"]


@dataclass(frozen=True)
class Candidate:
    """A deployment to try, one replica, and the cases that it may serve."""

    deployment: Deployment
    case_indexes: tuple[int, ...]


@dataclass(frozen=True)
class Refused:
    """Why a candidate serves nothing."""

    kind: Refusal
    reason: str


class Candidates:
    """Every deployment to try, in the order of the search; made one by one, counted without making any.

    A replica lies within one machine; pipeline stages may also span several machines of
    ``JOINED_MACHINE_GPUS`` or more, each of which holds whole stages.
    """

    def __init__(self, cases: Sequence[Case], offers: Iterable[Offer], search: Search) -> None:
        """Look up what the cases describe and the largest machine of each GPU on offer."""
        largest: dict[str, int] = {}
        for offer in offers:
            largest[offer.gpu] = max(largest.get(offer.gpu, 0), int(offer.gpu_count))
        self._machines = [(catalog.gpu(name), count) for name, count in largest.items()]
        self._bases = _bases(cases)
        self._search = search

    def __len__(self) -> int:
        return sum(count for _, count in self.counts())

    def counts(self) -> Iterator[tuple[tuple[int, ...], int]]:
        """Yield the cases that share their deployments, and how many deployments that is."""
        search = self._search
        formats = len(search.engines) * len(search.weights_dtypes) * len(search.kv_dtypes)
        for base, case_indexes in self._bases:
            shapes = itertools.product(search.tensor_parallel, search.pipeline_parallel)
            machines = sum(len(self._holding(tp, pp or base.pp)) for tp, pp in shapes)
            yield case_indexes, formats * len(search.expert_parallel) * machines

    def __iter__(self) -> Iterator[Candidate]:
        for base, case_indexes in self._bases:
            for deployment in _variants(base, self._search):
                for gpu in self._holding(deployment.tp, deployment.pp):
                    same_gpu = gpu.name == base.gpu.name  # whose memory the case may state
                    yield Candidate(replace(deployment, gpu=base.gpu if same_gpu else gpu), case_indexes)

    def _holding(self, tp: int, pp: int) -> list[Gpu]:
        return [gpu for gpu, count in self._machines if machines_per_replica(count, tp, pp) is not None]


def machines_per_replica(machine_gpus: int, tp: int, pp: int) -> int | None:
    """Return how many machines one replica spans, ``None`` where such machines cannot hold it.

    >>> machines_per_replica(8, 4, 2), machines_per_replica(8, 8, 2), machines_per_replica(4, 4, 2)
    (1, 2, None)
    """
    if tp * pp <= machine_gpus:
        return 1
    stages = machine_gpus // tp
    if machine_gpus < JOINED_MACHINE_GPUS or not stages:
        return None
    return -(-pp // stages)


def ready(deployment: Deployment) -> Served | Refused:
    """Return ``deployment`` ready for estimates, or why it cannot serve."""
    try:
        split = illegal(deployment, resolve(deployment).tp)
        if split:
            return Refused("cannot be split so", split)
        found = fit(deployment)
        if not found.fits:
            return Refused("does not fit", found.reason)
        return serve(deployment, found)
    except InferplanError as error:
        return _refused(error)


def load_on(served: Served, workload: Workload) -> Load | Refused:
    """Return ``workload`` as a load on ``served``, or why its draft model cannot serve there."""
    try:
        return load_of(served, workload)
    except InferplanError as error:
        return _refused(error)


def _refused(error: InferplanError) -> Refused:
    return Refused("cannot be split so" if isinstance(error, ShardError) else "cannot be run", str(error))


def _bases(cases: Sequence[Case]) -> list[tuple[Deployment, tuple[int, ...]]]:
    """Return the deployments that the cases describe, each once, with the cases that describe it."""
    bases: list[tuple[Deployment, tuple[int, ...]]] = []
    for index, case in enumerate(cases):
        deployment = case.deployment()
        known = next((place for place, (base, _) in enumerate(bases) if base == deployment), None)
        if known is None:
            bases.append((deployment, (index,)))
        else:
            bases[known] = (deployment, (*bases[known][1], index))
    return bases


def _variants(base: Deployment, search: Search) -> Iterator[Deployment]:
    for engine, weights, kv_dtype, tp, pp, ep in itertools.product(
        search.engines, search.weights_dtypes, search.kv_dtypes,
        search.tensor_parallel, search.pipeline_parallel, search.expert_parallel,
    ):  # fmt: skip
        other_engine = engine not in (None, base.engine)
        yield replace(
            base,
            engine=engine or base.engine,
            engine_version=None if other_engine else base.engine_version,
            weights_dtype=weights or base.weights_dtype,
            kv_dtype=kv_dtype or base.kv_dtype,
            tp=tp,
            pp=pp or base.pp,
            ep=ep or base.ep,
            dp=1,
            pools=None,
        )
