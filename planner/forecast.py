"""Month-end forecast of daily spend: a local level times the day of the week, with block-bootstrapped errors.

Model: a day's cost is level times weekday factor. The level follows what was not foreseen (exponential
smoothing, its speeds weighed by their one-day errors) and grows as in the last four weeks, as far as that
growth is beyond doubt. Interval: relative one-day errors are drawn in blocks of a week and run through the
same smoothing, so that errors that persist add up; growth and level are drawn within their doubt. Sources:
R. Hyndman, A. Koehler, J. Ord, R. Snyder, "Forecasting with Exponential Smoothing" (2008), ch. 4 and 6;
H. Künsch, "The jackknife and the bootstrap for general stationary observations" (Ann. Statist. 17, 1989).
"""

import calendar
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from inferplan.planner.interval import Interval

METHOD = "local level by day of the week, errors bootstrapped in blocks of a week"
LEAST_DAYS = 21
WEEK = 7
LONGEST_DAYS = 91
"""Days of history that count: a quarter."""
DRAWS = 2000
SEED = 20261121
SATURDAY = 5
SEVEN_FACTORS_FROM = 4 * WEEK
"""Days from which each weekday has a factor of its own; before, workdays and weekends."""
_SPEEDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MonthForecast:
    """What a month will have cost at its end."""

    month: date
    """Its first day."""
    spent: float
    """Cost of its days that are billed whole."""
    days_left: int
    total: Interval
    """80 % interval of the whole month's cost."""
    totals: tuple[float, ...]
    """All draws in order, for ``chance_above``."""
    daily: Interval | None
    """80 % interval of one coming day, averaged over the days left; ``None`` without such."""

    def chance_above(self, budget: float) -> float:
        """Return the share of the draws (0-1) in which the month costs more than ``budget``."""
        return 1 - bisect_right(self.totals, budget) / len(self.totals)


def forecast_month(costs: Mapping[date, float]) -> MonthForecast | str:
    """Return the forecast for the month of the last day in ``costs``, or why there is none.

    Parameters
    ----------
    costs
        Cost of each day that is billed to its end; days between the first and the last without a line cost 0.
    """
    if not costs:
        return "no day is billed to its end"
    first, last = min(costs), max(costs)
    days = (last - first).days + 1
    if days < LEAST_DAYS:
        return f"not enough days: {days} of the {LEAST_DAYS} that show how weekdays differ"
    series = np.array([costs.get(first + timedelta(days=n), 0.0) for n in range(days)])[-LONGEST_DAYS:]
    if series.mean() <= 0:
        return "the days cost nothing on average, so there is no level to go on from"
    month = last.replace(day=1)
    spent = sum(cost for day, cost in costs.items() if day >= month)
    days_left = calendar.monthrange(last.year, last.month)[1] - last.day
    if not days_left:
        return MonthForecast(month, spent, 0, Interval(spent, spent, spent), (spent,), None)
    first_weekday = (last.weekday() + 1 - len(series)) % WEEK
    fit = _fit(series, first_weekday, days_left)
    totals = np.sort(spent + _draws(fit))
    low, high = np.quantile(totals, [0.1, 0.9])
    expected = spent + _path(fit)
    total = Interval(float(min(low, expected)), float(expected), float(max(high, expected)))
    each = [(end - spent) / days_left for end in total]
    return MonthForecast(month, spent, days_left, total, tuple(totals.tolist()), Interval(*each))


@dataclass(frozen=True)
class _Fit:
    weights: Array
    """How well each of ``_SPEEDS`` foresaw the history; they sum to 1."""
    levels: Array
    """The last level by speed."""
    errors: Array
    """One-day errors by speed as shares of the level, widened for what was estimated from the same days."""
    drift: float
    """Growth per day as a share of the level, shrunk by its doubt."""
    drift_doubt: float
    """Standard error of the growth."""
    coming: Array
    """Weekday factors of the coming days."""


