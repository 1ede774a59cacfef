"""What own measurements teach about deployments and loads near them.

The logarithm of measured over expected, in units of the calibration's own spread, is taken for a Gaussian
process over deployments, loads and metrics: near runs err alike. Its mean shifts an estimate, its variance
scales the interval, and runs that contradict each other widen it. How alike near runs err was read off the
errors of published models that were left out of the fit whole (tests/benchmarks/own_measurements.py).
Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), equations 2.25 and 2.26.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inferplan.planner.deployment import Deployment
from inferplan.planner.quantization import storage

if TYPE_CHECKING:
    from inferplan.planner.performance.estimating import Estimates

Column = NDArray[np.float64]

METRICS = {
    "ttft_s": ("ttft_low_s", "ttft_high_s"),
    "tpot_s": ("tpot_low_s", "tpot_high_s"),
    "output_tokens_per_s": ("output_tokens_per_s_low", "output_tokens_per_s_high"),
}
"""Columns of ``Estimates`` that are corrected, each with the ends of its interval."""
TOGETHER = np.array([[1.0, 0.1, -0.5], [0.1, 1.0, -0.8], [-0.5, -0.8, 1.0]])
"""Correlation of the metrics' errors: published models left out, 154 runs with all three, 2026-11-21."""
# Correlation of errors when one thing differs, relative to the same deployment; published models left out,
# 2,627 runs with time per token, 2026-11-21.
OTHER_MODEL, OTHER_GPU, OTHER_ENGINE, OTHER_LAYOUT, OTHER_FORMAT = 0.2, 0.3, 0.35, 0.4, 0.6
ANY_LOAD = 0.6
"""Correlation of errors of one deployment at loads far apart; the rest fades with their distance."""
FADING_DOUBLINGS = 3.0
"""Both chosen so that 80 % intervals hold for 80 % (tests/benchmarks/own_measurements.py, 2026-11-21)."""
RERUN = 0.05
"""Spread of the logarithm between reruns: half of 343 published ones agree within 1 %, 90 % within 12 %."""
BELIEF = 4.0
"""Measurements that the calibration's own spread counts as, when they contradict each other."""
WIDEST = 2.0
"""An interval grows to twice its width at most."""
MOST = 64
"""Measurements that an answer rests on: the nearest."""
ROWS_AT_ONCE = 8_192
LEAST_LIKENESS = 0.02
NEAR = 0.5
"""Likeness from which a measurement counts as one of this deployment."""
DECILES = 2.563  # standard deviations between the 10 % and the 90 % quantile of a normal distribution


class Traits(NamedTuple):
    """What makes two deployments err alike."""

    model: str
    gpu: str
    engine: str
    layout: tuple[int, int, bool]
    weights: str

    @classmethod
    def of(cls, deployment: Deployment) -> "Traits":
        """Return the traits of ``deployment``."""
        return cls(
            deployment.architecture.name,
            deployment.gpu.name,
            deployment.engine,
            (deployment.tp, deployment.pp, deployment.ep > 1),
            storage(deployment.architecture, deployment.weights_dtype).name,
        )

    def likeness(self, other: "Traits") -> float:
        """Return the correlation of the two's errors (0-1]."""
        prices = (OTHER_MODEL, OTHER_GPU, OTHER_ENGINE, OTHER_LAYOUT, OTHER_FORMAT)
        pairs = zip(self, other, prices, strict=True)
        return float(np.prod([1.0 if mine == theirs else price for mine, theirs, price in pairs]))


@dataclass(frozen=True, eq=False)
class OwnEvidence:
    """Own measurements beside what the model expected of them, a row each."""

    traits: tuple[Traits, ...]
    loads: Column
    """``load_places`` of the runs."""
    errors: Column
    """Logarithm of measured over expected by ``METRICS``; NaN where it was not measured."""
    spreads: Column
    """One standard deviation of those logarithms that the calibration expects."""
    days: tuple[date, ...]

    def near(self, traits: Traits) -> tuple[int, date | None]:
        """Return how many measurements count as ones of this deployment, and the newest one's day."""
        days = [day for one, day in zip(self.traits, self.days, strict=True) if one.likeness(traits) >= NEAR]
        return len(days), max(days, default=None)

    def taken(self, places: NDArray[np.intp]) -> "OwnEvidence":
        """Return the measurements at ``places``."""
        return OwnEvidence(
            tuple(self.traits[place] for place in places), self.loads[places], self.errors[places],
            self.spreads[places], tuple(self.days[place] for place in places),
        )  # fmt: skip


def load_places(input_tokens: ArrayLike, output_tokens: ArrayLike, running: ArrayLike) -> Column:
    """Return loads as rows whose distances are doublings of tokens and of sequences per replica."""
    sides = np.broadcast_arrays(input_tokens, output_tokens, np.maximum(running, 1.0))
    return np.asarray(np.log2(np.stack(sides, axis=1)))


