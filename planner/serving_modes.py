"""Always on, by calendar, or elastic: what each costs and what it does to those who wait.

Requests are a fluid that comes at the pace of each hour of the demand. A replica serves its share of it, what
is beyond waits in one queue, first come, first served: with A requests come and S served until a moment, the
request that comes then waits until S reaches A. Averages over a fluid show no bursts within the hour; the
target share of a replica's capacity is what is left for those.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inferplan.datasets.errors import InferplanError
from inferplan.planner.demand import Demand
from inferplan.planner.economics import HOURS_PER_MONTH
from inferplan.planner.opening_hours import OpeningHours, naive_utc

STEP_S = 60
STEPS_PER_HOUR = 60
MONDAY = datetime(2026, 1, 5)
"""Where a demand without dates begins: a Monday, in the calendar's own time."""
MOST_REPLICAS = 100_000
Mode = Literal["always_on", "calendar", "elastic"]
Steps = NDArray[np.float64]
_CENT = Decimal("0.01")
_DRAIN_S = 300.0


@dataclass(frozen=True)
class Serving:
    """One replica, and how many of them there may be."""

    requests_per_replica_hour: float
    """At full load."""
    usd_per_replica_hour: Decimal
    start_up_s: float = 300.0
    """From asking for a replica until it serves: machine, image, weights, warm-up. It is paid for."""
    min_replicas: int = 1
    """Never fewer, by the autoscaler; 0 lets the first request wait for the start."""
    most_replicas: int | None = None
    """``None``: as many as always-on has."""
    target: float = 0.8
    """Share of a replica's capacity that is planned with (0-1]."""
    keep_s: float = 300.0
    """How long an autoscaler keeps a replica that is not needed; Kubernetes' default is 300 s."""
    most_wait_s: float = 10.0
    """A request that waits longer is late."""
    closed_replicas: int = 0
    """Outside of the opening hours; 0 turns requests away then."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        problems = {
            "a replica must serve more than 0 requests an hour": self.requests_per_replica_hour <= 0,
            "a replica must cost more than 0 USD an hour": self.usd_per_replica_hour <= 0,
            "the target lies above 0 and at most at 1": not 0 < self.target <= 1,
            "times cannot be negative": min(self.start_up_s, self.keep_s, self.most_wait_s) < 0,
            "replicas cannot be fewer than 0": min(self.min_replicas, self.closed_replicas) < 0,
            "there must be room for one replica": self.most_replicas is not None
            and self.most_replicas < max(1, self.min_replicas),
        }
        if found := [words for words, is_wrong in problems.items() if is_wrong]:
            raise InferplanError("; ".join(found))

    def replicas_for(self, requests_per_hour: float) -> int:
        """Return how many replicas carry a pace at target, ``min_replicas`` at least."""
        wanted = math.ceil(requests_per_hour / (self.requests_per_replica_hour * self.target) - 1e-9)
        if wanted > MOST_REPLICAS:
            msg = (
                f"{requests_per_hour:,.0f} requests an hour would need {wanted:,} replicas that serve "
                f"{self.requests_per_replica_hour:,.6g} each; say what one serves in an hour"
            )
            raise InferplanError(msg)
        return max(wanted, self.min_replicas)


@dataclass(frozen=True)
class ModeOutcome:
    """What one way to serve costs, and what it does to requests."""

    mode: Mode
    most_replicas: int
    mean_replicas: float
    """Paid for, those that are still starting included."""
    usd_per_month: Decimal
    """Of 730 hours."""
    late_share: float
    """Of all requests (0-1), those that waited longer than ``Serving.most_wait_s``."""
    turned_away_share: float
    """Of all requests (0-1), those that came when nothing was open."""
    late_hours_share: float
    """Of all hours (0-1), those in which a request was late or turned away."""
    mean_wait_s: float
    """In the queue, over all requests that were let in."""
    p99_wait_s: float
    replicas: Steps
    """Ready in each minute."""

    @property
    def missed_share(self) -> float:
        """Late or turned away, of all requests (0-1)."""
        return self.late_share + self.turned_away_share


def compare_modes(
    demand: Demand, serving: Serving, hours: OpeningHours | None = None
) -> tuple[ModeOutcome, ...]:
    """Return always-on, by calendar (where ``hours`` are given) and elastic, on the same demand.

    Raises
    ------
    InferplanError
        If the demand asks for more replicas than there can be.
    """
    arrivals = np.repeat([float(hour) / STEPS_PER_HOUR for hour in demand.per_hour], STEPS_PER_HOUR)
    most = serving.replicas_for(float(demand.peak))
    found = [_outcome("always_on", arrivals, np.full(len(arrivals), float(most)), None, serving)]
    if hours is not None:
        is_open = hours.open_minutes(times_of(demand, hours.zone)).reshape(-1)
        found.append(_by_calendar(arrivals, is_open, serving))
    ready, paid = _autoscaled(arrivals, serving, min(most, serving.most_replicas or most))
    found.append(_outcome("elastic", arrivals, ready, paid, serving))
    return tuple(found)


def cheapest_within(found: Sequence[ModeOutcome], most_missed_share: float) -> ModeOutcome | None:
    """Return the cheapest mode that misses at most so many requests (0-1), ``None`` where all miss more."""
    kept = [one for one in found if one.missed_share <= most_missed_share]
    return min(kept, key=lambda one: one.usd_per_month, default=None)


def times_of(demand: Demand, zone: str) -> Sequence[datetime]:
    """Return when each hour begins (naive UTC); without dates it is a Monday, 0:00 in ``zone``."""
    if demand.hours_at is not None:
        return demand.hours_at
    begin = naive_utc(MONDAY, zone)
    return [begin + timedelta(hours=hour) for hour in range(len(demand.per_hour))]


def _by_calendar(arrivals: Steps, is_open: NDArray[np.bool_], serving: Serving) -> ModeOutcome:
    """Start early enough to be ready when the doors open; who comes to closed doors is turned away."""
    busiest = float(arrivals[is_open].max(initial=0.0)) * STEPS_PER_HOUR
    count = max(serving.replicas_for(busiest), serving.closed_replicas, 1)
    ready = np.where(is_open, float(count), float(serving.closed_replicas))
    ahead = math.ceil(serving.start_up_s / STEP_S)
    opens_soon = is_open.copy()
    for at in np.flatnonzero(is_open[1:] & ~is_open[:-1]) + 1:
        opens_soon[max(0, at - ahead) : at] = True
    paid = np.where(opens_soon, float(count), float(serving.closed_replicas))
    return _outcome("calendar", arrivals, ready, paid, serving, may_turn_away=True)


def _autoscaled(arrivals: Steps, serving: Serving, most: int) -> tuple[Steps, Steps]:
    """Return the replicas that are ready and that are paid for when they follow the minute before.

    The autoscaler asks for what the last minute's pace and the queue need, and lets go of a replica only when
    nothing within ``keep_s`` asked for it.
    """
    each = serving.requests_per_replica_hour / STEPS_PER_HOUR
    delay, keep = math.ceil(serving.start_up_s / STEP_S), max(1, math.ceil(serving.keep_s / STEP_S))
    up = min(most, max(serving.min_replicas, math.ceil(arrivals[0] / (each * serving.target) - 1e-9)))
    ready, paid = np.empty(len(arrivals)), np.empty(len(arrivals))
    asked: deque[int] = deque([up], maxlen=keep)
    starting: deque[int] = deque()  # the step in which each replica will be ready, the soonest first
    queue = 0.0
    for step, came in enumerate(arrivals):
        surplus = up + len(starting) - max(asked)
        starting.extend([step + delay] * -surplus)
        for _ in range(surplus):
            if starting:
                starting.pop()
            else:
                up -= 1
        while starting and starting[0] <= step:
            starting.popleft()
            up += 1
        ready[step], paid[step] = up, up + len(starting)
        queue = max(0.0, queue + came - up * each)
        needed = came / (each * serving.target) + queue / (each * _DRAIN_S / STEP_S)
        asked.append(min(most, max(serving.min_replicas, math.ceil(needed - 1e-9))))
    return ready, paid


def _outcome(
    mode: Mode,
    arrivals: Steps,
    ready: Steps,
    paid: Steps | None,
    serving: Serving,
    *,
    may_turn_away: bool = False,
) -> ModeOutcome:
    paid = ready if paid is None else paid
    away = arrivals * (ready == 0) if may_turn_away else np.zeros(len(arrivals))
    let_in = arrivals - away
    waits = _waits_s(let_in, ready * serving.requests_per_replica_hour / STEPS_PER_HOUR)
    late = let_in * (waits > serving.most_wait_s)
    total = max(float(arrivals.sum()), 1e-12)
    missed = (late + away).reshape(-1, STEPS_PER_HOUR).sum(axis=1) > 0
    mean = float(paid.mean())
    cost = Decimal(repr(round(mean, 9))) * serving.usd_per_replica_hour * HOURS_PER_MONTH
    return ModeOutcome(
        mode=mode,
        most_replicas=int(paid.max()),
        mean_replicas=mean,
        usd_per_month=cost.quantize(_CENT),
        late_share=float(late.sum()) / total,
        turned_away_share=float(away.sum()) / total,
        late_hours_share=float(missed.mean()),
        mean_wait_s=float((waits * let_in).sum()) / max(float(let_in.sum()), 1e-12),
        p99_wait_s=_weighted_quantile(waits, let_in, 0.99),
        replicas=ready,
    )


def _waits_s(arrivals: Steps, capacity: Steps) -> Steps:
    """Return how long a request in the middle of each step waits; to the end where it is not served.

    The queue is Lindley's recursion q = max(0, q + a - c), which is a cumulative sum less its least value.
    """
    surplus = np.cumsum(arrivals - capacity)
    queue = surplus - np.minimum(np.minimum.accumulate(surplus), 0.0)
    come = np.cumsum(arrivals)
    served = np.concatenate(([0.0], come - queue))
    until = np.arange(len(arrivals)) * float(STEP_S) + STEP_S / 2
    waiting = np.maximum(queue, np.concatenate(([0.0], queue[:-1]))) > 1e-9 * np.maximum(come, 1.0)
    wanted = (come - arrivals / 2)[waiting]
    at = np.searchsorted(served, wanted).clip(1, len(arrivals))
    share = (wanted - served[at - 1]) / np.maximum(served[at] - served[at - 1], 1e-300)
    waits = np.zeros(len(arrivals))
    waits[waiting] = ((at - 1 + share.clip(0.0, 1.0)) * STEP_S - until[waiting]).clip(0.0)
    return waits


def _weighted_quantile(values: Steps, weights: Steps, share: float) -> float:
    """Return the least value that ``share`` of the weights lies at or below."""
    total = float(weights.sum())
    if total <= 0:
        return 0.0
    order = np.argsort(values)
    at = np.searchsorted(np.cumsum(weights[order]), share * total * (1 - 1e-12))
    return float(values[order][min(int(at), len(values) - 1)])
