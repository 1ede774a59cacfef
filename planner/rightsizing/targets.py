"""Whether a process keeps the latency targets of the profile, by the best evidence that there is of it.

Percentiles of requests decide where a log or a histogram has them. Means of five minutes can only show a
target missed: one that is kept on average says nothing of single requests.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from inferplan.planner.request_latency import RequestLatency
from inferplan.planner.rightsizing.finding import Evidence
from inferplan.planner.rightsizing.profile import Profile
from inferplan.planner.rightsizing.unit import Unit

LEAST_REQUESTS = 100
"""Fewer do not show a percentile."""
LEAST_MEANS = 12
"""An hour of five-minute means: fewer show no habit."""
NAMES = {"ttft_s": "the first token", "tpot_s": "each token", "e2e_s": "the whole request"}


@dataclass(frozen=True)
class Verdict:
    """What is known of one target."""

    missed: bool | None
    reason: str
    evidence: Evidence | None = None
    """What the target was held against; ``None`` where nothing can be."""


def verdicts(unit: Unit, profile: Profile) -> Iterator[Verdict]:
    """Yield what is known of each target that the profile sets."""
    for metric, target_s in _targets(profile):
        if timed := _timed(unit, metric):
            yield _by_requests(timed, profile.latency_percentile, target_s)
        else:
            yield _by_means(unit, metric, target_s)


def why_too_slow(unit: Unit, profile: Profile, times: float) -> str | None:
    """Return which target may be missed where everything takes ``times`` as long, ``None`` where none is.

    What was not measured for single requests may be missed there.
    """
    for metric, target_s in _targets(profile):
        timed = _timed(unit, metric)
        longest_s = timed.percentiles[profile.latency_percentile].high if timed else None
        if longest_s is None:
            return (
                f"how long {NAMES[metric]} takes was not measured, and it may take {times:.1f} times as long"
            )
        if longest_s * times > target_s:
            return f"{NAMES[metric]} may take {longest_s * times:.3g} s, and the target is {target_s:g} s"
    return None


def _targets(profile: Profile) -> Iterator[tuple[str, float]]:
    for metric, target_s in (
        ("ttft_s", profile.ttft_target_s),
        ("tpot_s", profile.tpot_target_s),
        ("e2e_s", profile.e2e_target_s),
    ):
        if target_s is not None:
            yield metric, target_s


def _timed(unit: Unit, metric: str) -> RequestLatency | None:
    timed = unit.latencies.get(metric)
    return timed if timed and timed.observations >= LEAST_REQUESTS else None


def undecided(unit: Unit, profile: Profile) -> str | None:
    """Return why a target may be missed already, ``None`` where nothing speaks for that.

    So it is where the target lies between the bounds of the bucket that holds the percentile.
    """
    return next((one.reason for one in verdicts(unit, profile) if one.missed is None and one.evidence), None)


def _by_requests(timed: RequestLatency, percentile: str, target_s: float) -> Verdict:
    at = timed.percentiles[percentile]
    ends = f"above {at.low:g} s" if at.high is None else f"between {at.low:g} and {at.high:g} s"
    if at.is_exact:
        ends = f"{at.value:.3g} s"
    reason = (
        f"{percentile.upper()} of {NAMES[timed.metric]} is {ends} ({timed.basis}, {timed.observations:,}); "
        f"the target is {target_s:g} s"
    )
    evidence = Evidence(
        metric=timed.metric,
        statistic=percentile,
        value=at.value,
        unit="s",
        limit=target_s,
        samples=timed.observations,
        coverage=None,
        span_days=round(timed.days, 3),
        entity=timed.group,
        low=None if at.is_exact else at.low,
        high=None if at.is_exact else at.high,
        basis=timed.basis,
    )
    return Verdict(at.missed(target_s), reason, evidence)


def _by_means(unit: Unit, metric: str, target_s: float) -> Verdict:
    means = unit.get(metric)
    if means is None or means.n < LEAST_MEANS:
        return Verdict(None, f"how long {NAMES[metric]} takes was not measured")
    on_average = f"the target on average of five minutes: {NAMES[metric]}"
    if means.p95 > target_s:
        return Verdict(True, f"beyond {on_average}", means.evidence("p95", target_s))
    missing = "how long single requests took is in the histogram's buckets and in request logs"
    return Verdict(None, f"within {on_average}, which shows no percentile ({missing})")
