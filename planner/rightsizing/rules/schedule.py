"""The same hours of the week are idle week after week: stop by calendar."""

from decimal import Decimal

from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.evidence import HOURS_PER_WEEK
from inferplan.planner.rightsizing.finding import Action
from inferplan.planner.rightsizing.guards import below_floor, missing
from inferplan.planner.rightsizing.judging import Context, Judgement, freed, risk_of
from inferplan.planner.rightsizing.unit import Unit

order = 40
action: Action = "schedule"
SHORTEST_BLOCK_H = 4
WORTHWHILE_H = 24
THREE_WEEKS_DAYS = 20.9
MOST_MISSING = 0.0125
"""Share of the samples (0-1)."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def judge(unit: Unit, context: Context) -> Judgement | str:
    """Fit where blocks of four hours and more, a day a week in all, are idle in 80% of three weeks."""
    activity = unit.activity
    if not context.profile.may_schedule:
        return f"profile {context.profile.name} keeps services up around the clock"
    if activity is None:
        return "SM activity was not measured"
    if unit.confidence < Confidence.MEDIUM or activity.days < THREE_WEEKS_DAYS:
        return f"a weekly pattern needs three weeks; {activity.days:.1f} days were measured"
    if gone := missing(activity, MOST_MISSING):
        return f"{gone}, and work may be in it"
    blocks = idle_blocks(unit.idle_hours)
    hours = sum(length for _, length in blocks)
    if hours < WORTHWHILE_H:
        return f"only {hours} hours a week are known to be idle week after week"
    idle = {(start + ahead) % HOURS_PER_WEEK for start, length in blocks for ahead in range(length)}
    others = [one for one in context.services[unit.service] if not idle.issubset(one.idle_hours)]
    if reason := context.profile.why_protected(unit) or below_floor(len(others), context.profile):
        return reason
    rate = context.market.rate(unit)
    share = Decimal(hours) / HOURS_PER_WEEK
    savings = None if isinstance(rate, str) else freed(rate, unit.gpus_held, share)
    shown = ", ".join(_words(start, length) for start, length in blocks[:7])
    return Judgement(
        action=action,
        title=f"Stop it for {hours} idle hours a week",
        detail=(
            f"Idle in at least 80% of the weeks (UTC): {shown}. Start it early enough to load the "
            "model, and move the hours where those who use it put their clocks forward or back."
        ),
        evidence=(activity.evidence("p50"), activity.evidence("p95")),
        risk=risk_of((0.01,), unit),
        effort="schedule",
        savings=savings,
        no_savings_reason=rate if isinstance(rate, str) else None,
    )


def idle_blocks(hours: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return runs of idle hours (start, length) of at least four hours; Sunday night runs into Monday.

    >>> idle_blocks((0, 1, 2, 100, 164, 165, 166, 167))
    [(164, 7)]
    """
    idle = set(hours)
    if len(idle) == HOURS_PER_WEEK:
        return [(0, HOURS_PER_WEEK)]
    starts = [hour for hour in sorted(idle) if (hour - 1) % HOURS_PER_WEEK not in idle]
    blocks = []
    for start in starts:
        length = 1
        while (start + length) % HOURS_PER_WEEK in idle:
            length += 1
        if length >= SHORTEST_BLOCK_H:
            blocks.append((start, length))
    return blocks


def _words(start: int, length: int) -> str:
    end = (start + length) % HOURS_PER_WEEK
    return f"{_DAYS[start // 24]} {start % 24:02d}:00 to {_DAYS[end // 24]} {end % 24:02d}:00"
