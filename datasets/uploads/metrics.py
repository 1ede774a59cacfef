"""Canonical metrics, their units, and how the names of exporters become them."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from inferplan.datasets.uploads.exporter_names import GAUGES_AND_COUNTERS, HISTOGRAMS, WORDS

MIB = 1024.0**2
MB = 1000.0**2


_LARGEST = {
    "ratio": 1.05,  # measured shares overshoot 1 a little
    "W": 16_000.0,  # a whole DGX B200 takes 14.3 kW (nvidia.com, DGX B200 datasheet, 2024)
    "°C": 150.0,
    "bytes": float(32 << 40),  # the largest machine: u7inh-32tb (aws.amazon.com/ec2/instance-types/u7i)
}


@dataclass(frozen=True)
class Metric:
    """Something measured over time, in one unit."""

    name: str
    title: str
    unit: Literal["ratio", "bytes", "W", "°C", "tokens", "requests", "s", "cores", "count"]
    counter: bool = False
    """Only ever grows until the process restarts: what matters are its increases."""

    @property
    def largest(self) -> float:
        """Largest value that is possible: what is above was written in another unit than is said."""
        return _LARGEST.get(self.unit, math.inf)


_METRICS = (
    Metric("gpu_util_ratio", "GPU_UTIL (any kernel running)", "ratio"),
    Metric("mem_copy_util_ratio", "Memory bandwidth busy (nvidia-smi)", "ratio"),
    Metric("sm_active_ratio", "SM active", "ratio"),
    Metric("sm_occupancy_ratio", "SM occupancy", "ratio"),
    Metric("tensor_active_ratio", "Tensor pipe active", "ratio"),
    Metric("dram_active_ratio", "Memory bandwidth active", "ratio"),
    Metric("gr_engine_active_ratio", "Graphics engine active", "ratio"),
    Metric("fb_used_ratio", "GPU memory used, share", "ratio"),
    Metric("fb_used_bytes", "GPU memory used", "bytes"),
    Metric("fb_free_bytes", "GPU memory free", "bytes"),
    Metric("fb_reserved_bytes", "GPU memory reserved by the driver", "bytes"),
    Metric("fb_total_bytes", "GPU memory in all", "bytes"),
    Metric("power_w", "Power", "W"),
    Metric("temperature_c", "Temperature", "°C"),
    Metric("kv_cache_usage_ratio", "KV cache used", "ratio"),
    Metric("requests_running", "Requests running", "requests"),
    Metric("requests_waiting", "Requests waiting", "requests"),
    Metric("requests", "Requests finished", "requests", counter=True),
    Metric("preemptions", "Preemptions", "count", counter=True),
    Metric("prompt_tokens", "Prompt tokens", "tokens", counter=True),
    Metric("generation_tokens", "Generated tokens", "tokens", counter=True),
    Metric("prefix_cache_queries", "Prefix cache queries", "tokens", counter=True),
    Metric("prefix_cache_hits", "Prefix cache hits", "tokens", counter=True),
    Metric("ttft_s", "Time to first token", "s"),
    Metric("tpot_s", "Time per output token", "s"),
    Metric("e2e_s", "Time of a whole request", "s"),
    Metric("ttft_request_s", "Time to first token of single requests", "s"),
    Metric("tpot_request_s", "Time per output token of single requests", "s"),
    Metric("e2e_request_s", "Time of single requests", "s"),
    Metric("ttft_bucket", "Time to first token, requests within a bound", "requests", counter=True),
    Metric("tpot_bucket", "Time per output token, requests within a bound", "requests", counter=True),
    Metric("itl_bucket", "Time between tokens, tokens within a bound", "tokens", counter=True),
    Metric("e2e_bucket", "Time of a request, requests within a bound", "requests", counter=True),
    Metric("ttft_sum_s", "Time to first token, summed", "s", counter=True),
    Metric("ttft_count", "Time to first token, requests", "requests", counter=True),
    Metric("tpot_sum_s", "Time per output token, summed", "s", counter=True),
    Metric("tpot_count", "Time per output token, observations", "tokens", counter=True),
    Metric("e2e_sum_s", "Time of a whole request, summed", "s", counter=True),
    Metric("e2e_count", "Time of a whole request, requests", "requests", counter=True),
    Metric("queue_sum_s", "Time in queue, summed", "s", counter=True),
    Metric("queue_count", "Time in queue, requests", "requests", counter=True),
    Metric("idle_hours", "Hours of the week without work on the GPU", "count"),
    Metric("idle_request_hours", "Hours of the week without requests", "count"),
    Metric("cpu_util_ratio", "CPU used, share of the machine", "ratio"),
    Metric("cpu_used_cores", "CPU used", "cores"),
    Metric("ram_used_bytes", "RAM used", "bytes"),
    Metric("ram_used_ratio", "RAM used, share of the machine", "ratio"),
)
METRICS = {metric.name: metric for metric in _METRICS}
OF_THE_WEEK = {
    "idle_hours": ("sm_active_ratio", "gr_engine_active_ratio"),
    "idle_request_hours": ("requests_running", "requests_waiting"),
}
"""What a reduction counts by hour of the week, and the metrics that show an hour idle."""
BUCKETS = frozenset(name for name in METRICS if name.endswith("_bucket"))
"""Cumulative buckets of Prometheus histograms: how many observations were at most the bound ``le``."""
OF_REQUESTS = {f"{name}_s": f"{name}_request_s" for name in ("ttft", "tpot", "e2e")}
"""Latency -> the metric of its values one by one, of which percentiles count requests and not time."""

PERCENT = 0.01
EITHER = 0.0
"""Exporters disagree whether this name carries a ratio or percents: decide by the values."""


class Naming(NamedTuple):
    """A foreign name's metric and the factor that turns its values into our unit."""

    metric: str
    factor: float