def corrected(
    found: "Estimates",
    deployments: Sequence[Deployment],
    index: NDArray[np.intp],
    input_tokens: ArrayLike,
    output_tokens: ArrayLike,
    speed: Column,
    own: OwnEvidence,
) -> "Estimates":
    """Return ``found`` drawn towards own measurements near it; unchanged where none is near.

    Parameters
    ----------
    index
        Which of ``deployments`` each row of ``found`` is about.
    speed
        Of rows whose requests come at a rate, by how much that was lowered; NaN for others. Unless they are
        saturated, their throughput is the rate that was given.
    """
    traits = [Traits.of(deployment) for deployment in deployments]
    likeness = _likenesses(traits, own.traits)
    best = likeness.max(axis=0)
    chosen = np.argsort(-best, kind="stable")[:MOST]
    chosen = chosen[best[chosen] >= LEAST_LIKENESS]
    if not len(chosen):
        return found
    replicas = np.array([deployment.dp for deployment in deployments], dtype=np.float64)[index]
    loads = load_places(input_tokens, output_tokens, found.running_sequences / replicas)
    spreads = np.stack(
        [np.log(getattr(found, high) / getattr(found, low)) / DECILES for low, high in METRICS.values()],
        axis=1,
    )
    shifts, widths = _learn(own.taken(chosen)).at(likeness[:, chosen], index, loads, spreads)
    given = ~np.isnan(speed) & ~found.saturated  # of the last metric: tokens per second
    shifts[given, -1], widths[given, -1] = np.log(speed[given]), 1.0
    changes: dict[str, Any] = {"requests_per_s": found.requests_per_s * np.exp(shifts[:, -1])}
    for (name, ends), shift, width in zip(METRICS.items(), shifts.T, widths.T, strict=True):
        middle = getattr(found, name)
        changes[name] = middle * np.exp(shift)
        for end in ends:
            changes[end] = changes[name] * (getattr(found, end) / middle) ** width
    return replace(found, **changes)


@dataclass(frozen=True, eq=False)
class _Learnt:
    """A Gaussian process that has seen the measurements."""

    loads: Column
    scale: Column
    """By metric, a typical spread of the logarithm: what the calibration expects of the measured runs."""
    weights: Column
    """Measurements x metrics: what each adds to the mean of each metric."""
    certainties: tuple[Column, ...]
    """By metric, measurements x measurements: what they take off its variance."""
    disagreement: float
    """Their sum of squares as a multiple of the expected one; 1 is as expected."""

    def at(
        self, likeness: Column, index: NDArray[np.intp], loads: Column, spreads: Column
    ) -> tuple[Column, Column]:
        """Return the shifts of the logarithms and the factors on the intervals' widths, rows x metrics.

        Parameters
        ----------
        likeness
            Of deployments and measurements.
        index, loads, spreads
            Deployment, load and what the calibration expects of the logarithms, a row each.
        """
        shifts, widths = np.empty_like(spreads), np.empty_like(spreads)
        for start in range(0, len(loads), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            near = likeness[index[rows]] * _load_likeness(loads[rows], self.loads)
            shifts[rows] = self.scale * (near @ self.weights)
            learnt = np.stack([((near @ one) * near).sum(axis=1) for one in self.certainties], axis=1)
            unknown = np.clip(1 - learnt, 0.0, 1.0)
            unknown = unknown * (1 + (self.disagreement - 1) * (1 - unknown))
            rerun = np.minimum(RERUN / spreads[rows], 1.0) ** 2
            widths[rows] = np.minimum(np.sqrt(unknown * (1 - rerun) + rerun), WIDEST)
        return shifts, widths


def _learn(own: OwnEvidence) -> _Learnt:
    runs = len(own.traits)
    alike = _likenesses(own.traits, own.traits) * _load_likeness(own.loads, own.loads)
    known = np.isfinite(own.errors)
    run, metric = np.nonzero(known)
    scale = np.median(own.spreads, axis=0)
    surprise = (own.errors / scale)[known]
    noise = (RERUN / scale)[metric] ** 2
    covariance = alike[np.ix_(run, run)] * TOGETHER[np.ix_(metric, metric)] + np.diag(noise)
    inverse = np.linalg.inv(covariance)
    weight = inverse @ surprise
    weights, certainties = np.zeros((runs, len(METRICS))), []
    for place in range(len(METRICS)):
        spread_out = np.zeros((runs, len(run)))
        spread_out[run, np.arange(len(run))] = TOGETHER[place, metric]
        weights[:, place] = spread_out @ weight
        certainties.append(spread_out @ inverse @ spread_out.T)
    disagreement = (BELIEF + float(surprise @ weight)) / (BELIEF + len(run))
    return _Learnt(own.loads, scale, weights, tuple(certainties), disagreement)


def _likenesses(some: Sequence[Traits], others: Sequence[Traits]) -> Column:
    rows = {one: {other: one.likeness(other) for other in set(others)} for one in set(some)}
    return np.array([[rows[one][other] for other in others] for one in some])


def _load_likeness(loads: Column, others: Column) -> Column:
    doublings = sum(
        np.abs(np.subtract.outer(loads[:, side], others[:, side])) for side in range(loads.shape[1])
    )
    return np.asarray(ANY_LOAD + (1 - ANY_LOAD) * np.exp(-doublings / FADING_DOUBLINGS))
