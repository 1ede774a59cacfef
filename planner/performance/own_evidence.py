"""Own measurements beside what the model expects of the same deployment under the same load."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.measurements import CHECKPOINT, OwnMeasurement
from inferplan.planner.case import Case
from inferplan.planner.performance.estimating import Estimates, Served, estimate_many, serve
from inferplan.planner.performance.own_measurements import DECILES, METRICS, OwnEvidence, Traits, load_places

MOST_OFF = 10.0
"""A figure further off than this factor is more likely of another deployment, or in another unit."""


@dataclass(frozen=True, eq=False)
class Compared:
    """A measurement with the estimate of it, which knows nothing of own measurements."""

    measurement: OwnMeasurement
    expected: Estimates
    """One row."""
    served: Served

    @property
    def ratios(self) -> tuple[float, ...]:
        """Measured over expected by ``METRICS``; NaN where not measured or set by the load alone."""
        one = self.measurement
        skipped = {
            "ttft_s": one.at_once,
            "output_tokens_per_s": one.request_rate_per_s is not None
            and not bool(self.expected.saturated[0]),
        }
        return tuple(
            math.nan if getattr(one, name) is None or skipped.get(name) else
            getattr(one, name) / float(getattr(self.expected, name)[0])
            for name in METRICS
        )  # fmt: skip

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
    return tuple(_compared(measurement) for measurement in measurements)


def _compared(one: OwnMeasurement) -> Compared:
    try:
        served = _served(_deployment_fields(one))
    except InferplanError as error:
        msg = f"Run {one.run_number} of {one.file_name} cannot have run as described: {error}"
        raise InferplanError(msg) from None
    expected = estimate_many(
        [served],
        [0],
        input_tokens=one.input_tokens,
        output_tokens=one.output_tokens,
        concurrency=math.nan if one.concurrency is None else one.concurrency,
        request_rate_per_s=math.nan if one.request_rate_per_s is None else one.request_rate_per_s,
    )
    return Compared(one, expected, served)


def _deployment_fields(one: OwnMeasurement) -> tuple[tuple[str, object], ...]:
    fields = ("model", "gpu", "engine", "engine_version", "tp", "pp", "dp", "ep", "kv_dtype")
    weights = None if one.weights_dtype == CHECKPOINT else one.weights_dtype
    return (*((name, getattr(one, name)) for name in fields), ("weights_dtype", weights))


@lru_cache(maxsize=256)
def _served(fields: tuple[tuple[str, object], ...]) -> Served:
    return serve(Case.read(dict(fields)).deployment())


def own_evidence(measurements: Sequence[OwnMeasurement]) -> OwnEvidence | None:
    """Return what estimates are drawn to, ``None`` without measurements; raises as ``compared`` does."""
    found = [one for one in compared(measurements) if not all(map(math.isnan, one.ratios))]
    if not found:
        return None
    spreads = [
        [math.log(float(getattr(one.expected, high)[0] / getattr(one.expected, low)[0])) / DECILES
         for low, high in METRICS.values()]
        for one in found
    ]  # fmt: skip
    running = [float(one.expected.running_sequences[0]) / one.measurement.dp for one in found]
    return OwnEvidence(
        tuple(Traits.of(one.served.deployment) for one in found),
        load_places(
            [one.measurement.input_tokens for one in found],
            [one.measurement.output_tokens for one in found],
            running,
        ),
        np.log(np.array([one.ratios for one in found])),
        np.array(spreads),
        tuple((one.measurement.measured_at or one.measurement.imported_at).date() for one in found),
    )
