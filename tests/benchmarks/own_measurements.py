"""How much a few own measurements are worth, and how alike near runs err; on models left out of the fit.

python tests/benchmarks/own_measurements.py

Each deployment that was published with five runs or more plays a user's own: one, two or four of its runs
are taken for own measurements, the others are estimated with and without them. The second table says which
part of the variance of an error two runs share that differ in one thing; the constants of
``own_measurements.py`` are read off it. Set OPENBLAS_NUM_THREADS=1: the matrices are small.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from inferplan.datasets.benchmarks import benchmarks
from inferplan.planner.performance.calibrating import fitted, left_out, spreads, table
from inferplan.planner.performance.estimating import Estimates
from inferplan.planner.performance.fitting import prefill_shares
from inferplan.planner.performance.measurements import Run, usable_runs
from inferplan.planner.performance.own_measurements import (
    DECILES,
    METRICS,
    OwnEvidence,
    Traits,
    corrected,
    load_places,
)

CALLED = {"ttft_s": "ttft", "tpot_s": "tpot", "output_tokens_per_s": "throughput"}
FOLDS = 10
LEAST_RUNS = 5
DAY = date(2026, 11, 21)
Matrix = NDArray[np.float64]


def main() -> None:
    """Print both tables."""
    runs, _ = usable_runs(benchmarks())
    data = table(runs)
    shares = prefill_shares(data.measured, fitted(data.measured, data.features))
    errors = left_out(data, [run.benchmark.model or "" for run in runs], FOLDS)
    ends = spreads(errors, shares)
    order = ["tpot", "ttft", "throughput"]
    surprise = -errors[:, [order.index(name) for name in CALLED.values()]]
    bins = np.searchsorted([one.prefill_share_below for one in ends["tpot"]][:-1], shares, side="right")
    low, high = (
        np.array([[getattr(ends[name][place], end) for name in CALLED.values()] for place in bins])
        for end in ("low", "high")
    )
    usable = [row for row, run in enumerate(runs) if math.isfinite(run.concurrency)]
    _worth([runs[row] for row in usable], surprise[usable], low[usable], high[usable])
    _alike(runs, surprise)


def _worth(runs: Sequence[Run], surprise: Matrix, low: Matrix, high: Matrix) -> None:
    groups: dict[Traits, list[int]] = defaultdict(list)
    for row, run in enumerate(runs):
        groups[Traits.of(run.deployment)].append(row)
    chance = np.random.default_rng(0)
    chosen = [np.array(rows) for rows in groups.values() if len(rows) >= LEAST_RUNS]
    print(f"{len(chosen)} deployments of {sum(map(len, chosen)):,} runs, their model left out of the fit")
    for taken in (0, 1, 2, 4):
        found: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        for rows in chosen:
            mixed = chance.permutation(rows)
            own, rest = mixed[:taken], mixed[taken:]
            for name, *pair in _estimated(runs, surprise, low, high, own, rest):
                found[name].append((pair[0], pair[1]))
        for name, pairs in found.items():
            off = np.abs(np.expm1([pair[0] for pair in pairs]))
            held = np.mean([pair[1] for pair in pairs])
            print(
                f"{taken} own: {CALLED[name]:>10} {len(off):5,} figures, median error {np.median(off):6.1%},"
                f" P90 {np.quantile(off, 0.9):6.1%}, 80 % interval holds {held:5.1%}"
            )


def _estimated(
    runs: Sequence[Run],
    surprise: Matrix,
    low: Matrix,
    high: Matrix,
    own: NDArray[np.intp],
    rest: NDArray[np.intp],
) -> list[tuple[str, float, bool]]:
    """Return metric, logarithm of measured over estimated and whether the interval held, of each figure."""
    loads = [_load(runs, rows) for rows in (own, rest)]
    one = np.ones(len(rest))
    columns = {}
    for place, (name, ends) in enumerate(METRICS.items()):
        columns |= {name: one, ends[0]: np.exp(low[rest, place]), ends[1]: np.exp(high[rest, place])}
    found = Estimates(
        **columns, requests_per_s=one, running_sequences=loads[1][2], prefill_share=one, saturated=one > 0
    )
    if len(own):
        evidence = OwnEvidence(
            tuple(Traits.of(runs[row].deployment) for row in own), load_places(*loads[0]), surprise[own],
            (high - low)[own] / DECILES, (DAY,) * len(own),
        )  # fmt: skip
        deployment = runs[own[0]].deployment
        found = corrected(
            found,
            [deployment],
            np.zeros(len(rest), dtype=np.intp),
            *loads[1][:2],
            np.full(len(rest), math.nan),
            evidence,
        )
    answers = []
    for place, (name, ends) in enumerate(METRICS.items()):
        middle, bottom, top = (np.log(getattr(found, column)) for column in (name, *ends))
        for row, truth in enumerate(surprise[rest, place]):
            if math.isfinite(truth):
                held = bool(bottom[row] <= truth <= top[row])
                answers.append((name, float(truth - middle[row]), held))
    return answers


def _load(runs: Sequence[Run], rows: NDArray[np.intp]) -> tuple[Matrix, Matrix, Matrix]:
    values = [
        (run.benchmark.input_tokens or 1, run.benchmark.output_tokens or 1, run.concurrency)
        for run in (runs[row] for row in rows)
    ]
    return (
        tuple(np.array(column, dtype=np.float64) for column in zip(*values, strict=True))
        or (np.empty(0),) * 3
    )


KEYS: dict[str, Callable[[Traits], object]] = {
    "same deployment": lambda one: one,
    "other format": lambda one: (one.model, one.gpu, one.engine, one.layout),
    "other layout": lambda one: (one.model, one.gpu, one.engine, one.weights),
    "other engine": lambda one: (one.model, one.gpu),
    "other GPU": lambda one: (one.model, one.engine),
    "other model": lambda one: (one.gpu, one.engine),
}
DIFFERS = {"other format": "weights", "other layout": "layout", "other engine": "engine", "other GPU": "gpu",
           "other model": "model"}  # fmt: skip
PAIRS = 200


def _alike(runs: Sequence[Run], surprise: Matrix) -> None:
    """Print the share of the variance that pairs of runs have in common; each group of them counts alike."""
    traits = [Traits.of(run.deployment) for run in runs]
    chance = np.random.default_rng(0)
    for place, name in enumerate(METRICS):
        known = np.flatnonzero(np.isfinite(surprise[:, place]))
        error = surprise[:, place] - np.median(surprise[known, place])
        error = np.clip(error, *np.quantile(error[known], [0.01, 0.99]))
        variance = float(np.mean(error[known] ** 2))
        said = []
        for label, key in KEYS.items():
            groups: dict[object, list[int]] = defaultdict(list)
            for row in known:
                groups[key(traits[row])].append(row)
            common = [_common(error, rows, traits, DIFFERS.get(label), chance) for rows in groups.values()]
            counted = [one for one in common if one is not None]
            said.append(f"{label} {np.mean(counted) / variance:.2f}" if counted else f"{label} -")
        print(f"{CALLED[name]:>10}: {', '.join(said)}")


def _common(
    error: Matrix,
    rows: Sequence[int],
    traits: Sequence[Traits],
    differs: str | None,
    chance: np.random.Generator,
) -> float | None:
    pairs = chance.choice(np.array(rows), size=(min(PAIRS, 3 * len(rows)), 2))
    products = [
        error[one] * error[other]
        for one, other in pairs
        if one != other
        and (differs is None or getattr(traits[one], differs) != getattr(traits[other], differs))
    ]
    return float(np.mean(products)) if products else None


if __name__ == "__main__":
    main()
