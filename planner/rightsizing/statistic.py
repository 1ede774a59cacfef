"""Percentiles of one metric of one place, and how they enter the advice."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import isnan
from typing import NamedTuple

import pandas as pd

from inferplan.planner import usage
from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.finding import Evidence

ABOVE_ZERO = "share above 0"
ROUNDING = 1e-12
SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


class Statistic(NamedTuple):
    """Percentiles of one metric of one entity; a tuple, since a large fleet has very many of them."""

    entity: str
    metric: str
    n: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float
    first_at: datetime
    last_at: datetime
    days: float
    coverage: float | None
    confidence: Confidence
    share_above_zero: float | None = None
    is_counted: bool = False
    """Whether values were counted (a histogram) rather than kept with their times."""

    def at(self, percentile: str) -> float:
        """Return the statistic called ``p50`` ... ``p999``, ``max`` or ``mean``."""
        return float(getattr(self, percentile))

    def surely(self, percentile: str) -> str:
        """Return the percentile of what is there that is no less than ``percentile`` of all.

        What is missing may all lie above what is there; a fifth of what the percentile leaves out may be
        missing without that. ``max`` where no percentile is high enough.
        """
        wanted, there = SHARES[percentile], self.coverage or 0.0
        if 1 - there <= (1 - wanted) / 5:
            return percentile
        return next((name for name, share in SHARES.items() if share * there >= wanted), "max")

    def share_above(self, limit: float) -> float:
        """Return an upper bound of the share of samples above ``limit``: 0, 0.001, 0.01, 0.05, 0.1 or 1."""
        for share, value in ((0.0, self.max), (0.001, self.p999), (0.01, self.p99), (0.05, self.p95)):
            if value <= limit:
                return share
        return 0.1 if self.p90 <= limit else 1.0

    def times(self, factor: float) -> "Statistic":
        """Return the statistic of ``factor`` times the values."""
        return self._replace(
            mean=self.mean * factor,
            p50=self.p50 * factor,
            p90=self.p90 * factor,
            p95=self.p95 * factor,
            p99=self.p99 * factor,
            p999=self.p999 * factor,
            max=self.max * factor,
        )

    def with_hotter(self, other: "Statistic") -> "Statistic":
        """Return the larger of each percentile and the lesser trust: what holds for both."""
        base, rest = (self, other) if self.p95 >= other.p95 else (other, self)
        coverages = (base.coverage, rest.coverage)
        known = [coverage for coverage in coverages if coverage is not None]
        return base._replace(
            n=min(base.n, rest.n),
            days=min(base.days, rest.days),
            coverage=min(known) if len(known) == len(coverages) else None,
            is_counted=base.is_counted and rest.is_counted,
            confidence=min(base.confidence, rest.confidence),
            mean=max(base.mean, rest.mean),
            p50=max(base.p50, rest.p50),
            p90=max(base.p90, rest.p90),
            p95=base.p95,
            p99=max(base.p99, rest.p99),
            p999=max(base.p999, rest.p999),
            max=max(base.max, rest.max),
        )

    def evidence(self, statistic: str, limit: float | None = None, times: float = 1.0) -> Evidence:
        """Return one of the numbers as evidence, ``times`` as high on what is advised."""
        value = self.share_above_zero if statistic == ABOVE_ZERO else self.at(statistic)
        return Evidence(
            metric=self.metric,
            statistic=statistic,
            value=float("nan") if value is None else value,
            unit="ratio" if statistic == ABOVE_ZERO else usage.unit_of(self.metric),
            limit=limit,
            samples=self.n,
            coverage=self.coverage,
            span_days=round(self.days, 3),
            entity=self.entity,
            last_at=self.last_at,
            times=times,
        )


def sum_at_most(entity: str, members: Sequence[Statistic]) -> Statistic | None:
    """Return what counted values add up to at most, or what their mean is at most where they are shares.

    Who was how high at the same time is not known, but a sum exceeds the sum of its members' quantiles only
    while one of them exceeds its own. Where each of n does in at most (1 - q) / n of the time, the sum does
    in at most 1 - q (Boole's inequality): its quantile q is no higher.
    ``None`` where a member's samples are there, which tell more.
    """
    if not all(one.is_counted for one in members):
        return None
    first, count = members[0], len(members)
    scale = 1 / count if usage.unit_of(first.metric) == "ratio" else 1.0
    coverages = [one.coverage for one in members]
    p50, p90, p95, p99, p999 = (
        scale * sum(one.at(_of_each(share, count)) for one in members) for share in SHARES.values()
    )
    return first._replace(
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        p999=p999,
        entity=entity,
        n=min(one.n for one in members),
        mean=scale * sum(one.mean for one in members),
        max=scale * sum(one.max for one in members),
        first_at=max(one.first_at for one in members),
        last_at=min(one.last_at for one in members),
        days=min(one.days for one in members),
        coverage=None if None in coverages else min(filter(None, coverages), default=None),
        confidence=min(one.confidence for one in members),
        share_above_zero=None,
    )


def _of_each(share: float, count: int) -> str:
    """Return the lowest percentile that leaves out at most one ``count``-th of what ``share`` leaves out.

    >>> _of_each(0.95, 1), _of_each(0.95, 5), _of_each(0.95, 6), _of_each(0.99, 11)
    ('p95', 'p99', 'p999', 'max')
    """
    wanted = 1 - (1 - share) / count - ROUNDING
    return next((name for name, known in SHARES.items() if known >= wanted), "max")


_COLUMNS = (*Statistic._fields[:-2], "binned")


def statistics_of(
    found: pd.DataFrame, shares_above_zero: Mapping[tuple[str, str], float] | None = None
) -> Iterator[Statistic]:
    """Yield the rows of ``usage.percentiles`` as statistics; shares by entity and metric."""
    shares = shares_above_zero or {}
    columns = (
        found[name].dt.to_pydatetime() if name.endswith("_at") else found[name].tolist() for name in _COLUMNS
    )
    for *facts, coverage, trust, binned in zip(*columns, strict=True):
        share_above_zero = shares.get((facts[0], facts[1]))
        known = None if isnan(coverage) else coverage
        yield Statistic._make((*facts, known, Confidence[trust], share_above_zero, binned))
