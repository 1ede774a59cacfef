"""Collects single samples into batches, with impossible values taken out and units decided."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from inferplan.datasets.uploads.metrics import (
    EITHER,
    METRICS,
    PERCENT,
    UNITS,
    Naming,
    said_metric,
    unit_factor,
)
from inferplan.datasets.uploads.reading import Batch, NeedsAnswerError, Question, Series, Tally
from inferplan.datasets.uploads.values import number

FLUSH_VALUES = 250_000
TOTAL = ("fb_total_bytes", EITHER)
"""Metric and factor of what tells the unit of the other amounts of memory in a file."""
_SMALLEST_MIB = 1024.0  # below may be an idle GPU's MiB or a busy one's GiB
_LARGEST_GPU_MIB = float(1 << 20)  # 1 TiB written in MiB, or 1 MB written in bytes: no GPU uses either
_LARGEST_MIB = float(1 << 24)  # the same of machines: 16 TiB or 16 MB
_BY_TOTAL = ((1024.0, "gib"), (2.0**20, "mib"), (2.0**30, "kib"))
"""A GPU has 1 GiB to 1 TiB of memory: what numbers below the limit are written in."""
_SHOWN = {"gib": "GiB", "mib": "MiB", "kib": "KiB"}


@dataclass(slots=True)
class _Open:
    factor: float
    line: int | None
    times_us: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class Gatherer:
    """Gathers samples by series; ``full`` says when to ``flush``."""

    def __init__(self, tally: Tally) -> None:
        """Report refusals to ``tally``."""
        self._tally = tally
        self._open: dict[tuple[Series, float], _Open] = {}
        self._held = 0
        self._decided: dict[str, float] = {}
        self._shares: set[str] = set()
        """Metrics of which values between 0 and 1 were passed on as they are."""

    @property
    def full(self) -> bool:
        """Whether enough was gathered to be passed on."""
        return self._held >= FLUSH_VALUES

    def add(self, series: Series, factor: float, us: int, value: float, line: int | None) -> None:
        """Add one sample of ``series``; ``value`` times ``factor`` is in the metric's unit."""
        key = (series, factor)
        opened = self._open.get(key)
        if opened is None:
            opened = self._open[key] = _Open(factor, line)
        opened.times_us.append(us)
        opened.values.append(value)
        self._held += 1

    def take(
        self, cell: str, naming: Naming, series: Series, us: int, line: int, *, decimal_comma: bool = False
    ) -> None:
        """Add the sample that a ``cell`` holds; one without a value is counted, what is no value refused."""
        try:
            value, unit = number(cell, decimal_comma=decimal_comma)
            factor = factor_of(naming, unit)
        except ValueError as error:
            self._tally.refuse(line, str(error))
            return
        if value is None:
            self._tally.values_missing += 1
        else:
            self.add(series, factor, us, value, line)

    def extend(
        self,
        series: Series,
        factor: float,
        times_us: Sequence[int],
        values: Sequence[float],
        line: int | None,
    ) -> None:
        """Add samples of one series."""
        opened = self._open.setdefault((series, factor), _Open(factor, line))
        opened.times_us.extend(times_us)
        opened.values.extend(values)
        self._held += len(values)

    def flush(self) -> Iterator[Batch]:
        """Yield what was gathered, in our units, and start anew."""
        totals = [
            max(opened.values)
            for (series, factor), opened in self._open.items()
            if (series.metric, factor) == TOTAL
        ]
        total = max(totals, default=0.0)
        for (series, factor), opened in self._open.items():
            if factor == EITHER and series.metric not in self._decided:
                self._decide(series.metric, max(opened.values), total)
        self._shares |= {
            series.metric
            for (series, factor), opened in self._open.items()
            if factor == EITHER and series.metric not in self._decided and max(opened.values) > 0
        }
        for (series, factor), opened in self._open.items():
            scale = factor if factor != EITHER else self._decided.get(series.metric, 1.0)
            values = [value * scale for value in opened.values] if scale != 1.0 else opened.values
            batch = self._possible(Batch(series, opened.times_us, values), opened.line)
            if batch.values:
                yield batch
        self._open = {}
        self._held = 0

    def _decide(self, metric: str, peak: float, total: float) -> None:
        """Settle the unit of a metric, unless all may be shares so far: they are passed on as such."""
        factor = factor_by_peak(metric, peak, self._tally, total)
        if factor == PERCENT and metric in self._shares:
            said = f"{metric}_percent"
            text = f"{metric} begins with values up to 1, but percents follow: say {said}."
            raise NeedsAnswerError(Question("metric", text, (said,)))
        if factor != 1.0 or (METRICS[metric].unit == "bytes" and peak > 0):
            self._decided[metric] = factor

    def _possible(self, batch: Batch, line: int | None) -> Batch:
        metric = METRICS[batch.series.metric]
        if min(batch.values) >= 0 and max(batch.values) <= metric.largest:
            return batch
        good = [
            pair for pair in zip(batch.times_us, batch.values, strict=True) if 0 <= pair[1] <= metric.largest
        ]
        bad = next(value for value in batch.values if not 0 <= value <= metric.largest)
        reason = f"{metric.name} of {bad:g} is impossible"
        self._tally.refuse(line, reason, rows=len(batch.values) - len(good))
        return Batch(batch.series, [at for at, _ in good], [value for _, value in good])