def _draws(fit: _Fit) -> Array:
    """Return sums of the coming days, one for each draw of speed, growth and blocks of errors."""
    random = np.random.default_rng(SEED)
    days, known = len(fit.coming), fit.errors.shape[1]
    chosen = random.choice(len(_SPEEDS), size=DRAWS, p=fit.weights)
    speed = np.array(_SPEEDS)[chosen]
    starts = random.integers(0, known, size=(DRAWS, -(-days // WEEK)))
    at = ((starts[:, :, None] + np.arange(WEEK)) % known).reshape(DRAWS, -1)[:, :days]
    picked = fit.errors[chosen[:, None], at]
    doubt = fit.errors.std(axis=1)[chosen] * np.sqrt(speed / (2 - speed))
    level = fit.levels[chosen] * (1 + doubt * random.standard_normal(DRAWS))
    drift = fit.drift + fit.drift_doubt * random.standard_normal(DRAWS)
    total = np.zeros(DRAWS)
    for factor, error in zip(fit.coming, picked.T, strict=True):
        level = np.maximum(level * (1 + drift), 0)
        total += np.maximum(level * (factor + error), 0)
        level = np.maximum(level * (1 + speed * error), 0)
    return total


def _path(fit: _Fit) -> float:
    """Return the expected sum of the coming days."""
    growth = (1 + fit.drift) ** np.arange(1, len(fit.coming) + 1)
    return float(fit.weights @ fit.levels * (growth * fit.coming).sum())


def _fit(series: Array, first_weekday: int, days: int) -> _Fit:
    weekdays = (first_weekday + np.arange(len(series) + days)) % WEEK
    kinds = weekdays if len(series) >= SEVEN_FACTORS_FROM else (weekdays >= SATURDAY).astype(np.int64)
    factors = _factors(series, kinds[: len(series)])[kinds]
    usual = factors[: len(series)]
    fits = [_smoothed(series, usual, speed) for speed in _SPEEDS]
    errors = np.array([found for _, found in fits])
    squares = np.maximum((errors**2).mean(axis=1), np.finfo(float).tiny)
    weights = (squares.min() / squares) ** (errors.shape[1] / 2)
    estimated = len(set(kinds.tolist())) + 2
    widened = (errors - errors.mean(axis=1, keepdims=True)) * np.sqrt(len(series) / (len(series) - estimated))
    return _Fit(
        weights / weights.sum(),
        np.array([level for level, _ in fits]),
        widened,
        *_drift(series / np.where(usual > 0, usual, 1)),
        factors[len(series) :],
    )


def _drift(series: Array) -> tuple[float, float]:
    """Return the growth per day over the last four weeks as a share of the mean, shrunk, and its doubt."""
    recent = series[-4 * WEEK :]
    at = np.arange(len(recent)) - (len(recent) - 1) / 2
    slope = float((at * recent).sum() / (at**2).sum())
    misses = recent - recent.mean() - slope * at
    persisting = max(float(np.corrcoef(misses[:-1], misses[1:])[0, 1]), 0.0) if misses.std() > 0 else 0.0
    doubt = float(np.sqrt((misses**2).sum() / (len(recent) - 2) / (at**2).sum()))
    doubt *= float(np.sqrt((1 + persisting) / max(1 - persisting, 0.1)))
    shrunk = slope * slope**2 / (slope**2 + doubt**2) if slope else 0.0
    return shrunk / recent.mean(), doubt / recent.mean()


def _factors(series: Array, kinds: npt.NDArray[np.int64]) -> Array:
    """Return how each kind of day differs from the whole week around it."""
    week = np.convolve(series, np.ones(WEEK) / WEEK, mode="valid")
    inner = slice(WEEK // 2, -(WEEK // 2))
    shares = np.divide(series[inner], week, out=np.ones_like(week), where=week > 0)
    return np.array([shares[kinds[inner] == kind].mean() for kind in range(int(kinds.max()) + 1)])


def _smoothed(series: Array, factors: Array, speed: float) -> tuple[float, Array]:
    """Return the last level and the one-day errors as shares of the level, the first week left out."""
    level = float(series[:WEEK].mean() / factors[:WEEK].mean())
    errors = []
    for number, (cost, factor) in enumerate(zip(series.tolist(), factors.tolist(), strict=True)):
        error = cost / level - factor if level > 0 else 0.0
        if number >= WEEK:
            errors.append(error)
        level = level * (1 + speed * error) if level > 0 else cost
    return level, np.array(errors)