IN_MS = {f"{latency}_ms": Naming(f"{latency}_s", 0.001) for latency in ("ttft", "tpot", "e2e")}


_UNITS_OF: dict[str, dict[str, float]] = {
    "ratio": {"%": PERCENT, "percent": PERCENT, "pct": PERCENT, "perc": PERCENT, "ratio": 1.0},
    "bytes": {
        "b": 1.0, "byte": 1.0, "bytes": 1.0, "kib": 1024.0, "mib": MIB, "gib": 1024.0**3, "tib": 1024.0**4,
        "kb": 1000.0, "mb": MB, "gb": 1000.0**3, "tb": 1000.0**4,
    },
    "W": {"w": 1.0, "watt": 1.0, "watts": 1.0, "mw": 0.001, "kw": 1000.0},
    "°C": {"°c": 1.0, "c": 1.0, "celsius": 1.0, "degc": 1.0},
    "s": {
        "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 0.001, "us": 1e-6,
        "\u03bcs": 1e-6, "ns": 1e-9, "min": 60.0, "mins": 60.0, "hour": 3600.0, "hours": 3600.0,
    },
    "count": {"k": 1e3, "mil": 1e6, "bil": 1e9, "req": 1.0, "reqs": 1.0, "tokens": 1.0, "cores": 1.0},
}  # fmt: skip
"""Unit of a metric -> factors from the units that are printed beside such numbers (case-folded): ``mw`` is
milliwatts; K, Mil and Bil are how Grafana shortens counts."""
UNITS = {unit: factor for units in _UNITS_OF.values() for unit, factor in units.items()}


def unit_factor(metric: str, unit: str) -> float | None:
    """Return the factor from a printed (case-folded) unit to that of ``metric``, ``None`` where it has none.

    >>> unit_factor("fb_used_bytes", "kib"), unit_factor("fb_used_bytes", "%")
    (1024.0, None)
    """
    return _UNITS_OF.get(METRICS[metric].unit, _UNITS_OF["count"]).get(unit)


_FOREIGN = (
    *GAUGES_AND_COUNTERS,
    *((f"{name}_sum", f"{mean}_sum_s", "") for name, mean, _ in HISTOGRAMS if mean),
    *((f"{name}_count", f"{mean}_count", "") for name, mean, _ in HISTOGRAMS if mean),
    *((f"{name}_bucket", f"{counted}_bucket", "") for name, _, counted in HISTOGRAMS if counted),
)
_FACTORS = {**UNITS, "": 1.0, "either": EITHER}
_BY_NAME = {name.casefold(): Naming(metric, _FACTORS[unit]) for name, metric, unit in _FOREIGN}
_PREFIXES = ("ray_", "amd_")
"""What other programs put before an exporter's name."""
_BRACKETED = re.compile(r"^(?P<stem>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]$")
_ANY_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, reverse=True))
_ENDED = re.compile(rf"^(?P<stem>.+?)(?:[\s_.-]|(?=[%°]))(?P<unit>{_ANY_UNIT})$")


