"""Whether measurements stand for a process as it is now, on all of its GPUs; else nothing is taken away."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.statistic import Statistic
from inferplan.planner.rightsizing.unit import SHOWS_WORK

GONE_AFTER = timedelta(days=1)
"""Without a sample for so long before the newest one of all, a place may be gone."""
COARSEST_STEP_S = 1800.0
"""Values further apart show no peaks, be they single moments or means."""
_OF_GPUS = ("dram_active_ratio", "fb_used_bytes", "fb_used_ratio")
_OF_ENGINES = ("kv_cache_usage_ratio", "requests_running", "requests_waiting")
By = Mapping[str, Statistic]


def doubt(
    gpus: Mapping[str, By],
    gpu_names: Sequence[str],
    processes: int,
    engines: Sequence[By],
    latest: datetime | None,
) -> str | None:
    """Return the first reason to doubt the measurements of a process, ``None`` where there is none.

    Parameters
    ----------
    gpus
        Statistics by metric of each of its GPUs (or slices).
    gpu_names
        The kinds of those GPUs.
    processes
        How many were on one of them in the last day that was measured.
    engines
        Statistics by metric of each engine of it.
    latest
        The newest sample of all that was measured.
    """
    kinds = sorted(set(gpu_names))
    if len(kinds) > 1:
        return f"it was measured on different GPUs: {', '.join(kinds)}"
    if processes > 1:
        return (
            f"{processes} processes were on one of its GPUs within a day, and it is not known what each did"
        )
    return next(_doubts(gpus, engines, latest), None)


def _doubts(gpus: Mapping[str, By], engines: Sequence[By], latest: datetime | None) -> Iterator[str]:
    for metric in (*SHOWS_WORK, *_OF_GPUS):
        there = sum(metric in of_gpu for of_gpu in gpus.values())
        if 0 < there < len(gpus):
            yield f"{metric} was measured on {there} of its {len(gpus)} GPUs"
    deciding = [one for of_gpu in gpus.values() for one in _deciding(of_gpu)]
    told = [of_engine[name] for of_engine in engines for name in _OF_ENGINES if name in of_engine]
    for one in (*deciding, *told):
        if latest is not None and latest - one.last_at > GONE_AFTER:
            days = (latest - one.last_at) / timedelta(days=1)
            yield f"{one.metric} of {one.entity} ends {days:.0f} days before the newest sample"
        if (step_s := _step_s(one)) > COARSEST_STEP_S:
            yield f"{one.metric} has a value each {step_s / 60:.0f} minutes, which shows no peaks"
    for one in told:
        if one.confidence < Confidence.MEDIUM:
            yield f"{one.metric} was measured for {one.days:.1f} days only"


def _deciding(of_gpu: By) -> Iterator[Statistic]:
    """Yield activity, bandwidth and memory of a GPU."""
    work = next((of_gpu[name] for name in SHOWS_WORK if name in of_gpu), None)
    if work is not None:
        yield work
    yield from (of_gpu[name] for name in _OF_GPUS if name in of_gpu)


def _step_s(one: Statistic) -> float:
    """Return the usual distance between samples."""
    return (one.last_at - one.first_at).total_seconds() * (one.coverage or 1.0) / one.n
