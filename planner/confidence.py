"""How far measurements can be trusted: from their span, their gaps and whether they hold a weekend."""

from datetime import datetime, timedelta
from enum import IntEnum

DAY_S = 86_400.0


class Confidence(IntEnum):
    """Ordered: a rule may ask for at least one of them."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


def confidence(samples: int, coverage: float | None, first_at: datetime, last_at: datetime) -> Confidence:
    """Return the confidence in statistics of a series.

    HIGH needs 14 days and 90 % of the samples, MEDIUM 7 days and 80 %, LOW 30 hours, half of the samples and
    100 of them. Thirty hours is what AWS Compute Optimizer asks for an instance; without a weekend nothing is
    better than MEDIUM.

    >>> from datetime import datetime
    >>> confidence(4032, 1.0, datetime(2026, 10, 5), datetime(2026, 10, 19)).name
    'HIGH'
    >>> confidence(5, 1.0, datetime(2026, 10, 5, 12), datetime(2026, 10, 5, 12, 4)).name
    'NONE'
    """
    if coverage is None:
        return Confidence.NONE
    days = (last_at - first_at).total_seconds() / DAY_S
    if days >= 13.99 and coverage >= 0.9 and holds_weekend(first_at, last_at):
        return Confidence.HIGH
    if days >= 6.99 and coverage >= 0.8:
        return Confidence.MEDIUM
    if days >= 30 / 24 and coverage >= 0.5 and samples >= 100:
        return Confidence.LOW
    return Confidence.NONE


def holds_weekend(first_at: datetime, last_at: datetime) -> bool:
    """Return whether a Saturday and the Sunday after it lie wholly inside the span (UTC days)."""
    midnight = first_at.replace(hour=0, minute=0, second=0, microsecond=0)
    if midnight < first_at:
        midnight += timedelta(days=1)
    saturday = midnight + timedelta(days=(5 - midnight.weekday()) % 7)
    return saturday + timedelta(days=2) <= last_at + timedelta(hours=1)