def plain(name: str) -> str:
    """Return a name as it is compared: without case, underscores, spaces, dots and the like."""
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def _respelled(names: Mapping[str, Naming]) -> dict[str, Naming]:
    """Return ``names`` by plain name; who respells them may change the unit, so that the values decide."""
    return {
        plain(name): naming._replace(
            factor=EITHER if METRICS[naming.metric].unit in ("ratio", "bytes") else 1.0
        )
        for name, naming in names.items()
        if "{" not in name
    }


# What nvidia-smi calls memory.used is no GPU's where another program writes memory_used.
_BY_PLAIN_NAME = _respelled({name: naming for name, naming in _BY_NAME.items() if "." not in name})
_BY_WORD = _respelled(_BY_NAME) | _respelled({word: Naming(metric, EITHER) for word, metric in WORDS.items()})


@lru_cache(maxsize=4096)
def named(name: str, labels: tuple[tuple[str, str], ...] = ()) -> Naming | None:
    """Return the metric of an exporter's name, or ``None`` for one that we do not use.

    A name that other tools respelled, prefixed or ended with a unit is known too; pairs of ``labels`` tell
    where an exporter has one name for several metrics.

    >>> named("DCGM_FI_DEV_GPU_UTIL")
    Naming(metric='gpu_util_ratio', factor=0.01)
    >>> named("vllm_prompt_tokens_total").metric, named("memory.used [MiB]").factor, named("memory_used")
    ('prompt_tokens', 1048576.0, None)
    """
    found = _known(name.strip().casefold(), _BY_PLAIN_NAME)
    if found is None and labels:
        selected = (f"{name}{{{label}={value}}}".casefold() for label, value in labels)
        found = next((_BY_NAME[one] for one in selected if one in _BY_NAME), None)
    return found


@lru_cache(maxsize=4096)
def named_in_table(name: str) -> Naming | None:
    """Return the metric of a table's column or of a name in it, which people shorten: ``gpu util``.

    >>> named_in_table("Mem Used (GB)"), named_in_table("utilization_gpu%").factor
    (Naming(metric='fb_used_bytes', factor=1000000000.0), 0.01)
    """
    return _known(name.strip().casefold(), _BY_WORD)


def said_metric(text: str) -> Naming | None:
    """Return the metric that a user says, with its unit where the name ends in one, ``None`` for no metric.

    >>> said_metric("fb_used_gib"), said_metric("fb_used_bytes").factor == EITHER
    (Naming(metric='fb_used_bytes', factor=1073741824.0), True)
    """
    if text in METRICS:
        return Naming(text, EITHER if METRICS[text].unit in ("ratio", "bytes") else 1.0)
    said = IN_MS.get(text) or named_in_table(text)
    return None if said is None or said.factor == EITHER else said


def _known(folded: str, respelled: Mapping[str, Naming]) -> Naming | None:
    if folded in METRICS:
        return Naming(folded, 1.0)
    names = (folded, folded.removesuffix("_total"))
    for prefix in _PREFIXES:
        if folded.startswith(prefix):
            return _known(folded.removeprefix(prefix), respelled)
    found = next((_BY_NAME[name] for name in names if name in _BY_NAME), None) or _in_unit(folded, respelled)
    return found or next((respelled[plain(name)] for name in names if plain(name) in respelled), None)


def _in_unit(folded: str, respelled: Mapping[str, Naming]) -> Naming | None:
    """Return the metric of a name that ends in a unit of it."""
    match = _BRACKETED.match(folded) or _ENDED.match(folded)
    found = _known(match["stem"], respelled) if match else None
    if match is None or found is None:
        return None
    unit = match["unit"].strip()
    factor = unit_factor(found.metric, unit) if unit in UNITS else found.factor
    return None if factor is None else Naming(found.metric, factor)


def foreign_names(start: str) -> tuple[str, ...]:
    """Return every name that begins with ``start``, as its exporter writes it.

    >>> foreign_names("nv_")[0]
    'nv_gpu_utilization'
    """
    names = (name.partition("{")[0] for name, _, _ in _FOREIGN if name.startswith(start))
    return tuple(dict.fromkeys(names))