def factor_by_peak(metric: str, peak: float, tally: Tally, total: float = 0.0) -> float:
    """Return the factor of a name that carries several units: shares above 1 are percents, small bytes MiB.

    Where every share is at most 1 the larger reading is taken, a ratio: a busy GPU never looks idle.
    ``total`` is the most memory that a GPU has beside it in the same unit, 0 where the file does not say.

    Raises
    ------
    NeedsAnswerError
        If bytes may be written in MiB or GiB.
    """
    if METRICS[metric].unit == "ratio" and peak > METRICS[metric].largest:
        tally.note(f"{metric}: values above 1 were read as percents.")
        return PERCENT
    if METRICS[metric].unit != "bytes" or peak <= 0:
        return 1.0
    unit = _unit_of_bytes(metric, peak, total if metric.startswith("fb_") else 0.0)
    if unit != "bytes":
        tally.note(f"{metric}: values without a unit were read as {_SHOWN[unit]}.")
    return UNITS[unit]


def _unit_of_bytes(metric: str, peak: float, total: float) -> str:
    """Return the unit that numbers up to ``peak`` are written in."""
    if total:
        return next((unit for limit, unit in _BY_TOTAL if total < limit), "bytes")
    if peak < _SMALLEST_MIB:
        short = metric.removesuffix("_bytes")
        raise NeedsAnswerError(
            Question(
                "metric",
                f"{metric} of at most {peak:g} has no unit, GiB or MiB: say {short}_gib or {short}_mib.",
                (f"{short}_gib", f"{short}_mib"),
            )
        )
    return "mib" if peak < (_LARGEST_GPU_MIB if metric.startswith("fb_") else _LARGEST_MIB) else "bytes"


def in_told_unit(naming: Naming, metric: str | None) -> Naming:
    """Return ``naming`` in the unit that was told with a ``metric`` such as ``fb_used_gib``, if it has none.

    >>> in_told_unit(Naming("fb_free_bytes", EITHER), "fb_used_gib").factor
    1073741824.0
    """
    told = said_metric(metric) if metric and naming.factor == EITHER else None
    alike = told is not None and METRICS[told.metric].unit == METRICS[naming.metric].unit
    return naming._replace(factor=told.factor) if told and alike else naming


def factor_of(naming: Naming, unit: str) -> float:
    """Return the factor to our unit; a unit printed beside the number outranks the name's usual one.

    Raises
    ------
    ValueError
        If the metric is not measured in that unit.
    """
    factor = unit_factor(naming.metric, unit) if unit else naming.factor
    if factor is None:
        msg = f"{naming.metric} is not read in {unit!r}"
        raise ValueError(msg)
    return factor


def in_unit(naming: Naming, unit: str, tally: Tally) -> Naming:
    """Return a metric in the unit that stands in a column of its own; one that is not known is told."""
    factor = unit_factor(naming.metric, unit.casefold())
    if factor is None and unit:
        tally.note(f"{naming.metric}: the unit {unit!r} is not known, the values were read without it.")
    return naming if factor is None else naming._replace(factor=factor)


METRIC_QUESTION = Question(
    "metric", "The file does not say what its values measure: which metric is it?", tuple(METRICS)
)


def told_metric(metric: str | None) -> Naming:
    """Return the metric that the user said the values are; their unit is decided by the values."""
    if metric is None:
        raise NeedsAnswerError(METRIC_QUESTION)
    naming = said_metric(metric)
    if naming is None:
        raise NeedsAnswerError(
            METRIC_QUESTION._replace(text=f"{metric!r} is no metric of ours: which is it?")
        )
    return naming
