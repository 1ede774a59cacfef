"""Own measurements beside what the model expects of the same deployment under the same load."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.measurements import CHECKPOINT, OwnMeasurement
from inferplan.planner.case import Case
from inferplan.planner.interval import Interval
from inferplan.planner.performance.estimating import Served, estimate_many, serve
from inferplan.planner.performance.own_measurements import DECILES, METRICS, OwnEvidence, Traits, load_places

MOST_OFF = 10.0
"""A figure further off than this factor is more likely of another deployment, or in another unit."""
_DEPLOYMENT = ("model", "gpu", "engine", "engine_version", "tp", "pp", "dp", "ep", "kv_dtype")


@dataclass(frozen=True)
class Compared:
    """A measurement with the estimate of it, which knows nothing of own measurements."""

    measurement: OwnMeasurement
    traits: Traits
    expected: tuple[Interval, ...]
    """By ``METRICS``."""
    running_per_replica: float
    keeps_up: bool
    """Whether the deployment serves all that is asked of it, as far as is expected."""

    @property
    def ratios(self) -> tuple[float, ...]:
        """Measured over expected by ``METRICS``; NaN where not measured or set by the load alone."""
        one = self.measurement
        skipped = {
            "ttft_s": one.at_once,
            "output_tokens_per_s": one.request_rate_per_s is not None and self.keeps_up,
        }
        figures = [None if skipped.get(name) else getattr(one, name) for name in METRICS]
        return tuple(
            math.nan if figure is None else figure / known.expected
            for figure, known in zip(figures, self.expected, strict=True)
        )

    @property
    def far_off(self) -> str | None:
        """Which figure is further from its estimate than ``MOST_OFF`` times, in words; ``None`` for none."""
        for name, ratio in zip(METRICS, self.ratios, strict=True):
            if not (math.isnan(ratio) or 1 / MOST_OFF <= ratio <= MOST_OFF):
                return f"{name} is {ratio:.2g} times the estimate"
        return None


def compared(measurements: Sequence[OwnMeasurement]) -> tuple[Compared, ...]:
    """Return each measurement with its estimate.

    Raises
    ------
    InferplanError
        If a deployment cannot be, such as one whose weights do not fit or whose format is not known: the
        message names the run.
    """
    if not measurements:
        return ()
    places: dict[Served, int] = {}
    index = [places.setdefault(_served_of(one), len(places)) for one in measurements]
    served = list(places)
    found = estimate_many(
        served,
        index,
        input_tokens=[one.input_tokens for one in measurements],
        output_tokens=[one.output_tokens for one in measurements],
        concurrency=[one.concurrency or math.nan for one in measurements],
        request_rate_per_s=[one.request_rate_per_s or math.nan for one in measurements],
    )
    traits = [Traits.of(one.deployment) for one in served]
    intervals = [
        [Interval(*row) for row in zip(*(getattr(found, column).tolist() for column in columns), strict=True)]
        for columns in ((low, name, high) for name, (low, high) in METRICS.items())
    ]
    running = found.running_sequences.tolist()
    return tuple(
        Compared(
            one, traits[index[row]], tuple(metric[row] for metric in intervals), running[row] / one.dp,
            not bool(found.saturated[row]),
        )
        for row, one in enumerate(measurements)
    )  # fmt: skip


class Usable(NamedTuple):
    """Stored measurements that can be compared today, and why others cannot."""

    runs: tuple[Compared, ...]
    problems: tuple[str, ...]


def usable(measurements: Sequence[OwnMeasurement]) -> Usable:
    """Return what can be learnt from: another version may know a stored model or format no more."""
    kept: list[OwnMeasurement] = []
    problems: dict[str, None] = {}
    for one in measurements:
        try:
            _served_of(one)
        except InferplanError as error:
            problems[str(error)] = None
        else:
            kept.append(one)
    return Usable(compared(kept), tuple(problems))


def _served_of(one: OwnMeasurement) -> Served:
    weights = None if one.weights_dtype == CHECKPOINT else one.weights_dtype
    try:
        return _served((*((name, getattr(one, name)) for name in _DEPLOYMENT), ("weights_dtype", weights)))
    except InferplanError as error:
        msg = f"Run {one.run_number} of {one.file_name} cannot have run as described: {error}"
        raise InferplanError(msg) from None


@lru_cache(maxsize=256)
def _served(fields: tuple[tuple[str, object], ...]) -> Served:
    return serve(Case.read(dict(fields)).deployment())


def own_evidence(runs: Sequence[Compared]) -> OwnEvidence | None:
    """Return what estimates are drawn to, ``None`` where no run has a figure that can be learnt from."""
    found = [one for one in runs if not all(map(math.isnan, one.ratios))]
    if not found:
        return None
    measured = [one.measurement for one in found]
    return OwnEvidence(
        tuple(one.traits for one in found),
        load_places(
            [one.input_tokens for one in measured],
            [one.output_tokens for one in measured],
            [one.running_per_replica for one in found],
        ),
        np.log(np.array([one.ratios for one in found])),
        np.array([[math.log(known.high / known.low) / DECILES for known in one.expected] for one in found]),
        tuple((one.measured_at or one.imported_at).date() for one in measured),
    )
