"""From a file to the warehouse: look, report, then land all of it in one transaction or nothing."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.scratch import scratch_folder
from inferplan.datasets.uploads.column_memory import Recalled, recall, remember
from inferplan.datasets.uploads.columnar import land
from inferplan.datasets.uploads.counters import Counters, Times, Values, bound_of
from inferplan.datasets.uploads.formats import Format, recognise
from inferplan.datasets.uploads.metrics import BUCKETS, METRICS
from inferplan.datasets.uploads.opening import Upload, look
from inferplan.datasets.uploads.progress import Progress
from inferplan.datasets.uploads.reading import (
    Advice,
    Allocation,
    Batch,
    BillLine,
    Histograms,
    NeedsAnswerError,
    ReadOptions,
    RecordTable,
    SampleTable,
    Series,
    Tally,
)
from inferplan.datasets.uploads.record_tables import land_records
from inferplan.datasets.uploads.report import Gathered, ImportReport, ParseReport, naive_utc
from inferplan.datasets.uploads.statistics import RATE
from inferplan.datasets.uploads.tablewriter import TableWriter
from inferplan.datasets.uploads.turns import turn, turn_soon
from inferplan.datasets.warehouse import MEMORY, Cursor, Warehouse

_IN_MEMORY_BYTES = 32 << 20
Record = BillLine | Allocation | Advice

_INSERT_IMPORT = (
    "INSERT INTO imports (import_id, digest, file_name, format, is_sample, imported_at, first_at, last_at, "
    "report) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def inspect(
    path: Path | str,
    options: ReadOptions | None = None,
    progress: Progress | None = None,
    warehouse: Warehouse | None = None,
) -> ParseReport:
    """Return what is in a file, without importing anything.

    What the file cannot say about itself is in ``questions``; what columns mean may be known to the
    ``warehouse`` from an earlier file.

    Raises
    ------
    UnreadableError
        If the file is damaged, hostile or of no known format.
    CancelledError
        If ``progress`` was cancelled.
    """
    options, progress = options or ReadOptions(), progress or Progress()
    upload = look(Path(path), options.file_name, progress, options.member)
    chosen = recognise(upload)
    recalled = recall(warehouse, upload, options) if warehouse and chosen.kind == "table" else None
    with scratch_folder() as folder:
        place = folder / "scratch.duckdb" if upload.size_bytes > _IN_MEMORY_BYTES else MEMORY
        with Warehouse.open(place) as scratch, scratch.transaction() as cursor, progress.watching(cursor):
            try:
                writer = TableWriter(cursor, 0, upload.file_name)
                return _pour(chosen, upload, options, writer, progress, recalled)
            except NeedsAnswerError as error:
                return Gathered().report(upload, _named(chosen), Tally(), error.questions)


def import_file(
    warehouse: Warehouse,
    path: Path | str,
    options: ReadOptions | None = None,
    *,
    is_sample: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Import a file whole, or not at all; content that was imported before changes nothing.

    Raises
    ------
    NeedsAnswerError
        If the file leaves something open that ``options`` do not answer.
    UnreadableError
        If the file is damaged, hostile, of no known format, or holds nothing that we use.
    CancelledError
        If ``progress`` was cancelled.
    """
    options, progress = options or ReadOptions(), progress or Progress()
    upload = look(Path(path), options.file_name, progress, options.member)
    chosen = recognise(upload)
    recalled = recall(warehouse, upload, options) if chosen.kind == "table" else None
    with turn(progress), warehouse.transaction() as cursor, progress.watching(cursor):
        if (before := _imported_before(cursor, upload)) is not None:
            return ImportReport(before, inspect(path, options, warehouse=warehouse), already_imported=True)
        import_id = int(cursor.execute("SELECT nextval('import_numbers')").fetchall()[0][0])
        writer = TableWriter(cursor, import_id, upload.file_name)
        report = _pour(chosen, upload, options, writer, progress, recalled)
        if not report.values_kept:
            raise InferplanError(_nothing(report))
        cursor.execute(
            _INSERT_IMPORT,
            [import_id, upload.digest, upload.file_name, chosen.name, is_sample, _now(),
             report.first_at, report.last_at, json.dumps(asdict(report), default=str)],
        )  # fmt: skip
        if chosen.kind == "table":
            remember(cursor, upload, options.columns, _now())
        progress.at("Writing")
    return ImportReport(import_id, report, already_imported=False)


def _imported_before(cursor: Cursor, upload: Upload) -> int | None:
    """Return the import of the same content; the digest is waited for where one has the same size."""
    alike = cursor.execute(
        "SELECT 1 FROM imports WHERE CAST(report ->> 'size_bytes' AS BIGINT) = ?", [upload.size_bytes]
    ).fetchall()
    if not alike:
        return None
    found = cursor.execute("SELECT import_id FROM imports WHERE digest = ?", [upload.digest]).fetchall()
    return int(found[0][0]) if found else None


