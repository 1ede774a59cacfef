"""How near to its ceilings an engine comes on a GPU: the numbers that only measurements can give."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from inferplan.planner.deployment import Deployment
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
    """Share of the running requests whose prompts stand before a new one."""

    def take(self, index: np.ndarray[tuple[int], np.dtype[np.intp]]) -> "Constants":
        """Return the rows at ``index``."""
        return Constants(*(np.take(getattr(self, field.name), index) for field in fields(self)))


def stack_constants(rows: Sequence[Constants]) -> Constants:
    """Return the rows of all ``rows`` under each other."""
    return Constants(*(np.concatenate([getattr(r, f.name) for r in rows]) for f in fields(Constants)))


_BY_ENGINE = {
    # bandwidth, arithmetic, layer_s, collective_s, first_token_s: medians of measurements, 2025-2026
    "vllm": (0.77, 0.56, 51e-6, 20e-6, 0.07),
    "tensorrt-llm": (0.74, 0.45, 33e-6, 24e-6, 0.09),
    "sglang": (0.66, 0.50, 66e-6, 20e-6, 0.17),
    "llama.cpp": (0.62, 0.35, 40e-6, 20e-6, 0.05),
}


def constants(deployment: Deployment) -> Constants:
    """Return the constants of ``deployment``."""
    bandwidth, arithmetic, layer_s, collective_s, first_token_s = _BY_ENGINE[deployment.engine]
    values = (
        bandwidth, bandwidth, bandwidth, arithmetic, 0.4 * arithmetic, arithmetic, 0.5 * arithmetic, 0.35,
        0.6, layer_s, 0.3 * layer_s, collective_s, 1e-3, 2e-6, 1.0, first_token_s, 0.1,
    )  # fmt: skip
    return Constants(*(np.array([value]) for value in values))
