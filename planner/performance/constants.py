"""How near to its ceilings an engine comes on a GPU: the numbers that only measurements can give."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from inferplan.datasets.benchmarks import calibration
from inferplan.planner.deployment import Deployment
from inferplan.planner.performance.features import features
from inferplan.planner.performance.work import Column


@dataclass(frozen=True, eq=False)
class Constants:
    """Efficiencies (share of a peak, below 1) and fixed times (seconds), a column each."""

    bandwidth_dense: Column
    bandwidth_experts: Column
    bandwidth_cache: Column
    arithmetic_dense: Column
    arithmetic_experts: Column
    prompt_dense: Column
    prompt_experts: Column
    prompt_attention: Column
    link: Column
    layer_s: Column
    expert_layer_s: Column
    collective_s: Column
    step_s: Column
    sequence_s: Column
    """Host work per running sequence and step: sampling, scheduling, detokenizing."""
    interference: Column
    """Share of a prompt's time that running sequences feel."""
    first_token_s: Column
    wave: Column
    """Prompts that stand before a new one, per request that runs already."""
    expert_rows: Column
    """Tokens per expert in a step of prompts at which experts reach half of their arithmetic."""

    def take(self, index: np.ndarray[tuple[int], np.dtype[np.intp]]) -> "Constants":
        """Return the rows at ``index``."""
        return Constants(*(np.take(getattr(self, field.name), index) for field in fields(self)))


def stack_constants(rows: Sequence[Constants]) -> Constants:
    """Return the rows of all ``rows`` under each other."""
    return Constants(*(np.concatenate([getattr(r, f.name) for r in rows]) for f in fields(Constants)))


NAMES = tuple(field.name for field in fields(Constants))
SMALLEST_LOG, LARGEST_LOG = -40.0, 9.0  # keeps exponentials finite for any features
SHARES = [
    place
    for place, name in enumerate(NAMES)
    if name.split("_")[0] in ("bandwidth", "arithmetic", "prompt", "link")
]
CEILING = 0.97  # no share of a ceiling may exceed this: the roofline stays a bound


def constants(deployment: Deployment) -> Constants:
    """Return the constants of ``deployment`` from the calibration in use."""
    return evaluated(features(deployment), calibration().constants)


def evaluated(found: Mapping[str, float], logs: Mapping[str, Mapping[str, float]]) -> Constants:
    """Return the constants of features ``found``: each the exponential of a sum over its features."""
    values = []
    for place, name in enumerate(NAMES):
        total = sum(logs[name].get(feature, 0.0) * value for feature, value in found.items())
        value = math.exp(min(max(total, SMALLEST_LOG), LARGEST_LOG))
        values.append(min(value, CEILING) if place in SHARES else value)
    return Constants(*(np.array([value]) for value in values))
