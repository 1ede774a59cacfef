"""Percentiles of one metric of one place, and how they enter the advice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import isnan

import pandas as pd

from inferplan.planner import usage
from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.finding import Evidence

ABOVE_ZERO = "share above 0"
SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


@dataclass(frozen=True, slots=True)
class Statistic:
    """Percentiles of one metric of one entity."""

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
        return replace(
            self,
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
        return replace(
            base,
            n=min(base.n, rest.n),
            days=min(base.days, rest.days),
            coverage=min(known) if len(known) == len(coverages) else None,
            confidence=min(base.confidence, rest.confidence),
            mean=max(base.mean, rest.mean),
            p50=max(base.p50, rest.p50),
            p90=max(base.p90, rest.p90),
            p95=base.p95,
            p99=max(base.p99, rest.p99),
            p999=max(base.p999, rest.p999),
            max=max(base.max, rest.max),
        )

    def evidence(self, statistic: str, limit: float | None = None) -> Evidence:
        """Return one of the numbers as evidence."""
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
        )


_COLUMNS = (
    "entity", "metric", "n", "mean", "p50", "p90", "p95", "p99", "p999", "max", "days",
    "coverage", "confidence",
)  # fmt: skip


def statistics_of(
    found: pd.DataFrame, shares_above_zero: Mapping[tuple[str, str], float] | None = None
) -> Iterator[Statistic]:
    """Yield the rows of ``usage.percentiles`` as statistics; shares by entity and metric."""
    shares = shares_above_zero or {}
    columns = (found[name].tolist() for name in _COLUMNS)
    times = (found[name].dt.to_pydatetime() for name in ("first_at", "last_at"))
    for (
        entity, metric, n, mean, p50, p90, p95, p99, p999, largest, days, coverage, trust, first_at, last_at,
    ) in zip(*columns, *times, strict=True):  # fmt: skip
        yield Statistic(
            entity=entity,
            metric=metric,
            n=n,
            mean=mean,
            p50=p50,
            p90=p90,
            p95=p95,
            p99=p99,
            p999=p999,
            max=largest,
            first_at=first_at,
            last_at=last_at,
            days=days,
            coverage=None if isnan(coverage) else coverage,
            confidence=Confidence[trust],
            share_above_zero=shares.get((entity, metric)),
        )
