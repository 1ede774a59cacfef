"""What is learnt of each series while it streams by: span, step, gaps, order - without keeping samples."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from inferplan.datasets.uploads.reading import Series

US = 1_000_000
RATE = "_per_s"
"""Ending of the metric that holds a counter's increase per second."""
_STEPS_KEPT = 16
_JITTER = 0.1
_IRREGULAR_SHARE = 0.1

Times = npt.NDArray[np.int64]


@dataclass
class SeriesStatistics:
    """Span, step and gaps of one series."""

    samples: int = 0
    first_us: int = 0
    last_us: int = 0
    duplicates: int = 0
    went_back: bool = False
    _steps: Counter[int] = field(default_factory=Counter)
    """Milliseconds between samples, the commonest ones."""

    def take(self, times_us: Times) -> None:
        """Take in the times of more samples, in the order of the file."""
        ahead = np.diff(times_us) if self.samples == 0 else np.diff(times_us, prepend=self._newest)
        self.went_back = self.went_back or bool((ahead < 0).any())
        self.duplicates += int((ahead == 0).sum())
        rounded, counts = np.unique(ahead[ahead > 0] // 1000, return_counts=True)
        for step_ms, count in zip(rounded.tolist(), counts.tolist(), strict=True):
            if step_ms in self._steps or len(self._steps) < _STEPS_KEPT:
                self._steps[step_ms] += count
        low, high = int(times_us.min()), int(times_us.max())
        self.first_us = low if self.samples == 0 else min(self.first_us, low)
        self.last_us = max(self.last_us, high)
        self._newest = int(times_us[-1])
        self.samples += len(times_us)

    _newest: int = 0

    @classmethod
    def counted(cls, samples: int, first_us: int, last_us: int, step_s: int) -> "SeriesStatistics":
        """Return the statistics of a series of which only counts and span are known."""
        return cls(samples, first_us, last_us, _steps=Counter({step_s * 1000: max(samples - 1, 1)}))

    @property
    def step_s(self) -> float | None:
        """Usual seconds between samples: the median of the distances; ``None`` for fewer than two samples."""
        if not self._steps:
            return None
        half = self._steps.total() / 2
        seen = 0
        for step_ms in sorted(self._steps):
            seen += self._steps[step_ms]
            if seen >= half:
                return _tidy(max(step_ms, 1) / 1000)
        return None

    @property
    def irregular(self) -> bool:
        """Whether more than a tenth of the distances are no multiple of the step (10 % off)."""
        step_s = self.step_s
        if step_s is None:
            return False
        off = sum(
            count
            for step_ms, count in self._steps.items()
            if abs(step_ms / 1000 / step_s - max(1, round(step_ms / 1000 / step_s))) > _JITTER
        )
        return off > _IRREGULAR_SHARE * self._steps.total()

    @property
    def coverage(self) -> float | None:
        """Samples there are as a share of those there would be without gaps."""
        step_s = self.step_s
        if step_s is None:
            return None
        return min(1.0, self.samples / (round((self.last_us - self.first_us) / US / step_s) + 1))


def _tidy(step_s: float) -> float:
    """Take jitter of milliseconds off a step of seconds."""
    whole = round(step_s)
    return float(whole) if whole and abs(step_s - whole) <= 0.02 * whole else step_s


_REPLICA_METRICS = {
    "kv_cache_usage_ratio", "requests_running", "requests_waiting", "requests", "preemptions",
    "prompt_tokens", "generation_tokens", "prefix_cache_queries", "prefix_cache_hits", "ttft_sum_s",
    "ttft_count", "tpot_sum_s", "tpot_count", "queue_sum_s", "queue_count",
}  # fmt: skip
_NODE_METRICS = {"cpu_util_ratio", "cpu_used_cores", "ram_used_bytes", "ram_used_ratio"}


def entity_of(series: Series, file_name: str) -> tuple[str, str]:
    """Return the kind and the key of what a series is of: a GPU, a MIG slice, a replica or a node.

    A file that names no machine is a place of its own, so that two such files never run together.
    """
    labels = series.labels
    if series.metric in _NODE_METRICS:
        return "node", labels.host or labels.instance_id or labels.pod or file_name
    if series.metric.removesuffix(RATE) in _REPLICA_METRICS:
        return "replica", replica_of(series) or labels.model or labels.host or file_name
    slice_text = f"/{labels.mig_id or labels.mig_profile}" if labels.mig_id or labels.mig_profile else ""
    kind = "mig" if slice_text else "gpu"
    if labels.gpu_uuid:
        return kind, labels.gpu_uuid + slice_text
    place = labels.host or labels.instance_id or labels.endpoint
    if labels.gpu_index is not None:
        return kind, f"{place or labels.pod or file_name}/{labels.gpu_index}{slice_text}"
    return kind, (place or labels.pod or file_name) + slice_text


def replica_of(series: Series) -> str | None:
    """Return the key of the serving process, ``None`` where nothing names one.

    The endpoint that was scraped names an engine's own metrics only: for a GPU it is the exporter's.
    """
    labels = series.labels
    if labels.pod:
        process = f"{labels.namespace}/{labels.pod}" if labels.namespace else labels.pod
    elif labels.endpoint and series.metric.removesuffix(RATE) in _REPLICA_METRICS:
        process = labels.endpoint
    else:
        return None
    return process if labels.engine in (None, "0") else f"{process}#{labels.engine}"