def land_series(
    warehouse: Warehouse,
    title: str,
    digest: str,
    kind: str,
    found: Iterable[tuple[Series, Times, Values]],
    records: Iterable[Record] = (),
) -> int:
    """Land series and records that were computed, as sample data; return the import's number.

    The same ``digest`` a second time changes nothing. Raises ``InferplanError`` while another thread imports.
    """
    with turn_soon(), warehouse.transaction() as cursor:
        before = cursor.execute("SELECT import_id FROM imports WHERE digest = ?", [digest]).fetchall()
        if before:
            return int(before[0][0])
        import_id = int(cursor.execute("SELECT nextval('import_numbers')").fetchall()[0][0])
        writer = TableWriter(cursor, import_id, title)
        for series, times_us, values in found:
            writer.samples(series, times_us, values)
        for record in records:
            writer.record(record)
        facts, _ = writer.finish()
        first, last = min(one.first_us for one in facts.values()), max(one.last_us for one in facts.values())
        cursor.execute(
            _INSERT_IMPORT,
            [import_id, digest, title, kind, True, _now(), naive_utc(first), naive_utc(last), "{}"],
        )
    return import_id


@dataclass(frozen=True)
class Import:
    """A file that was imported."""

    import_id: int
    file_name: str
    format: str
    is_sample: bool
    imported_at: datetime
    """Naive UTC."""
    first_at: datetime | None
    last_at: datetime | None


def list_imports(warehouse: Warehouse) -> tuple[Import, ...]:
    """Return all imports, the newest first."""
    found = warehouse.rows(
        "SELECT import_id, file_name, format, is_sample, imported_at, first_at, last_at FROM imports "
        "ORDER BY import_id DESC"
    )
    return tuple(Import(*row) for row in found)


_DELETES = (
    "DELETE FROM usage_samples WHERE series_id IN (SELECT series_id FROM usage_series WHERE import_id = ?)",
    "DELETE FROM usage_histograms "
    "WHERE series_id IN (SELECT series_id FROM usage_series WHERE import_id = ?)",
    "DELETE FROM usage_series WHERE import_id = ?",
    "DELETE FROM bill_lines WHERE import_id = ?",
    "DELETE FROM cost_allocations WHERE import_id = ?",
    "DELETE FROM tool_advice WHERE import_id = ?",
    "DELETE FROM imports WHERE import_id = ?",
)


def undo_import(warehouse: Warehouse, import_id: int) -> None:
    """Remove every row of an import.

    Raises
    ------
    InferplanError
        If there is no such import, or another thread imports and does not end soon.
    """
    with turn_soon(), warehouse.transaction() as cursor:
        if not cursor.execute("SELECT 1 FROM imports WHERE import_id = ?", [import_id]).fetchall():
            msg = f"There is no import number {import_id}; it may have been undone already."
            raise InferplanError(msg)
        for statement in _DELETES:
            cursor.execute(statement, [import_id])


def _pour(
    chosen: Format,
    upload: Upload,
    options: ReadOptions,
    writer: TableWriter,
    progress: Progress,
    recalled: Recalled | None,
) -> ParseReport:
    """Write all that the file holds and return the report of it."""
    gathered, tally = Gathered(), Tally()
    if recalled:
        options = options.model_copy(update={"columns": recalled.columns})
        tally.note(recalled.note)
    counters = Counters(tally)
    progress.at("Reading")
    for item in chosen.read(upload, options, tally):
        progress.at(f"Reading, {tally.rows_read:,} rows so far" if tally.rows_read else "Reading")
        if isinstance(item, RecordTable):
            for landed in land_records(item, writer):
                gathered.take_landed(landed)
            continue
        for one in land(item, writer) if isinstance(item, SampleTable) else (item,):
            if isinstance(one, Histograms):
                writer.histograms(one)
            elif isinstance(one, Batch):
                for series, times_us, values in _gauges(one, counters, tally):
                    writer.samples(series, times_us, values)
            else:
                gathered.take_record(one)
                writer.record(one)
    progress.at("Putting in order")
    gathered.series, gathered.order = writer.finish()
    report = gathered.report(upload, _named(chosen), tally)
    return replace(report, recalled=tuple(recalled.columns.items())) if recalled else report


def _gauges(batch: Batch, counters: Counters, tally: Tally) -> Iterable[tuple[Series, Times, Values]]:
    """Yield what lands of a batch: readings, or of a counter its increases and the same per second."""
    times_us = np.asarray(batch.times_us, dtype=np.int64)
    values = np.asarray(batch.values, dtype=np.float64)
    if not len(values):
        return
    series = batch.series
    if not METRICS[series.metric].counter:
        yield series, times_us, values
        return
    if series.metric in BUCKETS and bound_of(series) is None:
        tally.refuse(None, f"{series.metric}: a bucket without the bound 'le'", rows=len(values))
        return
    if batch.interval_s is not None:
        yield series, times_us, values
        rate = Series(series.metric + RATE, series.labels, series.variant)
        yield rate, times_us, values / batch.interval_s
        return
    times_us, increases, rates = counters.increases(series, times_us, values)
    if len(times_us):
        yield series, times_us, increases
    if len(times_us) and series.metric not in BUCKETS:
        yield Series(series.metric + RATE, series.labels, series.variant), times_us, rates


def _named(chosen: Format) -> tuple[str, str, str]:
    return chosen.name, chosen.title, chosen.kind


def _nothing(report: ParseReport) -> str:
    why = "; ".join(f"line {problem.line}: {problem.reason}" for problem in report.problems[:3])
    ignored = ", ".join(name for name, _ in report.ignored[:6])
    return (
        f"{report.file_name} ({report.title}) holds nothing that we can use: {report.rows_read:,} rows read, "
        f"{report.rows_refused:,} refused, {report.values_missing:,} without a value."
        + (f" {why}." if why else "")
        + (f" Not used: {ignored}." if ignored else "")
        + "".join(f" {note}" for note in report.notes[:3])
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
