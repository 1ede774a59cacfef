"""What the user is told of a file before and after it lands."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from inferplan.datasets.uploads.clock import us_of
from inferplan.datasets.uploads.metrics import OF_REQUESTS
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Advice, Allocation, BillLine, Problem, Question, Series, Tally
from inferplan.datasets.uploads.record_tables import Landed
from inferplan.datasets.uploads.statistics import RATE, Order, SeriesFacts, entity_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def naive_utc(us: int) -> datetime:
    """Return microseconds since 1970 as a UTC time without a zone, as the warehouse keeps it."""
    return (_EPOCH + timedelta(microseconds=us)).replace(tzinfo=None)


@dataclass(frozen=True)
class ParseReport:
    """What is in a file, and what would be refused."""

    file_name: str
    format: str
    title: str
    kind: str
    digest: str
    size_bytes: int
    rows_read: int = 0
    """Samples of a metrics export, data lines of a table, lines of a bill."""
    rows_refused: int = 0
    values_kept: int = 0
    """Samples, bill lines, allocations or pieces of advice that would land."""
    values_missing: int = 0
    """Cells that say "no value": gaps, never zeros."""
    problems: tuple[Problem, ...] = ()
    """The first refusals with line (or position in the list) and reason."""
    ignored: tuple[tuple[str, int], ...] = ()
    """Names that we do not use, the most frequent first."""
    notes: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    """What must be answered (as ``ReadOptions``) before the file can be read."""
    recalled: tuple[tuple[str, str], ...] = ()
    """Columns and their meanings, where they were said for an earlier file with the same header."""
    series: int = 0
    entities: tuple[tuple[str, int], ...] = ()
    """How many GPUs, MIG slices, replicas and nodes."""
    metrics: tuple[tuple[str, int], ...] = ()
    """Metric and how many samples."""
    first_at: datetime | None = None
    """Naive UTC."""
    last_at: datetime | None = None
    step_s: float | None = None
    """Commonest distance between samples."""
    coverage: float | None = None
    """Samples there are as a share of those there would be without gaps."""

    @property
    def span_s(self) -> float | None:
        """Seconds from the first to the last sample."""
        if self.first_at is None or self.last_at is None:
            return None
        return (self.last_at - self.first_at).total_seconds()

    @property
    def can_import(self) -> bool:
        """Whether anything would land and nothing is left to ask."""
        return not self.questions and self.values_kept > 0


@dataclass(frozen=True)
class ImportReport:
    """What landed."""

    import_id: int
    parsed: ParseReport
    already_imported: bool
    """The same content was imported before: nothing changed."""


@dataclass
class Gathered:
    """Running sums behind a report."""

    series: Mapping[Series, SeriesFacts] = field(default_factory=dict)
    order: Order = field(default_factory=Order)
    records: int = 0
    """Bill lines, allocations and pieces of advice."""
    first_us: int | None = None
    last_us: int | None = None

    def take_record(self, record: BillLine | Allocation | Advice) -> None:
        """Count a record and widen the span by its period."""
        self.records += 1
        if isinstance(record, Advice):
            return
        self._widen(record.period_start, record.period_end)

    def take_landed(self, landed: Landed) -> None:
        """Count records that were written and widen the span by their periods."""
        self.records += landed.records
        self._widen(landed.first_at, landed.last_at)

    def _widen(self, *span: datetime) -> None:
        start, end = (us_of(moment.replace(tzinfo=UTC)) for moment in span)
        self.first_us = start if self.first_us is None else min(self.first_us, start)
        self.last_us = end if self.last_us is None else max(self.last_us, end)

    def report(
        self, upload: Upload, chosen: tuple[str, str, str], tally: Tally, questions: tuple[Question, ...] = ()
    ) -> ParseReport:
        """Return the report of a file of the ``chosen`` format (name, title, kind)."""
        statistics = {
            series: found for series, found in self.series.items() if not series.metric.endswith(RATE)
        }
        everything = statistics.values()
        entities = {entity_of(series, upload.file_name) for series in statistics}
        metrics: Counter[str] = Counter()
        for series, found in statistics.items():
            metrics[series.metric] += found.samples
        steps = Counter(found.step_s for found in self._over_time() if found.step_s is not None)
        firsts = [found.first_us for found in everything] + ([] if self.first_us is None else [self.first_us])
        lasts = [found.last_us for found in everything] + ([] if self.last_us is None else [self.last_us])
        name, title, kind = chosen
        return ParseReport(
            file_name=upload.file_name,
            format=name,
            title=title,
            kind=kind,
            digest=upload.digest,
            size_bytes=upload.size_bytes,
            rows_read=tally.rows_read,
            rows_refused=tally.rows_refused,
            values_kept=sum(found.samples for found in everything) + self.records,
            values_missing=tally.values_missing,
            problems=tuple(tally.problems),
            ignored=tuple(tally.ignored.most_common(20)),
            notes=(*tally.notes, *self._notes()),
            questions=questions,
            series=len(statistics),
            entities=tuple(sorted(Counter(kind for kind, _ in entities).items())),
            metrics=tuple(sorted(metrics.items())),
            first_at=naive_utc(min(firsts)) if firsts else None,
            last_at=naive_utc(max(lasts)) if lasts else None,
            step_s=steps.most_common(1)[0][0] if steps else None,
            coverage=self._coverage(),
        )

    def _over_time(self) -> list[SeriesFacts]:
        """Return what is measured at intervals: requests come when they come."""
        one_by_one = set(OF_REQUESTS.values())
        return [found for series, found in self.series.items() if series.metric not in one_by_one]

    def _coverage(self) -> float | None:
        known = [found for found in self._over_time() if found.coverage]
        expected = sum(found.samples / (found.coverage or 1.0) for found in known)
        return min(1.0, sum(found.samples for found in known) / expected) if expected else None

    def _notes(self) -> list[str]:
        notes = []
        if self.order.repeated:
            notes.append(
                f"{self.order.repeated:,} samples repeat a time of their series: the larger value is kept."
            )
        if self.order.went_back:
            notes.append(f"{self.order.went_back:,} series are not in order of time: they are sorted.")
        return notes
